/* SPDX-License-Identifier: MIT */
#include "lines.h"

#include "base.h"
#include "libdw.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINES_SIZE = 1 << 13 };

/* What of libdw is used. */
#define LINES_FUNCTIONS(X)                                                               \
	X(dwfl_begin)                                                                    \
	X(dwfl_end)                                                                      \
	X(dwfl_linux_proc_report)                                                        \
	X(dwfl_report_end)                                                               \
	X(dwfl_addrmodule)                                                               \
	X(dwfl_module_addrname)                                                          \
	X(dwfl_module_getsrc)                                                            \
	X(dwfl_lineinfo)                                                                 \
	X(dwfl_line_comp_dir)                                                            \
	X(dwfl_linux_proc_find_elf)                                                      \
	X(dwfl_build_id_find_debuginfo)                                                  \
	X(dwfl_module_addrdie)                                                           \
	X(dwfl_module_nextcu)                                                            \
	X(dwarf_haspc)                                                                   \
	X(dwarf_getsrc_die)                                                              \
	X(dwarf_linesrc)                                                                 \
	X(dwarf_lineno)                                                                  \
	X(dwarf_formstring)                                                              \
	X(dwarf_getscopes)                                                               \
	X(dwarf_tag)                                                                     \
	X(dwarf_attr)                                                                    \
	X(dwarf_formudata)                                                               \
	X(dwarf_getsrcfiles)                                                             \
	X(dwarf_filesrc)

typedef char *demangle_fn(const char *name, char *buffer, size_t *length, int *status);

struct lines_library {
#define MEMBER(name) __typeof__(name) *name;
	LINES_FUNCTIONS(MEMBER)
#undef MEMBER
	Dwfl_Callbacks callbacks;
	Dwfl *session;
	demangle_fn *demangle; /* of C++ */
	bool demangle_tried;
};

