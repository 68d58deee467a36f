/* SPDX-License-Identifier: MIT */
#include "entries.h"

#include "error.h"

#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

#define ABI_MOST 1000 /* there will not be more: a larger one is damage */

static const char prefix[] = "arun_entry_";
static const size_t size_least = offsetof(struct arun_entry, name);

/* Some memory, sought in the loaded objects. */
struct region {
	uintptr_t address;
	size_t size;
	uint32_t flags;
	size_t room; /* out: from address to the end of its segment */
};

static int find_region(struct dl_phdr_info *object, size_t size, void *arg) {
	struct region *region = arg;
	(void)size;
	for (size_t i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *load = &object->dlpi_phdr[i];
		uintptr_t start = object->dlpi_addr + load->p_vaddr;
		if (load->p_type == PT_LOAD &&
			(load->p_flags & region->flags) == region->flags &&
			region->address >= start &&
			region->address - start < load->p_memsz &&
			region->size <= load->p_memsz - (region->address - start)) {
			region->room = load->p_memsz - (region->address - start);
			return 1;
		}
	}
	return 0;
}

/* Whether a loaded object holds the size bytes at address, in a segment with flags. */
static bool loaded(uintptr_t address, size_t size, uint32_t flags) {
	struct region region = {.address = address, .size = size, .flags = flags};
	return dl_iterate_phdr(find_region, &region) == 1;
}

/* Whether it is NULL or a string in a loaded object: a broken one points anywhere. */
static bool is_string(const char *text) {
	struct region region = {.address = (uintptr_t)text, .size = 1, .flags = PF_R};
	return !text || (dl_iterate_phdr(find_region, &region) == 1 &&
				memchr(text, '\0', region.room));
}

static bool is_function(uintptr_t address) {
	return loaded(address, 1, PF_X);
}

static bool is_sound(const struct arun_entry *entry) {
	return (entry->kind == ARUN_ENTRY_MAIN || entry->kind == ARUN_ENTRY_SERVER) &&
	       is_function((uintptr_t)entry->function) && entry->identifier &&
	       entry->file && is_string(entry->identifier) && is_string(entry->file) &&
	       is_string(entry->name) && is_string(entry->about) &&
	       (!entry->reload || is_function((uintptr_t)entry->reload));
}

/* The descriptor; where it is an older, shorter one, its copy in *entry, which is zeroed. NULL with
 * *error. */
static const struct arun_entry *read_entry(const char *path, void *handle,
	const char *symbol, struct arun_entry *entry, struct loader_error *error) {
	const char *name = symbol + strlen(prefix);
	const struct arun_entry *there = dlsym(handle, symbol);
	if (!loaded((uintptr_t)there, size_least, PF_R) ||
		(uintptr_t)there % _Alignof(int) || !there->abi ||
		there->abi > ABI_MOST) {
		error_set(error, 126, path, ": is damaged: it has no %s", symbol);
		return NULL;
	}
	if (there->abi != ARUN_ABI) {
		error_set(error, 126, path, ": was built for arun ABI %u, this is %u",
			there->abi, ARUN_ABI);
		return NULL;
	}
	if (there->size < size_least || !loaded((uintptr_t)there, there->size, PF_R)) {
		error_set(error, 126, path,
			": its entry \"%s\" is damaged: a descriptor of %u bytes", name,
			there->size);
		return NULL;
	}
	memcpy(entry, there, there->size < sizeof *entry ? there->size : sizeof *entry);
	if (!is_sound(entry)) {
		error_set(error, 126, path, ": its entry \"%s\" is damaged", name);
		return NULL;
	}
	return there->size < sizeof *entry ? entry : there;
}

static int by_line(const void *a, const void *b) {
	const struct arun_entry *left = *(const struct arun_entry *const *)a;
	const struct arun_entry *right = *(const struct arun_entry *const *)b;
	int order = strcmp(left->file, right->file);
	return order ? order : (left->line > right->line) - (left->line < right->line);
}

static size_t count_entries(const struct dynamic *dynamic) {
	size_t count = 0;
	size_t index = 0;
	while (dynamic_next_export(dynamic, prefix, &index)) {
		count++;
	}
	return count;
}

bool entries_any(const struct dynamic *dynamic) {
	return count_entries(dynamic) > 0;
}

int entries_read(const char *path, const struct dynamic *dynamic,
	struct loader_plugin *plugin, struct loader_error *error) {
	size_t count = count_entries(dynamic);
	size_t index = 0;
	if (!count) {
		return error_set(error, 126, path, ": has no ARUN_MAIN or ARUN_SERVER");
	}
	/* The array, and behind it the copies of shorter descriptors. */
	const struct arun_entry **entries =
		calloc(count, sizeof *entries + sizeof(struct arun_entry));
	if (!entries) {
		return error_no_memory(error, path);
	}
	struct arun_entry *copies = (struct arun_entry *)(void *)(entries + count);
	for (size_t i = 0; i < count; i++) {
		const char *symbol = dynamic_next_export(dynamic, prefix, &index);
		entries[i] = read_entry(path, plugin->handle, symbol, &copies[i], error);
		if (!entries[i]) {
			free(entries);
			return -1;
		}
	}
	qsort(entries, count, sizeof *entries, by_line);
	plugin->entries = entries;
	plugin->count = count;
	return 0;
}
