/* SPDX-License-Identifier: MIT */
/* misuse - what ends the process: one line on stderr that names the place, and SIGABRT. */
#ifndef MISUSE_H
#define MISUSE_H

#include "api.h"

#include <stdlib.h>
#include <sys/wait.h>

/* Forks, and returns how the child ended that called in_child. errors: its stderr; NULL: ours. */
static inline int status_of_child(void (*in_child)(void), FILE *errors) {
	fflush(NULL);
	pid_t child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		struct rlimit none = {0, 0};
		setrlimit(RLIMIT_CORE, &none);
		if (errors) {
			dup2(fileno(errors), STDERR_FILENO);
		}
		in_child();
		_exit(0);
	}
	int status = -1;
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	return status;
}

/* Runs body in a child, which must abort. Returns what it has said. */
static inline const char *misuse_of(void (*body)(void)) {
	FILE *file = tmpfile();
	int status = status_of_child(body, file);
	const char *text = read_stderr(file);
	fclose(file);
	ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT,
		"it ended with status %d, and printed: %s", status, text);
	return text;
}

/* The same of what is said in those words, with the name of this file. */
static inline void assert_misuse(void (*body)(void), const char *words) {
	const char *text = misuse_of(body);
	assert_contains(text, words);
	assert_contains(text, __BASE_FILE__);
}

static void (*misuse_body)(void);

static inline void misuse_run(void) {
	run(misuse_body);
}

/* What is said of the misuse in body, in a run in a child. */
static inline const char *misuse_in_run(void (*body)(void)) {
	misuse_body = body;
	return misuse_of(misuse_run);
}

/* A case whose body, in a run, is misuse told of in those words. */
#define MISUSE(name, words)                                                              \
	static void name##_body(void);                                                   \
	static void name##_in_run(void) {                                                \
		run(name##_body);                                                        \
	}                                                                                \
	START_TEST(name) {                                                               \
		assert_misuse(name##_in_run, words);                                     \
	}                                                                                \
	END_TEST                                                                         \
	static void name##_body(void)

/* A handle of what is gone. */
static inline arun_conn *closed_conn(void) {
	int ends[2];
	ck_assert_int_eq(pipe(ends), 0);
	arun_conn *conn = arun_open_fd(ends[0]);
	close(ends[1]);
	ck_assert_int_eq(arun_close(conn), 0);
	return conn;
}

#endif
