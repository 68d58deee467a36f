/* SPDX-License-Identifier: MIT */
/*
 * Design notes: dlopen(3) comes last. Until then the file is data: elf_file judges what
 * it is, dynamic and tables whether the dynamic linker could follow it. What no linker
 * writes may still work, so it is tried in a child instead of refused.
 */
#include "loader.h"

#include "dynamic.h"
#include "entries.h"
#include "error.h"
#include "fatal.h"
#include "tables.h"
#include "trial.h"

#include <dlfcn.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

/* Everything about a file on its way from path to plugin. */
struct opening {
	struct elf_file file;
	struct dynamic dynamic;
	struct loader_plugin plugin;
};

/* Whether the file itself names library as one that it needs. */
static bool needs(const struct dynamic *dynamic, const char *library) {
	for (size_t i = 0; i < dynamic->tag_count; i++) {
		const Elf64_Dyn *tag = &dynamic->tags[i];
		if (tag->d_tag == DT_NEEDED &&
			!strcmp(dynamic_string(dynamic, tag->d_un.d_val), library)) {
			return true;
		}
	}
	return false;
}

/* A part of what dlerror(3) said. */
struct word {
	const char *at;
	int length;
};

/* The word between prefix, with which said begins, and suffix; at NULL: there is none. */
static struct word between(const char *said, const char *prefix, const char *suffix) {
	size_t skip = strlen(prefix);
	const char *end =
		strncmp(said, prefix, skip) ? NULL : strstr(said + skip, suffix);
	return end ? (struct word){said + skip, (int)(end - said - (ptrdiff_t)skip)}
		   : (struct word){NULL, 0};
}

/* The library that is not found, in the words of glibc, or of musl. */
static struct word missing_library(const char *said) {
	struct word musl =
		between(said, "Error loading shared library ", ": No such file");
	return musl.at ? musl
		       : between(said, "", ": cannot open shared object file: No such");
}

/* The symbol that nothing defines, likewise, where the rest of the line is about the plugin. */
static struct word undefined_symbol(const char *said, const char *path) {
	char prefix[PATH_MAX + 64];
	snprintf(prefix, sizeof prefix, "Error relocating %s: ", path);
	struct word musl = between(said, prefix, ": symbol not found");
	const char *glibc = strstr(said, "undefined symbol: ");
	if (musl.at || !glibc) {
		return musl;
	}
	glibc += strlen("undefined symbol: ");
	return (struct word){glibc, (int)strlen(glibc)};
}

/* Says what dlerror(3) said, where that misleads in better words. */
static int explain(
	const struct opening *opening, const char *said, struct loader_error *error) {
	const char *path = opening->file.path;
	size_t length = strlen(path);
	struct word missing = missing_library(said),
		    symbol = undefined_symbol(said, path);

	if (missing.at && strncmp(said, path, length)) {
		char library[256];
		snprintf(library, sizeof library, "%.*s", missing.length, missing.at);
		return error_set(error, 126, path, " needs %s%s, which is not found",
			library,
			needs(&opening->dynamic, library) ? ""
							  : " (through another library)");
	}
	if (!strncmp(said, path, length) && !strncmp(said + length, ": ", 2)) {
		said += length + 2;
	}
	if (!symbol.at) {
		return error_set(error, 126, path, ": %s", said);
	}
	return error_set(error, 126, path, ": undefined symbol: %.*s (%s)", symbol.length,
		symbol.at,
		strncmp(symbol.at, "arun_", 5) ? "is a library missing at the link?"
					       : "it was built for a newer arun");
}

static int look(struct opening *opening, const char *path, struct loader_error *error) {
	if (elf_open(path, &opening->file, error) ||
		dynamic_read(&opening->file, &opening->dynamic, error)) {
		return -1;
	}
	tables_check(&opening->file, &opening->dynamic);
	/* Nothing of a sound file that is no plugin is run. */
	if (!opening->file.oddity && !entries_any(&opening->dynamic)) {
		return error_set(error, 126, path, ": has no ARUN_MAIN or ARUN_SERVER");
	}
	struct statvfs system;
	if (!fstatvfs(opening->file.fd, &system) && system.f_flag & ST_NOEXEC) {
		return error_set(
			error, 126, path, ": is on a file system mounted noexec");
	}
	return 0;
}

static int load(struct opening *opening, struct loader_error *error) {
	const char *path = opening->file.path;
	fatal_begin(path);
	opening->plugin.handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	fatal_end();
	if (!opening->plugin.handle) {
		return explain(opening, dlerror(), error);
	}
	return entries_read(path, &opening->dynamic, &opening->plugin, error);
}

/* In the child: with the destructors too, as arun leaves through exit(). */
static int try(void *arg, struct loader_error *error) {
	struct opening *opening = arg;
	int result = load(opening, error);
	if (!result) {
		dlclose(opening->plugin.handle);
	}
	return result;
}

int loader_open(const char *path, bool trial, struct loader_plugin *plugin,
	struct loader_error *error) {
	struct opening opening = {.file = {.fd = -1}};
	const char **oddity = &opening.file.oddity;
	int result = look(&opening, path, error);
	if (!result && (trial || *oddity)) {
		result = trial_run(path, *oddity, try, &opening, error);
	}
	if (!result) {
		result = load(&opening, error);
	}
	if (!result) {
		*plugin = opening.plugin;
	}
	dynamic_finish(&opening.dynamic);
	elf_finish(&opening.file);
	return result;
}
