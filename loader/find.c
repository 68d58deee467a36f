/* SPDX-License-Identifier: MIT */
#include "error.h"
#include "loader.h"

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

/* FOLDER/NAME.so if that is a file. NULL: it is not; *no_memory. */
static char *in_folder(
	const char *folder, size_t length, const char *name, bool *no_memory) {
	char *path;
	if (asprintf(&path, "%.*s/%s%s", (int)length, folder, name,
		    ends_in_so(name) ? "" : ".so") < 0) {
		*no_memory = true;
		return NULL;
	}
	if (is_file(path)) {
		return path;
	}
	free(path);
	return NULL;
}

/* The file that name stands for; NULL: there is none, or *no_memory. */
static char *search(const char *name, const char *search_path, const char *library_folder,
	bool *no_memory) {
	char *found = NULL;
	const char *folder = search_path ? search_path : "";
	while (!found && !*no_memory && *folder) {
		size_t length = strcspn(folder, ":");
		/* A relative folder would depend on where arun is started. */
		if (*folder == '/') {
			found = in_folder(folder, length, name, no_memory);
		}
		folder += length + (folder[length] == ':');
	}
	if (!found && !*no_memory && library_folder) {
		found = in_folder(
			library_folder, strlen(library_folder), name, no_memory);
	}
	return found;
}

/* What PLUGIN, without a '/', may have been meant for: that file here. */
static int not_found(const char *plugin, const char *entry, const char *library_folder,
	struct loader_error *error) {
	char *here;
	if (asprintf(&here, "./%s%s", plugin, ends_in_so(plugin) ? "" : ".so") < 0) {
		return error_no_memory(error, plugin);
	}
	if (is_file(here) || is_file(plugin)) {
		error_set(error, 127, plugin, ": not in ARUN_PATH; did you mean %s%s%s?",
			is_file(here) ? here : "./", is_file(here) ? "" : plugin, entry);
	} else {
		error_set(error, 127, plugin, ": no such plugin in ARUN_PATH%s%s",
			library_folder ? " or " : "",
			library_folder ? library_folder : "");
	}
	free(here);
	return -1;
}

static int find(const char *word, const char *plugin, const char *entry,
	const char *search_path, const char *library_folder, struct loader_name *name,
	struct loader_error *error) {
	bool no_memory = false;
	bool is_path = strchr(word, '/');
	/* A whole word that names a file is no PLUGIN:ENTRY. */
	name->path = is_path ? (is_file(word) ? strdup(word) : NULL)
			     : search(word, search_path, library_folder, &no_memory);
	if (name->path || no_memory) {
		return no_memory ? error_no_memory(error, word) : 0;
	}
	name->path = is_path ? strdup(plugin)
			     : search(plugin, search_path, library_folder, &no_memory);
	if (!name->path && !is_path && !no_memory) {
		return not_found(plugin, entry, library_folder, error);
	}
	name->entry = *entry ? strdup(entry + 1) : NULL;
	return name->path && (!*entry || name->entry) ? 0 : error_no_memory(error, word);
}

int loader_find(const char *word, const char *search_path, const char *library_folder,
	struct loader_name *name, struct loader_error *error) {
	const char *slash = strrchr(word, '/');
	const char *colon = strrchr(slash ? slash : word, ':');
	char *plugin = strndup(word, colon ? (size_t)(colon - word) : strlen(word));
	*name = (struct loader_name){0};
	if (!plugin) {
		return error_no_memory(error, word);
	}
	int result = find(word, plugin, colon ? colon : "", search_path, library_folder,
		name, error);
	free(plugin);
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
