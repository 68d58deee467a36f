/* SPDX-License-Identifier: MIT */
#include "lines.h"

#include "base.h"
#include "libdw.h"

#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINES_SIZE = 1 << 13, LINES_NEED = 32 << 20 };

/* It maps the files, and makes tables of what is in them. */
static int add_file(struct dl_phdr_info *info, size_t size, void *context) {
	struct stat file;
	size_t *need = context;
	(void)size;
	const char *path = *info->dlpi_name ? info->dlpi_name : "/proc/self/exe";
	*need += stat(path, &file) == 0 ? 2 * (size_t)file.st_size : 0;
	return 0;
}

/* libdw crashes where it gets no memory, or ends the process: so there must be enough before. */
static bool lines_fit(void) {
	size_t need = LINES_NEED;
	dl_iterate_phdr(add_file, &need);
	void *memory = mmap(
		NULL, need, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return memory != MAP_FAILED && munmap(memory, need) == 0;
}

int lines_load(struct lines *lines) {
	if (!lines_fit()) {
		errno = ENOMEM;
		return -1;
	}
	lines->libdw = calloc(1, sizeof *lines->libdw);
	lines->table = calloc(LINES_SIZE, sizeof *lines->table);
	bool memory = lines->libdw && lines->table;
	if (memory && libdw_load(lines->libdw)) {
		return 0;
	}
	lines_finish(lines);
	errno = memory ? ENOENT : ENOMEM;
	return -1;
}

void lines_close(struct lines *lines) {
	if (lines->libdw) {
		libdw_end(lines->libdw);
	}
}

void lines_finish(struct lines *lines) {
	for (size_t i = 0; lines->table && i < LINES_SIZE; i++) {
		free((char *)lines->table[i].function);
		free((char *)lines->table[i].file);
		free((char *)lines->table[i].folder);
	}
	lines_close(lines);
	free(lines->libdw);
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

static bool is_of_the_system(const char *file) {
	return strncmp(file, "/usr/include/", 13) == 0 ||
	       strncmp(file, "/usr/lib/", 9) == 0;
}

/* Where the inlined function was called. Returns false where that is not known. */
static bool place_of_call(const struct libdw *libdw, Dwarf_Die *unit, Dwarf_Die *inlined,
	struct libdw_place *place) {
	Dwarf_Attribute attribute;
	Dwarf_Word number, line;
	Dwarf_Files *files;
	if (libdw->dwarf_formudata(
		    libdw->dwarf_attr(inlined, LIBDW_CALL_FILE, &attribute), &number) !=
			0 ||
		libdw->dwarf_formudata(
			libdw->dwarf_attr(inlined, LIBDW_CALL_LINE, &attribute), &line) !=
			0 ||
		libdw->dwarf_getsrcfiles(unit, &files, NULL) != 0) {
		return false;
	}
	const char *file = libdw->dwarf_filesrc(files, number, NULL, NULL);
	place->line = (int)line;
	place->file = file ? file : place->file;
	return file;
}

/*
 * With _FORTIFY_SOURCE, open() is inlined from a header of the C library: the line that is
 * looked for is that of its call.
 */
static void place_climb(const struct libdw *libdw, Dwfl_Module *module,
	Dwarf_Addr address, struct libdw_place *place) {
	Dwarf_Addr bias;
	Dwarf_Die *scopes = NULL, *unit;
	unit = libdw_unit(libdw, module, address, &bias);
	int count = unit ? libdw->dwarf_getscopes(unit, address - bias, &scopes) : 0;
	for (int i = 0; i < count && is_of_the_system(place->file); i++) {
		if (libdw->dwarf_tag(&scopes[i]) == LIBDW_INLINED) {
			place_of_call(libdw, unit, &scopes[i], place);
		}
	}
	free(scopes);
}

static void line_fill(struct line *line, struct libdw *libdw) {
	/* The call stands before the address that it returns to. */
	Dwarf_Addr address = (Dwarf_Addr)(uintptr_t)line->pc - 1;
	Dwfl_Module *module = libdw->dwfl_addrmodule(libdw->session, address);
	if (!module) {
		return;
	}
	struct libdw_place place = libdw_place(libdw, module, address);
	line->function = libdw_function(libdw, module, address);
	if (place.file && is_of_the_system(place.file)) {
		place_climb(libdw, module, address, &place);
	}
	if (place.file) {
		line->file = strdup(libdw_file(&place));
		line->folder = place.folder ? strdup(place.folder) : NULL;
		line->line = place.line;
	}
}

void lines_add(struct lines *lines, const void *pc) {
	/* Not to the brim: searches end at a free slot. */
	if (!lines->table || lines->count >= LINES_SIZE / 2) {
		return;
	}
	struct line *line = line_slot(lines, pc);
	struct libdw *libdw = lines->libdw;
	if (!line->pc && (libdw->session || libdw_begin(libdw, getpid()))) {
		line->pc = pc;
		lines->count++;
		line_fill(line, libdw);
	}
}

const struct line *lines_find(const struct lines *lines, const void *pc) {
	const struct line *line = lines->table ? line_slot(lines, pc) : NULL;
	return line && line->pc ? line : NULL;
}
