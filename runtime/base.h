/* SPDX-License-Identifier: MIT */
/* base - the few macros that every file of the runtime uses. */
#ifndef BASE_H
#define BASE_H

#include <stddef.h>

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define count_of(array) (sizeof(array) / sizeof *(array))
#define container_of(pointer, type, member)                                              \
	((type *)(void *)&((char *)(pointer))[-(ptrdiff_t)offsetof(type, member)])

/* Where so few instructions take so little time that it counts how many lines of the cache they
 * begin and end in. */
#define line_aligned __attribute__((aligned(64)))

/* For a store that a signal handler of this thread may see: neither side is moved across
 * it. */
#define signal_fence() __atomic_signal_fence(__ATOMIC_SEQ_CST)

/* Publishes value at *place for readers in handlers and in other processes. */
#define publish(place, value) __atomic_store_n((place), (value), __ATOMIC_RELEASE)

#endif
