/* SPDX-License-Identifier: MIT */
#include "error.h"
#include "loader.h"

#include <string.h>

const char *loader_entry_name(const struct arun_entry *entry) {
	return entry->name ? entry->name : entry->identifier;
}

static const struct arun_entry *named(
	const struct loader_plugin *plugin, const char *name, size_t length) {
	for (size_t i = 0; i < plugin->count; i++) {
		const char *other = loader_entry_name(plugin->entries[i]);
		if (strlen(other) == length && !memcmp(other, name, length)) {
			return plugin->entries[i];
		}
	}
	return NULL;
}

/* "echo, stats", as far as it fits. */
static void list_names(const struct loader_plugin *plugin, char *text, size_t size) {
	size_t used = 0;
	*text = '\0';
	for (size_t i = 0; i < plugin->count && used < size; i++) {
		int length = snprintf(text + used, size - used, "%s%s", i ? ", " : "",
			loader_entry_name(plugin->entries[i]));
		used += length > 0 ? (size_t)length : 0;
	}
}

static const struct arun_entry *like_file(
	const struct loader_plugin *plugin, const char *path) {
	const char *slash = strrchr(path, '/');
	const char *file = slash ? slash + 1 : path;
	const char *suffix = strstr(file, ".so");
	return named(plugin, file, suffix ? (size_t)(suffix - file) : strlen(file));
}

const struct arun_entry *loader_pick(const struct loader_plugin *plugin, const char *path,
	const char *name, struct loader_error *error) {
	const struct arun_entry *entry = NULL;
	char names[400];
	if (name) {
		entry = named(plugin, name, strlen(name));
	} else if (plugin->count == 1) {
		entry = plugin->entries[0];
	} else {
		entry = named(plugin, "main", strlen("main"));
		entry = entry ? entry : like_file(plugin, path);
	}
	if (entry) {
		return entry;
	}
	list_names(plugin, names, sizeof names);
	if (name) {
		error_set(error, 126, path, ": has no entry \"%.100s\"; it declares: %s",
			name, names);
	} else {
		error_set(error, 126, path,
			": which entry? It declares: %s; say PLUGIN:ENTRY", names);
	}
	return NULL;
}
