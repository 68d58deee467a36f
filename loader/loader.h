/* SPDX-License-Identifier: MIT */
/*
 * loader - from the word PLUGIN[:ENTRY] to a checked entry.
 *
 * Nothing here prints or exits: what went wrong is one line of text, with the exit status
 * that arun(1) gives it. The text names the file and the cause; the caller puts "arun: "
 * before it.
 */
#ifndef LOADER_H
#define LOADER_H

#include <arun.h>

#include <stdbool.h>
#include <stddef.h>

struct loader_error {
	int status; /* 126: cannot be loaded; 127: not there; 125: no memory */
	char text[1024];
};

/* What a word on the command line names. */
struct loader_name {
	char *path;  /* for dlopen(3): it holds a '/' */
	char *entry; /* NULL: none was named */
};

/*
 * Finds PLUGIN[:ENTRY]. A PLUGIN with a '/' is a path; otherwise NAME.so (or NAME, if it
 * ends in ".so") is looked for in the folders of search_path (separated by ':', NULL:
 * none; empty and relative parts are skipped), then in library_folder (NULL: none). The
 * last ':' after the last '/' separates, unless a file of the full name exists.
 *
 * Returns 0, and *name is to be finished with loader_name_finish(); -1 with *error.
 */
int loader_find(const char *word, const char *search_path, const char *library_folder,
	struct loader_name *name, struct loader_error *error);
void loader_name_finish(struct loader_name *name);

/* An opened plugin: never closed again, as the reports' sites and strings live in it, nor is
 * the array freed. */
struct loader_plugin {
	void *handle;                      /* dlopen(3)'s */
	const struct arun_entry **entries; /* in the order of their lines in the source */
	size_t count;
};

/*
 * Looks at the file, and opens it where it is sound. trial: opens it first in a forked
 * child, so that a file that crashes the dynamic linker is an error too; done anyway
 * where the file's tables are not as a linker writes them. There its constructors and
 * destructors run once more. Every entry has been checked: ABI, size, kind, function.
 *
 * Returns 0; -1 with *error.
 */
int loader_open(const char *path, bool trial, struct loader_plugin *plugin,
	struct loader_error *error);

/* The path of what loader_open() loads just now, in this process; NULL: nothing. For a handler of
 * atexit(3): then a constructor ends the process. */
const char *loader_loads(void);

/*
 * Picks an entry: that of the name; without one (NULL) the only one, else the one named
 * "main", else the one named like the file. NULL with *error, which lists what there is.
 */
const struct arun_entry *loader_pick(const struct loader_plugin *plugin, const char *path,
	const char *name, struct loader_error *error);

/* The name of an entry: what it declares, else its function's. */
const char *loader_entry_name(const struct arun_entry *entry);

#endif
