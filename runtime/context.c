/* SPDX-License-Identifier: MIT */
#include "context.h"

#include "base.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>

/* Of <sanitizer/common_interface_defs.h> and <sanitizer/tsan_interface.h>. */
static struct {
	void (*start_switch)(void **fake_stack_save, const void *bottom, size_t size);
	void (*finish_switch)(void *fake_stack_save, const void **bottom, size_t *size);
	void (*unpoison)(const volatile void *start, size_t size);
	void *(*current_fiber)(void);
	void *(*create_fiber)(unsigned flags);
	void (*destroy_fiber)(void *fiber);
	void (*switch_fiber)(void *fiber, unsigned flags);
} sanitizer;

/* ISO C has no conversion from an object pointer to one to a function; POSIX promises its
 * bits. */
static void find(const char *name, void *place) {
	void *symbol = dlsym(RTLD_DEFAULT, name);
	memcpy(place, &symbol, sizeof symbol);
}

/* One of each is looked for first: to look for what is not there takes over 1 us. */
bool context_hooks_find(void) {
	find("__asan_unpoison_memory_region", &sanitizer.unpoison);
	find("__tsan_switch_to_fiber", &sanitizer.switch_fiber);
	bool found = sanitizer.unpoison || sanitizer.switch_fiber;
	if (found) {
		find("__sanitizer_start_switch_fiber", &sanitizer.start_switch);
		find("__sanitizer_finish_switch_fiber", &sanitizer.finish_switch);
		find("__tsan_get_current_fiber", &sanitizer.current_fiber);
		find("__tsan_create_fiber", &sanitizer.create_fiber);
		find("__tsan_destroy_fiber", &sanitizer.destroy_fiber);
	}
	return found;
}

bool context_hooks_address(void) {
	return sanitizer.unpoison != NULL;
}

/* Without its bounds LeakSanitizer would overlook what the stack of the thread points to.
 */
static void context_hooks_thread(struct context_hooks *hooks) {
	pthread_attr_t attributes;
	void *bottom;
	if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
		pthread_attr_getstack(&attributes, &bottom, &hooks->size);
		hooks->bottom = bottom;
		pthread_attr_destroy(&attributes);
	}
}

void context_hooks_init(struct context_hooks *hooks, const void *bottom, size_t size) {
	*hooks = (struct context_hooks){.bottom = bottom, .size = size};
	if (!size) {
		context_hooks_thread(hooks);
	}
	if (sanitizer.switch_fiber) {
		hooks->fiber =
			size ? sanitizer.create_fiber(0) : sanitizer.current_fiber();
	}
}

void context_hooks_finish(struct context_hooks *hooks) {
	if (sanitizer.switch_fiber && hooks->fiber && hooks->size) {
		sanitizer.destroy_fiber(hooks->fiber);
		hooks->fiber = NULL;
	}
}

/*
 * ThreadSanitizer keeps a signal that comes outside of a blocking call for the next call of the
 * C library of the fiber that runs, and a fiber that waits makes none. So none is left with it:
 * what has come is handled by a call that does little else, and the next comes after the
 * switch. What runs between that and the real switch must not be its.
 */
__attribute__((no_sanitize("thread"))) static void context_switch_fiber(void *fiber) {
	sigset_t all, before;
	struct timeval now;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	gettimeofday(&now, NULL);
	sanitizer.switch_fiber(fiber, 0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

__attribute__((no_sanitize("thread"))) int context_switch_hooked(void **save, void *to,
	int value, struct context_hooks *from, struct context_hooks *to_hooks,
	bool from_ends) {
	if (sanitizer.start_switch) {
		sanitizer.start_switch(from_ends ? NULL : &from->fake_stack,
			to_hooks->bottom, to_hooks->size);
	}
	if (sanitizer.switch_fiber) {
		context_switch_fiber(to_hooks->fiber);
	}
	int result = context_switch(save, to, value);
	context_hooks_enter(from);
	return result;
}

void context_hooks_enter(struct context_hooks *self) {
	if (sanitizer.finish_switch) {
		sanitizer.finish_switch(self->fake_stack, NULL, NULL);
	}
}

void context_hooks_clean(const void *bottom, size_t size) {
	if (sanitizer.unpoison) {
		sanitizer.unpoison(bottom, size);
	}
}
