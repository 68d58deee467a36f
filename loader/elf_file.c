/* SPDX-License-Identifier: MIT */
#include "elf_file.h"

#include "error.h"
#include "file.h"
#include "machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define ELF_WINDOW 4096 /* a small plugin is judged by few pages */
#define ELF_WINDOW_LARGE (4 * ELF_WINDOW)
#define ELF_LARGE (1 << 20)   /* what is a large file */
#define ELF_SEGMENTS_MOST 256 /* sought in for each address; linkers write a dozen */
#define ELF_ADDRESS_END (1ULL << 47) /* of user space, on both machines */

void elf_odd(struct elf_file *file, const char *oddity) {
	if (!file->oddity) {
		file->oddity = oddity;
	}
}

/* Whether size bytes at offset fit into whole; hostile numbers wrap around. */
static bool fits(uint64_t offset, uint64_t size, uint64_t whole) {
	return offset <= whole && size <= whole - offset;
}

/* Past the windows. */
static bool read_file(
	const struct elf_file *file, uint64_t offset, char *next, uint64_t size) {
	while (size > 0) {
		ssize_t n = pread(file->fd, next, size, (off_t)offset);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			errno = n ? errno : ENODATA;
			return false;
		}
		next += n;
		offset += (uint64_t)n;
		size -= (uint64_t)n;
	}
	return true;
}

/* Their bytes are not touched before they are read. NULL: no memory. */
static struct elf_windows *windows_new(uint64_t file_size) {
	size_t size = file_size < ELF_LARGE ? ELF_WINDOW : ELF_WINDOW_LARGE;
	struct elf_windows *windows = malloc(sizeof *windows + ELF_WINDOWS * size);
	if (windows) {
		windows->next = 0;
		windows->size = size;
		for (int i = 0; i < ELF_WINDOWS; i++) {
			windows->window[i].offset = windows->window[i].length = 0;
		}
	}
	return windows;
}

/* The bytes from offset on, as many as fit; NULL: they cannot be read. */
static const char *window_open(const struct elf_file *file, uint64_t offset) {
	struct elf_windows *windows = file->windows;
	unsigned index = windows->next++ % ELF_WINDOWS;
	char *bytes = windows->bytes + index * windows->size;
	uint64_t left = file->size - offset;
	uint64_t length = left < windows->size ? left : windows->size;
	windows->window[index].offset = offset;
	windows->window[index].length = length;
	if (!read_file(file, offset, bytes, length)) {
		windows->window[index].length = 0;
		return NULL;
	}
	return bytes;
}

static const char *window_find(
	const struct elf_file *file, uint64_t offset, uint64_t size) {
	const struct elf_windows *windows = file->windows;
	for (size_t i = 0; i < ELF_WINDOWS; i++) {
		uint64_t start = windows->window[i].offset;
		if (offset >= start &&
			fits(offset - start, size, windows->window[i].length)) {
			return windows->bytes + i * windows->size + (offset - start);
		}
	}
	return window_open(file, offset);
}

/* Reads the size bytes at offset of the file. False where it is shorter. */
static bool read_at(
	const struct elf_file *file, uint64_t offset, void *buf, uint64_t size) {
	if (!fits(offset, size, file->size)) {
		return false;
	}
	if (size > file->windows->size) {
		return read_file(file, offset, buf, size);
	}
	const char *bytes = window_find(file, offset, size);
	if (bytes) {
		memcpy(buf, bytes, size);
	}
	return bytes != NULL;
}

const Elf64_Phdr *elf_segment(const struct elf_file *file, uint32_t type) {
	for (size_t i = 0; i < file->segment_count; i++) {
		if (file->segments[i].p_type == type) {
			return &file->segments[i];
		}
	}
	return NULL;
}

bool elf_holds(
	const struct elf_file *file, uint64_t address, uint64_t size, uint32_t flags) {
	for (size_t i = 0; i < file->segment_count; i++) {
		const Elf64_Phdr *load = &file->segments[i];
		if (load->p_type == PT_LOAD && (load->p_flags & flags) == flags &&
			address >= load->p_vaddr &&
			fits(address - load->p_vaddr, size, load->p_memsz)) {
			return true;
		}
	}
	return false;
}

/* Where in the file the size bytes at address are; UINT64_MAX: nowhere. */
static uint64_t offset_of(const struct elf_file *file, uint64_t address, uint64_t size) {
	for (size_t i = 0; i < file->segment_count; i++) {
		const Elf64_Phdr *load = &file->segments[i];
		if (load->p_type == PT_LOAD && address >= load->p_vaddr &&
			fits(address - load->p_vaddr, size, load->p_filesz)) {
			return load->p_offset + (address - load->p_vaddr);
		}
	}
	return UINT64_MAX;
}

bool elf_read(const struct elf_file *file, uint64_t address, void *buf, uint64_t size) {
	uint64_t offset = offset_of(file, address, size);
	return offset != UINT64_MAX && read_at(file, offset, buf, size);
}

