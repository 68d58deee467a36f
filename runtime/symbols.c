/* SPDX-License-Identifier: MIT */
#include "symbols.h"

#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The file, mapped while its table is read. */
struct image {
	const char *data;
	size_t size;
};

static bool image_open(struct image *image, const char *path) {
	*image = (struct image){0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	if (fd < 0) {
		return false;
	}
	if (fstat(fd, &status) == 0 && status.st_size > (off_t)sizeof(ElfW(Ehdr))) {
		void *data =
			mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (data != MAP_FAILED) {
			*image = (struct image){data, (size_t)status.st_size};
		}
	}
	close(fd);
	return image->data;
}

/* A copy of a part of it; NULL: it is not whole. */
static void *image_copy(const struct image *image, size_t offset, size_t size) {
	if (offset > image->size || size > image->size - offset) {
		return NULL;
	}
	void *copy = malloc(size + 1);
	if (copy) {
		memcpy(copy, image->data + offset, size);
		((char *)copy)[size] = '\0';
	}
	return copy;
}

static const ElfW(Shdr) *
	section_at(const ElfW(Shdr) * sections, size_t count, size_t index) {
	return index < count ? &sections[index] : NULL;
}

static void symbols_read(struct symbols *symbols, const struct image *image) {
	ElfW(Ehdr) header;
	memcpy(&header, image->data, sizeof header);
	size_t count = header.e_shnum;
	ElfW(Shdr) *sections =
		image_copy(image, header.e_shoff, count * sizeof *sections);
	for (size_t i = 0; sections && i < count; i++) {
		const ElfW(Shdr) *names =
			section_at(sections, count, sections[i].sh_link);
		if (sections[i].sh_type == SHT_SYMTAB && names && !symbols->table) {
			symbols->table = image_copy(
				image, sections[i].sh_offset, sections[i].sh_size);
			symbols->count = sections[i].sh_size / sizeof(ElfW(Sym));
			symbols->names =
				image_copy(image, names->sh_offset, names->sh_size);
			symbols->names_size = names->sh_size;
		}
	}
	free(sections);
	if (!symbols->table || !symbols->names) {
		symbols_free(symbols);
	}
}

struct search {
	const char *path;
	struct stat file;
	const void *base;
};

static int search_object(struct dl_phdr_info *info, size_t size, void *context) {
	struct search *search = context;
	struct stat file;
	(void)size;
	/* The program is the first. */
	bool same =
		!search->path || (*info->dlpi_name && stat(info->dlpi_name, &file) == 0 &&
					 file.st_dev == search->file.st_dev &&
					 file.st_ino == search->file.st_ino);
	if (same) {
		search->base = (const void *)info->dlpi_addr;
	}
	return same;
}

void symbols_load(struct symbols *symbols, const char *path) {
	struct search search = {.path = path};
	struct image image;
	*symbols = (struct symbols){0};
	if ((path && stat(path, &search.file) < 0) ||
		!dl_iterate_phdr(search_object, &search) ||
		!image_open(&image, path ? path : "/proc/self/exe")) {
		return;
	}
	symbols->base = search.base;
	symbols_read(symbols, &image);
	munmap((void *)(size_t)image.data, image.size);
}

void symbols_free(struct symbols *symbols) {
	free(symbols->table);
	free(symbols->names);
	*symbols = (struct symbols){0};
}

const char *symbols_find(const struct symbols *symbols, const void *pc, size_t *into) {
	const ElfW(Sym) *table = symbols->table;
	size_t address = (size_t)pc - (size_t)symbols->base;
	for (size_t i = 0; i < symbols->count; i++) {
		const ElfW(Sym) *symbol = &table[i];
		if (ELF64_ST_TYPE(symbol->st_info) == STT_FUNC && symbol->st_shndx &&
			symbol->st_name < symbols->names_size &&
			address >= symbol->st_value &&
			address - symbol->st_value < symbol->st_size) {
			*into = address - symbol->st_value;
			return symbols->names + symbol->st_name;
		}
	}
	return NULL;
}
