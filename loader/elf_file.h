/* SPDX-License-Identifier: MIT */
/*
 * elf_file - what a file is, told from its bytes.
 *
 * The dynamic linker maps a file and believes it: a file cut short kills the process
 * inside dlopen(3). So the header and the program headers are judged here first.
 * Everything is read with pread(2) into memory: a file that shrinks meanwhile is an
 * error, not a SIGBUS.
 */
#ifndef LOADER_ELF_FILE_H
#define LOADER_ELF_FILE_H

#include "loader.h"

#include <elf.h>
#include <stdint.h>

enum { ELF_WINDOWS = 4 };

/* Parts of the file that were read last: a hundred small reads need few system calls. */
struct elf_windows {
	unsigned next; /* to be used again */
	uint64_t size; /* of each */
	struct {
		uint64_t offset, length;
	} window[ELF_WINDOWS];
	char bytes[]; /* of one after the other */
};

struct elf_file {
	const char *path; /* the caller's */
	int fd;
	struct elf_windows *windows;
	uint64_t size;
	Elf64_Ehdr header;
	Elf64_Phdr *segments; /* all program headers */
	size_t segment_count;
	Elf64_Shdr *sections; /* headers, as far as they are there; NULL: none */
	size_t section_count;
	const char *oddity; /* the first thing found that no linker writes; NULL: none */
};

/*
 * Opens path, and judges kind, header and program headers. It never blocks (FIFOs,
 * devices). Returns 0, and *file is to be finished with elf_finish(); -1 with *error.
 */
int elf_open(const char *path, struct elf_file *file, struct loader_error *error);
void elf_finish(struct elf_file *file);

/* Remembers what no linker writes; the first one counts. */
void elf_odd(struct elf_file *file, const char *oddity);

/* The first program header of that type; NULL: there is none. */
const Elf64_Phdr *elf_segment(const struct elf_file *file, uint32_t type);

/* Whether one PT_LOAD with all of flags (PF_...) holds the size bytes at address. */
bool elf_holds(
	const struct elf_file *file, uint64_t address, uint64_t size, uint32_t flags);

/*
 * Reads the size bytes that are loaded at address. False where they are not, or not all,
 * in the file's part of one PT_LOAD.
 */
bool elf_read(const struct elf_file *file, uint64_t address, void *buf, uint64_t size);

/*
 * The same into memory that the caller frees, followed by a NUL. NULL with errno ENOMEM;
 * EFAULT: not in the file.
 */
void *elf_copy(const struct elf_file *file, uint64_t address, uint64_t size);

#endif