void *elf_copy(const struct elf_file *file, uint64_t address, uint64_t size) {
	/* What is in the file is no larger than the file: the allocation is bounded. */
	if (offset_of(file, address, size) == UINT64_MAX) {
		errno = EFAULT;
		return NULL;
	}
	char *copy = malloc(size + 1);
	if (!copy) {
		return NULL;
	}
	copy[size] = '\0';
	if (!elf_read(file, address, copy, size)) {
		free(copy);
		errno = EFAULT;
		return NULL;
	}
	return copy;
}

static uint64_t later(uint64_t end, uint64_t offset, uint64_t size) {
	uint64_t other = size > UINT64_MAX - offset ? UINT64_MAX : offset + size;
	return other > end ? other : end;
}

/* The length that the headers read so far speak of. */
static uint64_t whole_size(const struct elf_file *file) {
	const Elf64_Ehdr *header = &file->header;
	uint64_t end =
		later(0, header->e_phoff, (uint64_t)header->e_phnum * sizeof(Elf64_Phdr));
	if (header->e_shoff) {
		end = later(end, header->e_shoff,
			(uint64_t)header->e_shnum * header->e_shentsize);
	}
	for (size_t i = 0; i < file->segment_count; i++) {
		if (file->segments[i].p_type == PT_LOAD) {
			end = later(end, file->segments[i].p_offset,
				file->segments[i].p_filesz);
		}
	}
	return end;
}

/* "cut short: N bytes of M", M being what the headers need at least. Returns -1. */
static int cut_short(
	const struct elf_file *file, uint64_t needed, struct loader_error *error) {
	if (needed > 1ULL << 40) {
		return error_set(error, 126, file->path,
			": is damaged: its headers speak of byte %llu of %llu",
			(unsigned long long)needed, (unsigned long long)file->size);
	}
	return error_set(error, 126, file->path, ": is cut short: %llu bytes of %llu",
		(unsigned long long)file->size, (unsigned long long)needed);
}

static int check_type(const struct elf_file *file, struct loader_error *error) {
	switch (file->header.e_type) {
	case ET_DYN:
		return 0;
	case ET_REL:
		return error_set(error, 126, file->path,
			": is an object file, not a shared one: link it with -shared");
	case ET_EXEC:
		return error_set(error, 126, file->path, ": is a program, not a plugin");
	case ET_CORE:
		return error_set(
			error, 126, file->path, ": is a core dump, not a plugin");
	default:
		return error_set(error, 126, file->path,
			": is damaged: its ELF header has type %u", file->header.e_type);
	}
}

static int read_header(struct elf_file *file, struct loader_error *error) {
	char start[512];
	size_t size = file->size < sizeof start ? (size_t)file->size : sizeof start;
	if (!size) {
		return error_set(error, 126, file->path, ": is empty");
	}
	if (!read_at(file, 0, start, size)) {
		return error_set(
			error, 126, file->path, ": cannot be read: %s", strerror(errno));
	}
	if (size < SELFMAG || memcmp(start, ELFMAG, SELFMAG)) {
		return file_not_elf(file->path, start, size, error);
	}
	/* The first 20 bytes are alike in both classes. */
	if (size >= 20 &&
		machine_check(file->path, (const unsigned char *)start, error)) {
		return -1;
	}
	if (size < sizeof file->header) {
		return cut_short(file, sizeof file->header, error);
	}
	memcpy(&file->header, start, sizeof file->header);
	return check_type(file, error);
}

static int read_segments(struct elf_file *file, struct loader_error *error) {
	const Elf64_Ehdr *header = &file->header;
	size_t size = header->e_phnum * sizeof(Elf64_Phdr);
	if (header->e_phentsize != sizeof(Elf64_Phdr) || !header->e_phnum ||
		header->e_phnum > ELF_SEGMENTS_MOST) {
		return error_set(error, 126, file->path,
			": is damaged: its ELF header has %u program headers of %u bytes",
			header->e_phnum, header->e_phentsize);
	}
	if (!fits(header->e_phoff, size, file->size)) {
		return cut_short(file, whole_size(file), error);
	}
	file->segments = malloc(size);
	if (!file->segments) {
		return error_no_memory(error, file->path);
	}
	if (!read_at(file, header->e_phoff, file->segments, size)) {
		return cut_short(file, whole_size(file), error);
	}
	file->segment_count = header->e_phnum;
	return whole_size(file) > file->size ? cut_short(file, whole_size(file), error)
					     : 0;
}

/* Of the section headers, which nothing loads by, those that are there; without memory, none. */
static void read_sections(struct elf_file *file) {
	const Elf64_Ehdr *header = &file->header;
	uint64_t room = header->e_shoff < file->size ? file->size - header->e_shoff : 0;
	size_t count = room / sizeof(Elf64_Shdr);
	count = count < header->e_shnum ? count : header->e_shnum;
	size_t size = count * sizeof(Elf64_Shdr);
	file->sections = count ? malloc(size) : NULL;
	if (file->sections && read_at(file, header->e_shoff, file->sections, size)) {
		file->section_count = count;
	}
}

