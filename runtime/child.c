/* SPDX-License-Identifier: MIT */
#include "child.h"

#include "process.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* How reports show it -------------------------------------------------------------- */

static const struct child *child_of(const struct object *object) {
	return container_of(object, const struct child, object);
}

static const char *child_kind_name(const struct object *object) {
	return child_of(object)->name;
}

static const char *child_kind_state(const struct object *object) {
	switch (child_of(object)->state) {
	case 'Z':
		return "zombie";
	case 'T':
	case 't':
		return "stopped";
	default:
		return "running";
	}
}

static void child_kind_line(const struct object *object, struct text *out) {
	text_add(out, "\"");
	text_escape(out, child_of(object)->name);
	text_add(out, "\" (pid %d, %s)", (int)child_of(object)->pid,
		child_kind_state(object));
}

static void child_kind_detail(const struct object *object, struct text *out) {
	text_add(out, "\"pid\": %d", (int)child_of(object)->pid);
}

static const struct kind child_kind = {
	.index = KIND_CHILD,
	.word = "child",
	.title = "child",
	.plural = "children",
	.fate = "not waited for",
	.waits = "waits",
	.help = "waitpid()",
	.outcome = "abandoned",
	.ageless = true,
	.name = child_kind_name,
	.state = child_kind_state,
	.line = child_kind_line,
	.detail = child_kind_detail,
};

/* Who is there --------------------------------------------------------------------- */

/* Reads /proc/PID/stat: "PID (NAME) STATE PARENT ...", NAME with anything in it. */
static bool child_read(struct child *child, pid_t *parent) {
	char path[32], line[512];
	snprintf(path, sizeof path, "/proc/%d/stat", (int)child->pid);
	FILE *file = fopen(path, "re");
	if (!file) {
		return false;
	}
	size_t length = fread(line, 1, sizeof line - 1, file);
	fclose(file);
	line[length] = '\0';
	char *name = strchr(line, '('), *end = strrchr(line, ')');
	int number;
	if (!name || !end || sscanf(end + 1, " %c %d", &child->state, &number) != 2) {
		return false;
	}
	*end = '\0';
	snprintf(child->name, sizeof child->name, "%s", name + 1);
	*parent = number;
	return true;
}

void child_each(void (*found)(void *context, const struct child *child), void *context) {
	siginfo_t info;
	DIR *folder = NULL;
	if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0) {
		folder = opendir("/proc");
	}
	struct dirent *entry;
	while (folder && (entry = readdir(folder))) {
		struct child child = {.pid = 0};
		pid_t parent;
		if (isdigit((unsigned char)*entry->d_name)) {
			child.pid = (pid_t)strtol(entry->d_name, NULL, 10);
		}
		if (child.pid && child_read(&child, &parent) && parent == getpid()) {
			found(context, &child);
		}
	}
	if (folder) {
		closedir(folder);
	}
}

static void child_know(void *context, const struct child *child) {
	struct children *children = context;
	if (children->knows < CHILD_MAX) {
		children->known[children->knows++] = child->pid;
	}
}

void child_baseline(struct children *children) {
	child_each(child_know, children);
}

struct child_search {
	struct children *children;
	struct registry *registry;
};

static bool child_was_made(const struct children *children, pid_t pid) {
	for (unsigned i = 0; i < children->makes; i++) {
		if (children->made[i] == pid) {
			return true;
		}
	}
	return !children->made;
}

static bool child_is_foreign(const struct child_search *search, pid_t pid) {
	if (!child_was_made(search->children, pid)) {
		return false;
	}
	for (unsigned i = 0; i < search->children->knows; i++) {
		if (search->children->known[i] == pid) {
			return false;
		}
	}
	return !process_has(search->registry, pid);
}

static void child_found(void *context, const struct child *child) {
	struct child_search *search = context;
	struct children *children = search->children;
	if (children->count < CHILD_MAX && child_is_foreign(search, child->pid)) {
		struct child *place = &children->found[children->count++];
		*place = *child;
		registry_add(search->registry, &place->object, &child_kind, NULL);
	}
}

void child_list(struct children *children, struct registry *registry, bool alone) {
	struct child_search search = {children, registry};
	if (alone) {
		child_each(child_found, &search);
	}
}

void child_unlist(struct children *children) {
	for (unsigned i = 0; i < children->count; i++) {
		registry_remove(&children->found[i].object);
	}
	children->count = 0;
}
