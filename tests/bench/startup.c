/* SPDX-License-Identifier: MIT */
/*
 * startup - starts a program some times, one after the other.
 *
 *	startup COUNT PROGRAM [ARGUMENT...]
 *
 * Prints a line each: microseconds of processor time to its end, and of wall time to the first line
 * of its main, which says so by a byte on its standard output.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double us(struct timeval time) {
	return (double)time.tv_sec * 1e6 + (double)time.tv_usec;
}

static double now_us(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* Returns the process; 0: it cannot be started. */
static pid_t spawn(char **argv, int out) {
	posix_spawn_file_actions_t actions;
	pid_t pid;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	int error = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return error ? 0 : pid;
}

static int start(char **argv) {
	struct rusage usage;
	int status, ends[2];
	char byte;
	if (pipe2(ends, O_CLOEXEC) < 0) {
		perror("startup: pipe");
		return 1;
	}
	double begin = now_us();
	pid_t pid = spawn(argv, ends[1]);
	close(ends[1]);
	bool began = pid && read(ends[0], &byte, 1) == 1;
	double first = now_us() - begin;
	close(ends[0]);
	if (!pid || wait4(pid, &status, 0, &usage) < 0 || status != 0 || !began) {
		fprintf(stderr, "startup: %s failed\n", argv[0]);
		return 1;
	}
	printf("%.1f %.1f\n", us(usage.ru_utime) + us(usage.ru_stime), first);
	return 0;
}

int main(int argc, char **argv) {
	if (argc < 3) {
		fprintf(stderr, "usage: startup COUNT PROGRAM [ARGUMENT...]\n");
		return 2;
	}
	int status = 0;
	for (long count = atol(argv[1]); count > 0 && status == 0; count--) {
		status = start(argv + 2);
	}
	return status;
}
