/* SPDX-License-Identifier: MIT */
#include "launch.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

enum { LAUNCH_STACK = 64 * 1024, LAUNCH_SIGNALS = 64, LAUNCH_P_PIDFD = 3 };

/* What the child works with, in memory that both have; its stack begins below the end. */
struct launch_child {
	const struct launch *launch;
	int error;          /* why it did not become the program */
	bool in_directory;  /* that was the directory */
	const char *search; /* PATH */
	char path[PATH_MAX];
	char stack[LAUNCH_STACK] __attribute__((aligned(16)));
};

/* Sets the mask of all signals: the C library's call spares two of its own. */
static void launch_mask(int how, uint64_t set, uint64_t *before) {
	syscall(SYS_rt_sigprocmask, how, &set, before, sizeof set);
}

/* The child ------------------------------------------------------------------------ */

/* nohup(1) and a shell's background jobs are about children, too. */
static bool child_keeps_ignored(int number) {
	struct sigaction now;
	bool may = number == SIGINT || number == SIGQUIT || number == SIGHUP;
	return may && sigaction(number, NULL, &now) == 0 &&
	       !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_IGN;
}

static void child_reset_signals(void) {
	struct sigaction action = {.sa_handler = SIG_DFL};
	for (int number = 1; number <= LAUNCH_SIGNALS; number++) {
		if (!child_keeps_ignored(number)) {
			sigaction(number, &action, NULL);
		}
	}
	launch_mask(SIG_SETMASK, 0, NULL);
}

/* Before Linux 5.9 there is no call for it. */
static void child_close_one_by_one(void) {
	struct rlimit limit = {0};
	getrlimit(RLIMIT_NOFILE, &limit);
	for (int fd = LAUNCH_STREAMS; (rlim_t)fd < limit.rlim_cur; fd++) {
		close(fd);
	}
}

/* Returns 0; -1 with errno. */
static int child_set_streams(const int *given) {
	int fds[LAUNCH_STREAMS];
	for (int i = 0; i < LAUNCH_STREAMS; i++) {
		/* Out of the way of those that are put there. */
		bool low = given[i] >= 0 && given[i] < LAUNCH_STREAMS;
		fds[i] =
			low ? fcntl(given[i], F_DUPFD_CLOEXEC, LAUNCH_STREAMS) : given[i];
		if (low && fds[i] < 0) {
			return -1;
		}
	}
	for (int i = 0; i < LAUNCH_STREAMS; i++) {
		if (fds[i] >= 0 && dup2(fds[i], i) < 0) {
			return -1;
		}
	}
	if (syscall(SYS_close_range, LAUNCH_STREAMS, UINT_MAX, 0) < 0) {
		child_close_one_by_one();
	}
	return 0;
}

/* The next of PATH's folders with the program in it. Whether there is one more. */
static bool child_next_path(struct launch_child *child, const char *program) {
	const char *from = child->search;
	if (!from) {
		return false;
	}
	size_t folder = strcspn(from, ":"), name = strlen(program);
	child->search = from[folder] ? from + folder + 1 : NULL;
	if (folder + name + 2 > sizeof child->path) {
		child->path[0] = '\0';
		return true;
	}
	memcpy(child->path, from, folder);
	if (folder) {
		child->path[folder++] = '/';
	}
	memcpy(child->path + folder, program, name + 1);
	return true;
}

/* Returns why not: of all the tries the one that says most. */
static int child_become(struct launch_child *child) {
	const struct launch *launch = child->launch;
	const char *program = launch->argv[0];
	int error = ENOENT;
	if (strchr(program, '/') || !*program) {
		execve(program, launch->argv, launch->environment);
		return errno;
	}
	while (child_next_path(child, program)) {
		execve(child->path, launch->argv, launch->environment);
		if (errno != ENOENT && errno != ENOTDIR) {
			error = errno;
		}
		if (error != ENOENT && error != EACCES) {
			break;
		}
	}
	return error;
}

/* AddressSanitizer knows nothing of this stack, and would look for its end at _exit(). */
__attribute__((no_sanitize_address)) static int child_run(void *argument) {
	struct launch_child *child = argument;
	const struct launch *launch = child->launch;
	child_reset_signals();
	if (launch->directory && chdir(launch->directory) < 0) {
		child->in_directory = true;
		child->error = errno;
	} else if ((launch->leads && setpgid(0, 0) < 0) ||
		   child_set_streams(launch->fds) < 0) {
		child->error = errno;
	} else {
		child->error = child_become(child);
	}
	_exit(127);
}

/* The parent ----------------------------------------------------------------------- */

/* ThreadSanitizer takes every clone(2) for a fork, and has the child be deaf to signals, locks
 * and races from then on: it is to note that in a copy of our memory, not in ours. */
static bool launch_copies(void) {
	return dlsym(RTLD_DEFAULT, "__tsan_init");
}

/* Starts the child, and returns when it has become the program, or has ended. */
static pid_t launch_clone(struct launch_child *child, struct launch *launch, int memory) {
	uint64_t before;
	launch_mask(SIG_BLOCK, UINT64_MAX, &before);
	pid_t pid = clone(child_run, child->stack + LAUNCH_STACK,
		memory | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, child, &launch->pidfd);
	int error = errno;
	launch_mask(SIG_SETMASK, before, NULL);
	errno = error;
	return pid;
}

/* Reaps a child that has not become the program. */
static void launch_reap(const struct launch *launch) {
	siginfo_t info;
	waitid((idtype_t)LAUNCH_P_PIDFD, (id_t)launch->pidfd, &info, WEXITED);
	close(launch->pidfd);
}

pid_t launch_start(struct launch *launch) {
	bool copies = launch_copies();
	struct launch_child *child = mmap(NULL, sizeof *child, PROT_READ | PROT_WRITE,
		MAP_ANONYMOUS | (copies ? MAP_SHARED : MAP_PRIVATE), -1, 0);
	if (child == MAP_FAILED) {
		return -1;
	}
	const char *search = getenv("PATH");
	child->launch = launch;
	child->search = search ? search : "/usr/local/bin:/usr/bin:/bin";
	launch->pidfd = -1;
	pid_t pid = launch_clone(child, launch, copies ? 0 : CLONE_VM);
	int error = pid < 0 ? errno : child->error;
	launch->in_directory = child->in_directory;
	munmap(child, sizeof *child);
	if (pid > 0 && error) {
		launch_reap(launch);
		pid = -1;
	}
	errno = error ? error : errno;
	return pid;
}
