/* SPDX-License-Identifier: MIT */
#include "opened.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* Pages are used as descriptors are. */
enum { OPENED_MOST = 1 << 16 };
static const size_t OPENED_SIZE = OPENED_MOST * sizeof(struct calls);

struct calls *opened_table;

/* Where the table is while nothing is noted, too; NULL: there was none yet. */
static struct calls *opened_pages;

/* A new table is empty. */
static void *opened_map(void) {
	void *pages = mmap(NULL, OPENED_SIZE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return pages == MAP_FAILED ? NULL : pages;
}

void opened_start(void) {
	if (!opened_pages) {
		opened_pages = opened_map();
	} else if (madvise(opened_pages, OPENED_SIZE, MADV_DONTNEED) < 0) {
		memset(opened_pages, 0, OPENED_SIZE); /* mlockall(2) keeps pages */
	}
	publish(&opened_table, opened_pages);
}

void opened_stop(void) {
	publish(&opened_table, NULL);
	if (opened_pages) {
		madvise(opened_pages, OPENED_SIZE, MADV_DONTNEED);
	}
}

static struct calls *slot_of(int fd) {
	struct calls *table = __atomic_load_n(&opened_table, __ATOMIC_ACQUIRE);
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
