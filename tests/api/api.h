/* SPDX-License-Identifier: MIT */
/* api - what the tests of the public interface share. */
#ifndef API_H
#define API_H

#include <arun.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "suite.h"

#if defined __SANITIZE_ADDRESS__
#define API_ASAN 1
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define API_ASAN 1
#endif
#endif
#ifndef API_ASAN
#define API_ASAN 0
#endif

/* ThreadSanitizer has a thread of its own: for the deadlock verdict, one that may post. */
#if defined __SANITIZE_THREAD__
#define API_TSAN 1
#elif defined __has_feature
#if __has_feature(thread_sanitizer)
#define API_TSAN 1
#endif
#endif
#ifndef API_TSAN
#define API_TSAN 0
#endif

/* A sanitizer does not live where there is no memory. */
#define API_LIMITS (!API_ASAN && !API_TSAN)

/* Seconds that no test waits to the end. */
#define FOREVER 3600.0

/* Most runs: quiet about signals, and strict: 23 where something is left open. */
#define STRICT                                                                           \
	(&(arun_options){.struct_size = sizeof(arun_options), .leaks = ARUN_LEAKS_ERROR})

/* What a claim's entry calls; a case runs in a process of its own. */
static void (*api_body)(void);

static inline int api_entry(int argc, char **argv) {
	(void)argc;
	(void)argv;
	api_body();
	return 0;
}

/* Runs body as a main coroutine that must leave nothing open. Returns the run's status. */
static inline int run(void (*body)(void)) {
	api_body = body;
	return arun_run(api_entry, 0, NULL, STRICT);
}

/* A case whose body runs in a main coroutine, which ends with 0 and without a leak. */
#define CLAIM(name)                                                                      \
	static void name##_in_run(void);                                                 \
	START_TEST(name) {                                                               \
		ck_assert_int_eq(run(name##_in_run), 0);                                 \
	}                                                                                \
	END_TEST                                                                         \
	static void name##_in_run(void)

/* A call that returns -1 with that errno. */
#define assert_fails(call, error)                                                        \
	do {                                                                             \
		errno = 0;                                                               \
		int api_result = (call), api_error = errno;                              \
		ck_assert_int_eq(api_result, -1);                                        \
		ck_assert_int_eq(api_error, error);                                      \
	} while (0)

/* A call that returns NULL with that errno, which may be 0. */
#define assert_null(call, error)                                                         \
	do {                                                                             \
		errno = EXDEV;                                                           \
		void *api_pointer = (call);                                              \
		int api_error = errno;                                                   \
		ck_assert_ptr_null(api_pointer);                                         \
		ck_assert_int_eq(api_error, error);                                      \
	} while (0)

#define assert_contains(text, part)                                                      \
	do {                                                                             \
		const char *api_text = (text);                                           \
		ck_assert_msg(strstr(api_text, part), "\"%s\" is not in \"%s\"", part,   \
			api_text);                                                       \
	} while (0)

/* A text as the argument of a task; it lives as long as the block. */
#define WORD(text) ((char[]){text})

/* The order in which things happened, a letter each. note() keeps errno. */
static char api_trace[64];

static inline void note(char letter) {
	size_t length = strlen(api_trace);
	if (length == sizeof api_trace - 1) {
		ck_abort_msg("more happened than expected: %s", api_trace);
	}
	api_trace[length] = letter;
}

#define assert_trace(letters) ck_assert_str_eq(api_trace, letters)

/* Lets the others run so many times. */
static inline void let_others_run(int times) {
	while (times-- > 0) {
		ck_assert_int_eq((arun_sleep)(0), 0);
	}
}

/* Joins task and returns what it returned. */
static inline int joined(arun_task *task) {
	int result = -99;
	ck_assert_int_eq((arun_join)(task, &result), 0);
	return result;
}

/* Leaves no more address space than is in use. Returns the limit, to be put back. */
static inline struct rlimit limit_memory(void) {
	unsigned long pages = 0;
	FILE *statm = fopen("/proc/self/statm", "re");
	ck_assert(statm && fscanf(statm, "%lu", &pages) == 1);
	fclose(statm);
	struct rlimit old;
	getrlimit(RLIMIT_AS, &old);
	struct rlimit now = old;
	now.rlim_cur = pages * (unsigned long)sysconf(_SC_PAGESIZE);
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &now), 0);
	return old;
}

/* Allows no further process or thread. Returns the limit, to be put back. */
static inline struct rlimit limit_processes(void) {
	/* Root has no such limit; a sanitizer still wants to look at this process. */
	ck_assert(geteuid() || setresuid(65534, 65534, 65534) == 0);
	prctl(PR_SET_DUMPABLE, 1);
	struct rlimit old;
	getrlimit(RLIMIT_NPROC, &old);
	setrlimit(RLIMIT_NPROC, &(struct rlimit){0, old.rlim_max});
	return old;
}

/* From here on stderr is a file, which read_stderr() reads. */
static inline FILE *catch_stderr(void) {
	FILE *file = tmpfile();
	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(dup2(fileno(file), STDERR_FILENO), STDERR_FILENO);
	return file;
}

static inline const char *read_stderr(FILE *file) {
	static char text[8192];
	rewind(file);
	text[fread(text, 1, sizeof text - 1, file)] = '\0';
	return text;
}

/* Runs body, which must end with that status. Returns what is said on stderr. */
static inline const char *run_reported(void (*body)(void), int status) {
	FILE *file = catch_stderr();
	ck_assert_int_eq(run(body), status);
	return read_stderr(file);
}

#endif