static bool power_of_two(uint64_t number) {
	return number && !(number & (number - 1));
}

/* One PT_LOAD. */
static void check_load(struct elf_file *file, const Elf64_Phdr *load) {
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	if (load->p_memsz < load->p_filesz) {
		elf_odd(file, "a segment is larger in the file than in memory");
	}
	if (!power_of_two(load->p_align) || load->p_align % page ||
		(load->p_vaddr - load->p_offset) % page) {
		elf_odd(file, "a segment is not aligned");
	}
	if (load->p_flags & ~(uint32_t)(PF_R | PF_W | PF_X)) {
		elf_odd(file, "a segment has unknown flags");
	}
}

static uint64_t page_up(uint64_t address) {
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	return (address + page - 1) & ~(page - 1);
}

/* Whether all that is to be read-only is below end. */
static bool relro_is_below(const struct elf_file *file, uint64_t end) {
	for (size_t i = 0; i < file->segment_count; i++) {
		const Elf64_Phdr *relro = &file->segments[i];
		if (relro->p_type == PT_GNU_RELRO &&
			!fits(relro->p_vaddr, relro->p_memsz, end)) {
			return false;
		}
	}
	return true;
}

/*
 * These are no oddities to be tried: what the dynamic linker maps over, or protects, depends on what
 * is there at the time.
 */
static int check_loads(struct elf_file *file, struct loader_error *error) {
	uint64_t end = 0;
	for (size_t i = 0; i < file->segment_count; i++) {
		const Elf64_Phdr *load = &file->segments[i];
		if (load->p_type != PT_LOAD) {
			continue;
		}
		if (load->p_vaddr < end ||
			!fits(load->p_vaddr, load->p_memsz, ELF_ADDRESS_END)) {
			return error_set(error, 126, file->path,
				": is damaged: its segments overlap or are out of order");
		}
		check_load(file, load);
		end = load->p_vaddr + load->p_memsz;
	}
	return relro_is_below(file, page_up(end))
		       ? 0
		       : error_set(error, 126, file->path,
				 ": is damaged: what is to be read-only is not in it");
}

/* Whole pages are made read-only: it may end behind its PT_LOAD, in the same page. */
static bool relro_is_sound(const struct elf_file *file, const Elf64_Phdr *relro) {
	for (size_t i = 0; i < file->segment_count; i++) {
		const Elf64_Phdr *load = &file->segments[i];
		uint64_t end = page_up(load->p_vaddr + load->p_memsz);
		if (load->p_type == PT_LOAD && load->p_flags & PF_W &&
			relro->p_vaddr >= load->p_vaddr && relro->p_vaddr <= end &&
			fits(relro->p_vaddr, relro->p_memsz, end)) {
			return true;
		}
	}
	return false;
}

/* Segments that describe a part of what the PT_LOADs load. */
static void check_parts(struct elf_file *file) {
	for (size_t i = 0; i < file->segment_count; i++) {
		const Elf64_Phdr *part = &file->segments[i];
		if (part->p_type == PT_GNU_RELRO && !relro_is_sound(file, part)) {
			elf_odd(file, "its read-only part is outside of its data");
		}
		/* .tbss is not loaded: what the file has of PT_TLS is. */
		if (part->p_type == PT_LOAD || part->p_type == PT_GNU_STACK ||
			!part->p_filesz) {
			continue;
		}
		if (!elf_holds(file, part->p_vaddr, part->p_filesz, 0) ||
			offset_of(file, part->p_vaddr, part->p_filesz) !=
				part->p_offset) {
			elf_odd(file,
				"a program header is outside of the loaded segments");
		}
		if (part->p_type == PT_TLS && part->p_align &&
			!power_of_two(part->p_align)) {
			elf_odd(file, "its thread-local storage is not aligned");
		}
	}
}

int elf_open(const char *path, struct elf_file *file, struct loader_error *error) {
	*file = (struct elf_file){.path = path};
	file->fd = file_open(path, &file->size, error);
	if (file->fd < 0) {
		return -1;
	}
	file->windows = windows_new(file->size);
	if (!file->windows) {
		elf_finish(file);
		return error_no_memory(error, path);
	}
	if (read_header(file, error) || read_segments(file, error) ||
		check_loads(file, error)) {
		elf_finish(file);
		return -1;
	}
	check_parts(file);
	read_sections(file);
	return 0;
}

void elf_finish(struct elf_file *file) {
	if (!file) {
		return;
	}
	if (file->fd >= 0) {
		close(file->fd);
	}
	free(file->segments);
	free(file->sections);
	free(file->windows);
	file->fd = -1;
	file->windows = NULL;
	file->segments = NULL;
	file->sections = NULL;
	file->segment_count = file->section_count = 0;
}