/* Returns whether all of it is there. Never unloaded: other libraries may use it. */
static bool library_find(struct lines_library *library) {
	void *handle = dlopen("libdw.so.1", RTLD_NOW | RTLD_LOCAL), *symbol;
	bool whole = handle;
#define FIND(name)                                                                       \
	symbol = whole ? dlsym(handle, #name) : NULL;                                    \
	memcpy(&library->name, &symbol, sizeof symbol);                                  \
	whole = whole && symbol;
	LINES_FUNCTIONS(FIND)
#undef FIND
	return whole;
}

/* Of this process, as it is now. Not dwfl_standard_find_debuginfo(): that may ask servers. */
static bool library_begin(struct lines_library *library) {
	library->callbacks.find_elf = library->dwfl_linux_proc_find_elf;
	library->callbacks.find_debuginfo = library->dwfl_build_id_find_debuginfo;
	library->session = library->dwfl_begin(&library->callbacks);
	if (!library->session) {
		return false;
	}
	int status = library->dwfl_linux_proc_report(library->session, getpid());
	library->dwfl_report_end(library->session, NULL, NULL);
	return status == 0;
}

int lines_load(struct lines *lines) {
	struct lines_library *library = calloc(1, sizeof *library);
	lines->table = calloc(LINES_SIZE, sizeof *lines->table);
	lines->library = library;
	bool memory = library && lines->table;
	if (memory && library_find(library)) {
		return 0;
	}
	lines_finish(lines);
	errno = memory ? ENOENT : ENOMEM;
	return -1;
}

void lines_close(struct lines *lines) {
	struct lines_library *library = lines->library;
	if (library && library->session) {
		library->dwfl_end(library->session);
		library->session = NULL;
	}
}

void lines_finish(struct lines *lines) {
	for (size_t i = 0; lines->table && i < LINES_SIZE; i++) {
		free((char *)lines->table[i].function);
		free((char *)lines->table[i].file);
		free((char *)lines->table[i].folder);
	}
	lines_close(lines);
	free(lines->library);
	free(lines->table);
	*lines = (struct lines){0};
}

/* Where pc is in the table, or has its place. */
static struct line *line_slot(const struct lines *lines, const void *pc) {
	size_t at = (size_t)(((uintptr_t)pc * UINT64_C(0x9e3779b97f4a7c15)) >> 40);
	while (lines->table[at % LINES_SIZE].pc &&
		lines->table[at % LINES_SIZE].pc != pc) {
		at++;
	}
	return &lines->table[at % LINES_SIZE];
}

/* A plugin in C++ has its library in memory already, but for the smallest ones. */
static void demangle_find(struct lines_library *library) {
	static const char *const names[] = {"libstdc++.so.6", "libc++abi.so.1"};
	library->demangle_tried = true;
	for (size_t i = 0; i < count_of(names) && !library->demangle; i++) {
		void *handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
		void *symbol = handle ? dlsym(handle, "__cxa_demangle") : NULL;
		memcpy(&library->demangle, &symbol, sizeof symbol);
	}
}

static char *copy_function(struct lines_library *library, const char *name) {
	char *plain = NULL;
	int status;
	if (strncmp(name, "_Z", 2) == 0) {
		if (!library->demangle_tried) {
			demangle_find(library);
		}
		if (library->demangle) {
			plain = library->demangle(name, NULL, NULL, &status);
		}
	}
	return plain ? plain : strdup(name);
}

/* libdw puts the compiler's folder in front of what the compiler was given. */
static const char *file_given(const char *file, const char *folder) {
	size_t length = folder ? strlen(folder) : 0;
	bool below = length && strncmp(file, folder, length) == 0 && file[length] == '/';
	return below ? file + length + 1 : file;
}

/* A place in a file. */
struct spot {
	const char *file, *folder;
	int line;
};

static bool is_of_the_system(const char *file) {
	return strncmp(file, "/usr/include/", 13) == 0 ||
	       strncmp(file, "/usr/lib/", 9) == 0;
}

/* Where the inlined function was called. Returns false where that is not known. */
static bool spot_of_call(const struct lines_library *library, Dwarf_Die *unit,
	Dwarf_Die *inlined, struct spot *spot) {
	Dwarf_Attribute attribute;
	Dwarf_Word number, line;
	Dwarf_Files *files;
	if (library->dwarf_formudata(
		    library->dwarf_attr(inlined, LIBDW_CALL_FILE, &attribute), &number) !=
			0 ||
		library->dwarf_formudata(
			library->dwarf_attr(inlined, LIBDW_CALL_LINE, &attribute),
			&line) != 0 ||
		library->dwarf_getsrcfiles(unit, &files, NULL) != 0) {
		return false;
	}
	const char *file = library->dwarf_filesrc(files, number, NULL, NULL);
	spot->line = (int)line;
	spot->file = file ? file : spot->file;
	return file;
}

/* The unit that address is in; by its own ranges where there is no table of all units'. */
static Dwarf_Die *unit_find(const struct lines_library *library, Dwfl_Module *module,
	Dwarf_Addr address, Dwarf_Addr *bias) {
	Dwarf_Die *unit = library->dwfl_module_addrdie(module, address, bias);
	if (unit) {
		return unit;
	}
	do {
		unit = library->dwfl_module_nextcu(module, unit, bias);
	} while (unit && library->dwarf_haspc(unit, address - *bias) != 1);
	return unit;
}

/*
 * With _FORTIFY_SOURCE, open() is inlined from a header of the C library: the line that is
 * looked for is that of its call.
 */
static void spot_climb(const struct lines_library *library, Dwfl_Module *module,
	Dwarf_Addr address, struct spot *spot) {
	Dwarf_Addr bias;
	Dwarf_Die *scopes = NULL, *unit;
	unit = unit_find(library, module, address, &bias);
	int count = unit ? library->dwarf_getscopes(unit, address - bias, &scopes) : 0;
	for (int i = 0; i < count && is_of_the_system(spot->file); i++) {
		if (library->dwarf_tag(&scopes[i]) == LIBDW_INLINED) {
			spot_of_call(library, unit, &scopes[i], spot);
		}
	}
	free(scopes);
}

/* The line by its unit alone. */
static void spot_by_unit(const struct lines_library *library, Dwfl_Module *module,
	Dwarf_Addr address, struct spot *spot) {
	Dwarf_Addr bias;
	Dwarf_Attribute attribute;
	Dwarf_Die *unit = unit_find(library, module, address, &bias);
	Dwarf_Line *line = unit ? library->dwarf_getsrc_die(unit, address - bias) : NULL;
	if (line && library->dwarf_lineno(line, &spot->line) == 0) {
		spot->file = library->dwarf_linesrc(line, NULL, NULL);
		spot->folder = library->dwarf_formstring(
			library->dwarf_attr(unit, LIBDW_FOLDER, &attribute));
	}
}

/* Returns false where it is not known. */
static bool spot_find(const struct lines_library *library, Dwfl_Module *module,
	Dwarf_Addr address, struct spot *spot) {
	Dwfl_Line *source = library->dwfl_module_getsrc(module, address);
	if (source) {
		spot->folder = library->dwfl_line_comp_dir(source);
		spot->file = library->dwfl_lineinfo(
			source, NULL, &spot->line, NULL, NULL, NULL);
	} else {
		spot_by_unit(library, module, address, spot);
	}
	if (spot->file && is_of_the_system(spot->file)) {
		spot_climb(library, module, address, spot);
	}
	return spot->file;
}

static void line_fill(struct line *line, struct lines_library *library) {
	/* The call stands before the address that it returns to. */
	Dwarf_Addr address = (Dwarf_Addr)(uintptr_t)line->pc - 1;
	Dwfl_Module *module = library->dwfl_addrmodule(library->session, address);
	struct spot spot = {.file = NULL};
	if (!module) {
		return;
	}
	const char *name = library->dwfl_module_addrname(module, address);
	line->function = name ? copy_function(library, name) : NULL;
	if (spot_find(library, module, address, &spot)) {
		line->file = strdup(file_given(spot.file, spot.folder));
		line->folder = spot.folder ? strdup(spot.folder) : NULL;
		line->line = spot.line;
	}
}

void lines_add(struct lines *lines, const void *pc) {
	/* Not to the brim: searches end at a free slot. */
	if (!lines->table || lines->count >= LINES_SIZE / 2) {
		return;
	}
	struct line *line = line_slot(lines, pc);
	if (!line->pc && (lines->library->session || library_begin(lines->library))) {
		line->pc = pc;
		lines->count++;
		line_fill(line, lines->library);
	}
}

const struct line *lines_find(const struct lines *lines, const void *pc) {
	const struct line *line = lines->table ? line_slot(lines, pc) : NULL;
	return line && line->pc ? line : NULL;
}
