/* SPDX-License-Identifier: MIT */
/*
 * startup - starts a program some times, one after the other.
 *
 *	startup COUNT PROGRAM [ARGUMENT...]
 *
 * Prints a line each: microseconds of processor time and of wall time, to its end.
 */
#include <fcntl.h>
#include <spawn.h>
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

static int start(char **argv, const posix_spawn_file_actions_t *actions) {
	double begin = now_us();
	struct rusage usage;
	int status;
	pid_t pid;
	if (posix_spawnp(&pid, argv[0], actions, NULL, argv, environ) != 0 ||
		wait4(pid, &status, 0, &usage) < 0 || status != 0) {
		fprintf(stderr, "startup: %s failed\n", argv[0]);
		return 1;
	}
	printf("%.1f %.1f\n", us(usage.ru_utime) + us(usage.ru_stime), now_us() - begin);
	return 0;
}

int main(int argc, char **argv) {
	posix_spawn_file_actions_t actions;
	if (argc < 3) {
		fprintf(stderr, "usage: startup COUNT PROGRAM [ARGUMENT...]\n");
		return 2;
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	int status = 0;
	for (long count = atol(argv[1]); count > 0 && status == 0; count--) {
		status = start(argv + 2, &actions);
	}
	posix_spawn_file_actions_destroy(&actions);
	return status;
}
