/* SPDX-License-Identifier: MIT */
#include "libdw.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { LIBDW_STACK = 8 << 20, LIBDW_DOUBLED = 20 };

bool libdw_load(struct libdw *libdw) {
	void *handle = dlopen("libdw.so.1", RTLD_NOW | RTLD_LOCAL), *symbol;
	bool whole = handle;
#define LIBDW_FIND(name)                                                                 \
	symbol = whole ? dlsym(handle, #name) : NULL;                                    \
	memcpy(&libdw->name, &symbol, sizeof symbol);                                    \
	whole = whole && symbol;
	LIBDW_FUNCTIONS(LIBDW_FIND)
#undef LIBDW_FIND
	return whole;
}

/* A new thread inherits the mask. Blocked, a fault would end the process without a word. */
static int thread_start(pthread_t *thread, const pthread_attr_t *attributes,
	void *(*fn)(void *), void *argument) {
	static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
	sigset_t all, before;
	sigfillset(&all);
	for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
		sigdelset(&all, faults[i]);
	}
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(thread, attributes, fn, argument);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

int libdw_call(void *(*fn)(void *), void *argument) {
	pthread_attr_t attributes;
	pthread_t thread;
	int error = pthread_attr_init(&attributes);
	if (error) {
		return error;
	}
	pthread_attr_setstacksize(&attributes, LIBDW_STACK);
	error = thread_start(&thread, &attributes, fn, argument);
	pthread_attr_destroy(&attributes);
	return error ? error : pthread_join(thread, NULL);
}

/* Not dwfl_standard_find_debuginfo(): that may ask servers. */
bool libdw_begin(struct libdw *libdw, pid_t pid) {
	libdw->files.find_elf = libdw->dwfl_linux_proc_find_elf;
	libdw->files.find_debuginfo = libdw->dwfl_build_id_find_debuginfo;
	libdw->session = libdw->dwfl_begin(&libdw->files);
	if (!libdw->session) {
		return false;
	}
	int status = libdw->dwfl_linux_proc_report(libdw->session, pid);
	libdw->dwfl_report_end(libdw->session, NULL, NULL);
	return status == 0;
}

void libdw_end(struct libdw *libdw) {
	if (libdw->session) {
		libdw->dwfl_end(libdw->session);
		libdw->session = NULL;
	}
}

/* By its own ranges where there is no table of all units'. */
Dwarf_Die *libdw_unit(const struct libdw *libdw, Dwfl_Module *module, Dwarf_Addr address,
	Dwarf_Addr *bias) {
	Dwarf_Die *unit = libdw->dwfl_module_addrdie(module, address, bias);
	if (unit) {
		return unit;
	}
	do {
		unit = libdw->dwfl_module_nextcu(module, unit, bias);
	} while (unit && libdw->dwarf_haspc(unit, address - *bias) != 1);
	return unit;
}

/* A plugin in C++ has its library in memory already, but for the smallest ones. */
static void demangle_find(struct libdw *libdw) {
	static const char *const names[] = {"libstdc++.so.6", "libc++abi.so.1"};
	libdw->demangle_tried = true;
	for (size_t i = 0; i < sizeof names / sizeof *names && !libdw->demangle; i++) {
		void *handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
		void *symbol = handle ? dlsym(handle, "__cxa_demangle") : NULL;
		memcpy(&libdw->demangle, &symbol, sizeof symbol);
	}
}

/*
 * Whether a name of the linker's stands for one that is not too long to be made: each reference to an
 * earlier part of it (S_, S0_, T_ ...) may double that. Nothing in it tells letters of a name from one.
 */
static bool demangle_ends(const char *name) {
	int doubled = 0;
	for (const char *at = name; (at = strpbrk(at, "ST"));) {
		at += strspn(at, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");
		doubled += *at == '_';
	}
	return doubled <= LIBDW_DOUBLED;
}

char *libdw_function(struct libdw *libdw, Dwfl_Module *module, Dwarf_Addr address) {
	const char *name = libdw->dwfl_module_addrname(module, address);
	char *plain = NULL;
	int status;
	if (name && strncmp(name, "_Z", 2) == 0 && demangle_ends(name)) {
		if (!libdw->demangle_tried) {
			demangle_find(libdw);
		}
		plain = libdw->demangle ? libdw->demangle(name, NULL, NULL, &status)
					: NULL;
	}
	return plain || !name ? plain : strdup(name);
}

/* The line by its unit alone. */
static struct libdw_place place_by_unit(
	const struct libdw *libdw, Dwfl_Module *module, Dwarf_Addr address) {
	struct libdw_place place = {.file = NULL};
	Dwarf_Addr bias;
	Dwarf_Attribute attribute;
	Dwarf_Die *unit = libdw_unit(libdw, module, address, &bias);
	Dwarf_Line *line = unit ? libdw->dwarf_getsrc_die(unit, address - bias) : NULL;
	if (line && libdw->dwarf_lineno(line, &place.line) == 0) {
		place.file = libdw->dwarf_linesrc(line, NULL, NULL);
		place.folder = libdw->dwarf_formstring(
			libdw->dwarf_attr(unit, LIBDW_FOLDER, &attribute));
	}
	return place;
}

struct libdw_place libdw_place(
	const struct libdw *libdw, Dwfl_Module *module, Dwarf_Addr address) {
	Dwfl_Line *line = libdw->dwfl_module_getsrc(module, address);
	if (!line) {
		return place_by_unit(libdw, module, address);
	}
	struct libdw_place place = {.folder = libdw->dwfl_line_comp_dir(line)};
	place.file = libdw->dwfl_lineinfo(line, NULL, &place.line, NULL, NULL, NULL);
	return place;
}

const char *libdw_file(const struct libdw_place *place) {
	const char *file = place->file, *folder = place->folder;
	size_t length = folder ? strlen(folder) : 0;
	bool below = file && length && strncmp(file, folder, length) == 0 &&
		     file[length] == '/';
	return below ? file + length + 1 : file;
}
