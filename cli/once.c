/* SPDX-License-Identifier: MIT */
#include "once.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { ONCE_TEXT = 1024 };

struct once {
	pthread_mutex_t mutex;
	char text[ONCE_TEXT]; /* that was said last */
};

/* Robust: one that is killed while it has it leaves the others theirs to say. */
static int mutex_open(pthread_mutex_t *mutex) {
	pthread_mutexattr_t attributes;
	int error = pthread_mutexattr_init(&attributes);
	if (error) {
		return error;
	}
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	error = pthread_mutex_init(mutex, &attributes);
	pthread_mutexattr_destroy(&attributes);
	return error;
}

struct once *once_create(void) {
	struct once *once = mmap(NULL, sizeof *once, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (once == MAP_FAILED) {
		return NULL;
	}
	if (mutex_open(&once->mutex) != 0) {
		munmap(once, sizeof *once);
		return NULL;
	}
	return once;
}

/* Whether that was said; where not, remembers it. */
static bool was_said(struct once *once, const char *text) {
	char begin[ONCE_TEXT];
	snprintf(begin, sizeof begin, "%s", text);
	if (strcmp(begin, once->text) == 0) {
		return true;
	}
	strcpy(once->text, begin);
	return false;
}

bool once_begin(struct once *once, const char *text) {
	if (!once) {
		return true;
	}
	if (pthread_mutex_lock(&once->mutex) == EOWNERDEAD) {
		pthread_mutex_consistent(&once->mutex);
		once->text[0] = '\0';
	}
	return !was_said(once, text);
}

void once_end(struct once *once) {
	if (once) {
		pthread_mutex_unlock(&once->mutex);
	}
}
