/* SPDX-License-Identifier: MIT */
/* processes - starts and waits for programs. */
#ifndef PROCESSES_H
#define PROCESSES_H

#include "streams.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* An argv, of strings that exec does not change. */
#define WORDS(...) ((char **)(uintptr_t)(const char *[]){__VA_ARGS__, NULL})
#define SHELL(script) WORDS("sh", "-c", script)

static const arun_exec_options quiet = {
	.in = ARUN_NULL, .out = ARUN_NULL, .err = ARUN_NULL};

static inline arun_process *started(
	char *const argv[], const arun_exec_options *options) {
	arun_process *process = (arun_exec)(argv, options);
	ck_assert_msg(process != NULL, "%s", arun_why());
	return process;
}

static inline int status_of(arun_process *process) {
	int status = -1;
	ck_assert_int_eq((arun_process_wait)(process, &status), 0);
	return status;
}

/* The status of a shell's script, with nothing to read or write. */
static inline int script(char *text) {
	arun_process *process = started(SHELL(text), &quiet);
	int status = status_of(process);
	(arun_process_close)(process);
	return status;
}

/* All that the script writes. */
static inline const char *output(const arun_exec_options *options, char *text) {
	static char out[4096];
	arun_process *process = started(SHELL(text), options);
	ssize_t n = arun_read_exactly(arun_process_stdout(process), out, sizeof out - 1);
	if (n < 0) {
		n = arun_read(arun_process_stdout(process), out, sizeof out - 1);
	}
	ck_assert_int_ge(n, 0);
	out[n] = '\0';
	ck_assert_int_eq(status_of(process), 0);
	arun_process_close(process);
	return out;
}

static const arun_exec_options reads = {
	.in = ARUN_NULL, .out = ARUN_STREAM, .err = ARUN_NULL};

static inline int descriptors(void) {
	int count = 0;
	DIR *folder = opendir("/proc/self/fd");
	while (readdir(folder)) {
		count++;
	}
	closedir(folder);
	return count;
}

/* Not even a zombie. */
static inline void assert_no_child(void) {
	siginfo_t info;
	assert_fails(waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT), ECHILD);
}

#endif
