/* SPDX-License-Identifier: MIT */
#include "opened.h"

#include <errno.h>
#include <sys/mman.h>

/* Pages are used as descriptors are. */
enum { OPENED_MOST = 1 << 16 };

struct calls *opened_table;

void opened_start(void) {
	void *table =
		mmap(NULL, OPENED_MOST * sizeof *opened_table, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	opened_table = table == MAP_FAILED ? NULL : table;
}

void opened_stop(void) {
	struct calls *table = opened_table;
	opened_table = NULL;
	if (table) {
		munmap(table, OPENED_MOST * sizeof *table);
	}
}

static struct calls *slot_of(int fd) {
	struct calls *table = opened_table;
	return table && fd >= 0 && fd < OPENED_MOST ? &table[fd] : NULL;
}

void opened_note_slow(int fd, const void *caller) {
	struct calls *slot = slot_of(fd);
	if (slot && !backtrace_is_own(caller)) {
		int error = errno;
		backtrace_here(slot);
		errno = error;
	}
}

void opened_forget_slow(int fd) {
	struct calls *slot = slot_of(fd);
	if (slot) {
		slot->count = 0;
	}
}

const struct calls *opened_find(int fd) {
	const struct calls *slot = slot_of(fd);
	return slot && slot->count ? slot : NULL;
}
