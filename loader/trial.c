/* SPDX-License-Identifier: MIT */
#include "trial.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum { CRASH_STACK = 64 * 1024 };

/* What the child writes into the pipe, in one piece, as its last act. */
struct verdict {
	int result;
	int signal;  /* of a crash; 0: fn returned */
	bool linker; /* the crash was in the dynamic linker's code */
	struct loader_error error;
};

/* Of the child alone, for its signal handler. */
static int verdict_fd = -1;

/* Whether address is the dynamic linker's, whose program headers are mapped, too. */
static bool in_linker(uintptr_t address) {
	uintptr_t base = getauxval(AT_BASE);
	const ElfW(Ehdr) *header = (const void *)base;
	if (!base || address < base) {
		return false;
	}
	const ElfW(Phdr) *segments = (const void *)(base + header->e_phoff);
	for (size_t i = 0; i < header->e_phnum; i++) {
		if (segments[i].p_type == PT_LOAD &&
			address - base - segments[i].p_vaddr < segments[i].p_memsz) {
			return true;
		}
	}
	return false;
}

static uintptr_t crash_address(const ucontext_t *context) {
#if defined(__x86_64__)
	return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
	return (uintptr_t)context->uc_mcontext.pc;
#endif
}

static void tell(const struct verdict *verdict) {
	ssize_t written;
	do {
		written = write(verdict_fd, verdict, sizeof *verdict);
	} while (written < 0 && errno == EINTR);
	_exit(0);
}

static void on_crash(int signal, siginfo_t *info, void *context) {
	struct verdict verdict = {.result = -1, .signal = signal};
	(void)info;
	verdict.linker = in_linker(crash_address(context));
	tell(&verdict);
}

static void catch_crashes(void) {
	static const int crashes[] = {
		SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS};
	struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND};
	action.sa_sigaction = on_crash;
	/* A constructor may overflow its own. */
	stack_t stack = {.ss_sp = malloc(CRASH_STACK), .ss_size = CRASH_STACK};
	if (stack.ss_sp) {
		sigaltstack(&stack, NULL);
	}
	for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++) {
		sigaction(crashes[i], &action, NULL);
	}
}

static void reset_signals(void) {
	struct sigaction action = {.sa_handler = SIG_DFL}, now;
	sigset_t none;
	for (int i = 1; i < NSIG; i++) {
		/* Those that have a handler have it also where the plugin is loaded in earnest. */
		if (sigaction(i, NULL, &now) == 0 && now.sa_handler == SIG_IGN) {
			sigaction(i, &action, NULL);
		}
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Whatever constructors print would be printed twice. */
static void silence(void) {
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 0; fd >= 0 && i < 3; i++) {
		dup2(fd, i);
	}
}

static void be_child(
	pid_t parent, int (*fn)(void *arg, struct loader_error *error), void *arg) {
	const struct rlimit no_core = {0, 0};
	struct verdict verdict = {0};
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) {
		_exit(0);
	}
	/* Out of the way of silence(), where a standard stream was closed. */
	verdict_fd = fcntl(verdict_fd, F_DUPFD_CLOEXEC, 3);
	setrlimit(RLIMIT_CORE, &no_core);
	reset_signals();
	silence();
	catch_crashes();
	verdict.result = fn(arg, &verdict.error);
	tell(&verdict);
}

static double now(void) {
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/*
 * Waits until there is a verdict, the child is dead or the time is up (false). The pidfd
 * (-1: an old kernel) tells a death that the pipe does not, where a grandchild holds the
 * pipe open.
 */
static bool wait_for(int pipe_fd, int pidfd) {
	struct pollfd fds[] = {
		{.fd = pipe_fd, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};
	double end = now() + TRIAL_SECONDS;
	double left;
	while ((left = end - now()) > 0) {
		int ready = poll(fds, 2, (int)(left * 1000) + 1);
		if (ready > 0 || (ready < 0 && errno != EINTR)) {
			return true;
		}
	}
	return false;
}

/* sigabbrev_np() is younger than the oldest glibc that arun runs on. */
static const char *name_of(int signal) {
	switch (signal) {
	case SIGSEGV:
		return "SIGSEGV";
	case SIGBUS:
		return "SIGBUS";
	case SIGILL:
		return "SIGILL";
	case SIGFPE:
		return "SIGFPE";
	case SIGABRT:
		return "SIGABRT";
	case SIGTRAP:
		return "SIGTRAP";
	case SIGSYS:
		return "SIGSYS";
	case SIGKILL:
		return "SIGKILL";
	case SIGTERM:
		return "SIGTERM";
	default:
		return "a signal";
	}
}

static int died(const char *path, const char *oddity, const struct verdict *verdict,
	struct loader_error *error) {
	const char *name = name_of(verdict->signal);
	if (oddity) {
		return error_set(error, 126, path,
			": is damaged: %s died of %s on it (%s)",
			verdict->linker ? "the dynamic linker" : "loading", name, oddity);
	}
	if (verdict->linker) {
		return error_set(error, 126, path,
			": is damaged: the dynamic linker died of %s on it, or on a library "
			"that it needs",
			name);
	}
	return error_set(error, 126, path,
		": died of %s while it was loaded, in a constructor or destructor of it",
		name);
}

/* How a child without a verdict ended, by its wait status. */
static int explain_end(const char *path, const char *oddity, bool in_time, int status,
	struct loader_error *error) {
	if (!in_time) {
		return error_set(error, 126, path,
			": is damaged, or its constructor hangs: not loaded within %d s",
			TRIAL_SECONDS);
	}
	if (WIFSIGNALED(status)) {
		struct verdict verdict = {.signal = WTERMSIG(status)};
		return died(path, oddity, &verdict, error);
	}
	/* The dynamic linker's own assertions end the process so. */
	if (WEXITSTATUS(status) == 127) {
		return error_set(error, 126, path,
			": is damaged: the dynamic linker gave up on it");
	}
	return error_set(error, 126, path,
		": ended the process with exit status %d while it was loaded",
		WEXITSTATUS(status));
}

static int judge(const char *path, const char *oddity, pid_t pid, int pipe_fd,
	struct loader_error *error) {
	struct verdict verdict;
	int status = 0;
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	bool in_time = wait_for(pipe_fd, pidfd);
	/* Never blocks: the pipe is O_NONBLOCK, and a verdict is written in one piece. */
	bool told = read(pipe_fd, &verdict, sizeof verdict) == (ssize_t)sizeof verdict;
	if (told || !in_time) {
		kill(pid, SIGKILL);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
	}
	if (pidfd >= 0) {
		close(pidfd);
	}
	if (!told) {
		return explain_end(path, oddity, in_time, status, error);
	}
	if (verdict.signal) {
		return died(path, oddity, &verdict, error);
	}
	if (verdict.result) {
		*error = verdict.error;
	}
	return verdict.result;
}

int trial_run(const char *path, const char *oddity,
	int (*fn)(void *arg, struct loader_error *error), void *arg,
	struct loader_error *error) {
	int fds[2];
	pid_t parent = getpid();
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK)) {
		return error_set(error, 125, path,
			": no pipe to a process to try it in: %s", strerror(errno));
	}
	verdict_fd = fds[1];
	pid_t pid = fork();
	if (!pid) {
		be_child(parent, fn, arg);
	}
	close(fds[1]);
	int result = pid < 0 ? error_set(error, 125, path,
				       ": no process to try it in: %s", strerror(errno))
			     : judge(path, oddity, pid, fds[0], error);
	close(fds[0]);
	return result;
}
