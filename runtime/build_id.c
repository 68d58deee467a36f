/* SPDX-License-Identifier: MIT */
#include "build_id.h"

#include <dlfcn.h>
#include <link.h>
#include <stdbool.h>
#include <string.h>

struct search {
	char *out;
	const struct link_map *map; /* of the file; NULL: the program's */
};

/* Whether a segment that is loaded has all of its bytes. */
static bool is_loaded(const struct dl_phdr_info *info, const ElfW(Phdr) * segment) {
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *load = &info->dlpi_phdr[i];
		if (load->p_type == PT_LOAD && load->p_flags & PF_R &&
			segment->p_vaddr >= load->p_vaddr &&
			segment->p_filesz <= load->p_filesz &&
			segment->p_vaddr - load->p_vaddr <=
				load->p_filesz - segment->p_filesz) {
			return true;
		}
	}
	return false;
}

static size_t note_round(size_t size) {
	return (size + 3) & ~(size_t)3;
}

static void write_hex(char out[BUILD_ID_TEXT], const unsigned char *bytes, size_t count) {
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < count && 2 * i + 2 < BUILD_ID_TEXT; i++) {
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
	*out = '\0';
}

/* Looks for it among the notes of one segment. */
static void read_notes(char out[BUILD_ID_TEXT], const char *notes, size_t size) {
	while (size >= sizeof(ElfW(Nhdr))) {
		ElfW(Nhdr) note;
		memcpy(&note, notes, sizeof note);
		size_t name = note_round(note.n_namesz),
		       value = note_round(note.n_descsz);
		size_t whole = sizeof note + name + value;
		if (whole > size) {
			return;
		}
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
			memcmp(notes + sizeof note, "GNU", 4) == 0) {
			const void *bytes = notes + sizeof note + name;
			write_hex(out, bytes, note.n_descsz);
			return;
		}
		notes += whole;
		size -= whole;
	}
}

/* Passes over all loaded files but one, whose segments of notes it reads. */
static int search_file(struct dl_phdr_info *info, size_t size, void *context) {
	(void)size;
	struct search *search = context;
	if (search->map ? info->dlpi_addr != search->map->l_addr : *info->dlpi_name) {
		return 0;
	}
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		if (segment->p_type == PT_NOTE && is_loaded(info, segment)) {
			size_t address = info->dlpi_addr + segment->p_vaddr;
			read_notes(search->out, (const char *)address, segment->p_filesz);
		}
	}
	return 1;
}

void build_id_find(char out[BUILD_ID_TEXT], void *handle) {
	struct search search = {.out = out};
	*out = '\0';
	if (!handle || dlinfo(handle, RTLD_DI_LINKMAP, &search.map) == 0) {
		dl_iterate_phdr(search_file, &search);
	}
}
