/* SPDX-License-Identifier: MIT */
#include "error.h"
#include "loader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Whether path is there and no folder. */
static bool is_file(const char *path) {
	struct stat st;
	return *path && !stat(path, &st) && !S_ISDIR(st.st_mode);
}

static bool ends_in_so(const char *name) {
	size_t length = strlen(name);
	return length > 3 && !strcmp(name + length - 3, ".so");
}

/* Where a PLUGIN without a '/' is looked for. */
struct folders {
	const char *search_path, *library; /* either may be NULL */
};

/* FOLDER/NAME.so if that is a file. NULL: it is not, errno ENOENT; else ENOMEM. */
static char *in_folder(const char *folder, size_t length, const char *name) {
	char *path;
	if (asprintf(&path, "%.*s/%s%s", (int)length, folder, name,
		    ends_in_so(name) ? "" : ".so") < 0) {
		errno = ENOMEM;
		return NULL;
	}
	if (is_file(path)) {
		return path;
	}
	free(path);
	errno = ENOENT;
	return NULL;
}

/* The file that name stands for; NULL with errno as in_folder(). */
static char *search(const char *name, const struct folders *folders) {
	const char *folder = folders->search_path ? folders->search_path : "";
	char *found = NULL;
	errno = ENOENT;
	while (!found && errno == ENOENT && *folder) {
		size_t length = strcspn(folder, ":");
		/* A relative folder would depend on where arun is started. */
		if (*folder == '/') {
			found = in_folder(folder, length, name);
		}
		folder += length + (folder[length] == ':');
	}
	if (!found && errno == ENOENT && folders->library) {
		found = in_folder(folders->library, strlen(folders->library), name);
	}
	return found;
}

/* The file that the whole of word names; NULL with errno as in_folder(). */
static char *whole(const char *word, const struct folders *folders) {
	if (!strchr(word, '/')) {
		return search(word, folders);
	}
	if (is_file(word)) {
		return strdup(word);
	}
	errno = ENOENT;
	return NULL;
}

/* Takes word for PLUGIN or PLUGIN:ENTRY. Returns 0; -1: no memory. */
static int divide(const char *word, struct loader_name *name) {
	const char *slash = strrchr(word, '/');
	const char *colon = strrchr(slash ? slash : word, ':');
	name->path = strndup(word, colon ? (size_t)(colon - word) : strlen(word));
	name->entry = colon ? strdup(colon + 1) : NULL;
	return name->path && (!colon || name->entry) ? 0 : -1;
}

/* What PLUGIN, without a '/', may have been meant for: that file here. */
static int not_found(
	const struct loader_name *name, const char *library, struct loader_error *error) {
	const char *plugin = name->path;
	char *here;
	if (asprintf(&here, "./%s%s", plugin, ends_in_so(plugin) ? "" : ".so") < 0) {
		return error_no_memory(error, plugin);
	}
	if (is_file(here) || is_file(plugin)) {
		error_set(error, 127, plugin,
			": not in ARUN_PATH; did you mean %s%s%s%s?",
			is_file(here) ? here : "./", is_file(here) ? "" : plugin,
			name->entry ? ":" : "", name->entry ? name->entry : "");
	} else {
		error_set(error, 127, plugin, ": no such plugin in ARUN_PATH%s%s",
			library ? " or " : "", library ? library : "");
	}
	free(here);
	return -1;
}

static int find(const char *word, const struct folders *folders, struct loader_name *name,
	struct loader_error *error) {
	/* A whole word that names a file is no PLUGIN:ENTRY. */
	name->path = whole(word, folders);
	if (name->path) {
		return 0;
	}
	if (errno != ENOENT || divide(word, name) < 0) {
		return error_no_memory(error, word);
	}
	if (strchr(word, '/')) {
		return 0;
	}
	char *found = search(name->path, folders);
	if (!found) {
		return errno == ENOENT ? not_found(name, folders->library, error)
				       : error_no_memory(error, word);
	}
	free(name->path);
	name->path = found;
	return 0;
}

int loader_find(const char *word, const char *search_path, const char *library_folder,
	struct loader_name *name, struct loader_error *error) {
	const struct folders folders = {search_path, library_folder};
	*name = (struct loader_name){0};
	int result = find(word, &folders, name, error);
	if (result) {
		loader_name_finish(name);
	}
	return result;
}

void loader_name_finish(struct loader_name *name) {
	if (!name) {
		return;
	}
	free(name->path);
	free(name->entry);
	*name = (struct loader_name){0};
}
