/* SPDX-License-Identifier: MIT */
#include "symbol.h"

#include <link.h>
#include <string.h>

/* More of them than any file has that is not made to keep its reader busy. */
enum { SEGMENTS = 128, TAGS = 512, CHAIN = 4096, NAME = 64, PAGE = 4096 };

static bool read_header(
	const struct remote *remote, uint64_t start, ElfW(Ehdr) * header) {
	unsigned char own = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;
	return remote_read(remote, start, header, sizeof *header) &&
	       memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
	       header->e_ident[EI_CLASS] == own &&
	       header->e_phentsize == sizeof(ElfW(Phdr)) && header->e_phnum <= SEGMENTS;
}

/* Notes the bias, and where the dynamic section is. Returns its address, or 0. */
static uint64_t find_dynamic(struct symbol_image *image, uint64_t start) {
	ElfW(Ehdr) header;
	ElfW(Phdr) segment;
	uint64_t dynamic = 0;
	bool loaded = false;
	if (!read_header(image->remote, start, &header)) {
		return 0;
	}
	for (unsigned i = 0; i < header.e_phnum; i++) {
		uint64_t at = start + header.e_phoff + i * sizeof segment;
		if (!remote_read(image->remote, at, &segment, sizeof segment)) {
			return 0;
		}
		if (segment.p_type == PT_LOAD && segment.p_offset == 0) {
			image->bias = start - segment.p_vaddr / PAGE * PAGE;
			loaded = true;
		} else if (segment.p_type == PT_DYNAMIC) {
			dynamic = segment.p_vaddr;
		}
	}
	return loaded && dynamic ? image->bias + dynamic : 0;
}

/* glibc adds the bias to these in place, others do not. */
static uint64_t place(const struct symbol_image *image, uint64_t value) {
	return value < image->bias ? value + image->bias : value;
}

int symbol_open(struct symbol_image *image, const struct remote *remote, uint64_t start) {
	*image = (struct symbol_image){.remote = remote};
	ElfW(Dyn) tag;
	uint64_t dynamic = find_dynamic(image, start);
	for (unsigned i = 0; dynamic && i < TAGS; i++) {
		if (!remote_read(remote, dynamic + i * sizeof tag, &tag, sizeof tag) ||
			tag.d_tag == DT_NULL) {
			break;
		}
		if (tag.d_tag == DT_SYMTAB) {
			image->symbols = place(image, tag.d_un.d_ptr);
		} else if (tag.d_tag == DT_STRTAB) {
			image->strings = place(image, tag.d_un.d_ptr);
		} else if (tag.d_tag == DT_GNU_HASH) {
			image->hash = place(image, tag.d_un.d_ptr);
		}
	}
	return image->symbols && image->strings && image->hash ? 0 : -1;
}

static uint32_t hash_of(const char *name) {
	uint32_t hash = 5381;
	for (; *name; name++) {
		hash = hash * 33 + (unsigned char)*name;
	}
	return hash;
}

/* The address of symbol number index where it has that name, and is defined; else 0. */
static uint64_t check(
	const struct symbol_image *image, uint64_t index, const char *name) {
	ElfW(Sym) symbol;
	char found[NAME];
	if (!remote_read(image->remote, image->symbols + index * sizeof symbol, &symbol,
		    sizeof symbol) ||
		symbol.st_shndx == SHN_UNDEF ||
		!remote_string(image->remote, image->strings + symbol.st_name, found,
			sizeof found)) {
		return 0;
	}
	return strcmp(found, name) == 0 ? image->bias + symbol.st_value : 0;
}

/* The table: buckets, symbol offset, words and shift of a filter, the filter, the index of
 * each bucket's first symbol, and the hash of each symbol, odd at the bucket's end. */
uint64_t symbol_find(const struct symbol_image *image, const char *name) {
	uint32_t head[4], index, link = 0, hash = hash_of(name);
	if (!remote_read(image->remote, image->hash, head, sizeof head) || !head[0]) {
		return 0;
	}
	uint64_t buckets =
		image->hash + sizeof head + (uint64_t)head[2] * sizeof(ElfW(Addr));
	uint64_t chain = buckets + (uint64_t)head[0] * sizeof index;
	if (!remote_read(image->remote, buckets + hash % head[0] * sizeof index, &index,
		    sizeof index) ||
		index < head[1]) {
		return 0;
	}
	for (unsigned i = 0; i < CHAIN && !(link & 1); i++, index++) {
		uint64_t at = chain + (uint64_t)(index - head[1]) * sizeof link;
		if (!remote_read(image->remote, at, &link, sizeof link)) {
			return 0;
		}
		uint64_t address =
			(link | 1) == (hash | 1) ? check(image, index, name) : 0;
		if (address) {
			return address;
		}
	}
	return 0;
}
