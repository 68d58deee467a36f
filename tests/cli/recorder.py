# SPDX-License-Identifier: MIT
"""What test_options.py runs: two plugins, and a launcher whose arun_run() prints what it was called
with. They are built in a folder of their own, which becomes the current one."""
import glob
import os
import shutil
import sys
import tempfile

from tap import equal, run

SOURCE = os.environ["ARUN_SOURCE"]
CC = os.environ.get("CC", "cc").split()

PLUGIN = r"""
#include <arun.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int on_hup(void) {
	return 0;
}

static int words(int argc, char **argv) {
	for (int i = 0; i < argc; i++) {
		printf("<%s>", argv[i]);
	}
	return argv[argc] ? 99 : argc - 1;
}
ARUN_MAIN(words, .about = "prints its words\033[31m")

static int serve(int argc, char **argv) {
	(void)argc, (void)argv;
	return arun_yield();
}
ARUN_SERVER(serve, .name = "echo", .about = "echoes lines", .stack_size = 65536, .reload = on_hup)

static int streams(int argc, char **argv) {
	(void)argc, (void)argv;
	int fd = dup(0);
	return fd > 2 && fcntl(0, F_GETFD) == 0 && fcntl(1, F_GETFD) == 0 && fcntl(2, F_GETFD) == 0
		? 7 : 1;
}
ARUN_MAIN(streams)

static int hello(int argc, char **argv) {
	(void)argc;
	printf("hello");
	return argv[1] ? atoi(argv[1]) : 0;
}
ARUN_MAIN(hello)

/* A child born while the process ends goes through the same atexit handlers. */
static void fork_late(void) {
	int status = 0;
	pid_t child = fork();
	if (child > 0 && waitpid(child, &status, 0) == child) {
		printf("%s", WIFEXITED(status) ? "child exited" : "child killed");
	}
}

static int forks(int argc, char **argv) {
	(void)argc, (void)argv;
	return atexit(fork_late);
}
ARUN_MAIN(forks)
"""

ONE_ENTRY = r"""
#include <arun.h>
static int only(int argc, char **argv) {
	puts(argv[0]);
	return argc - 1;
}
ARUN_MAIN(only)
"""

RECORDER = r"""
#include <arun.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

static int record(const char *kind, int argc, char **argv, arun_options *o,
	int (*fn)(int, char **)) {
	struct stat status = {0};
	int failure = getenv("RECORD_ERRNO") ? atoi(getenv("RECORD_ERRNO")) : 0;
	printf("%s name=%s argv0=%s argc=%d\n", kind, o->name, argv[0], argc);
	printf("size=%d stack=%zu reload=%d signals=%d\n", o->struct_size == sizeof *o,
		o->stack_size, o->reload != NULL, o->signals);
	printf("log_level=%s log_format=%s\n",
		(const char *[]){"none", "", "", "error", "warning", "notice", "info", "debug"}[o->log_level],
		(const char *[]){"auto", "text", "json", "journal"}[o->log_format]);
	printf("grace=%g leaks=%s debug=%d\n", o->grace,
		(const char *[]){"warn", "off", "error"}[o->leaks], o->debug);
	printf("plugin=%d path=%s suppress=%d loop=%d\n", o->plugin != NULL, o->plugin_path,
		o->suppress != NULL, o->loop != NULL);
	for (const char *const *at = o->listen; at && *at; at++) {
		printf("listen %s\n", *at);
	}
	if (o->report_fd) {
		fstat(o->report_fd, &status);
		printf("report=%d cloexec=%d append=%d mode=%o\n", o->report_fd,
			fcntl(o->report_fd, F_GETFD) == FD_CLOEXEC,
			(fcntl(o->report_fd, F_GETFL) & O_APPEND) != 0, status.st_mode);
		dprintf(o->report_fd, "report\n");
	}
	if (failure) {
		errno = failure;
		return -1;
	}
	o->signal = getenv("RECORD_SIGNAL") ? atoi(getenv("RECORD_SIGNAL")) : 0;
	return getenv("RECORD_CALL") ? fn(argc, argv) : 0;
}

int arun_run(int (*fn)(int, char **), int argc, char **argv, arun_options *options) {
	return record("main", argc, argv, options, fn);
}

int arun_run_forever(int (*fn)(int, char **), int argc, char **argv, arun_options *options) {
	return record("server", argc, argv, options, fn);
}

int arun_yield_at(const struct arun_site *site) {
	(void)site;
	return 0;
}

double arun_now(void) {
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

const char *arun_version(void) {
	return "recorder";
}
"""

folder = tempfile.TemporaryDirectory(prefix="arun-options-")
os.chdir(folder.name)
INCLUDE = ["-I", os.path.join(SOURCE, "include")]


def build(output, text, *options):
    source = output + ".c"
    with open(source, "w") as file:
        file.write(text)
    result = run(*CC, "-std=gnu11", "-D_GNU_SOURCE", *INCLUDE, "-o", output, source, *options)
    equal(result.returncode, 0, result.stderr)


def build_fixtures():
    build("p.so", PLUGIN, "-shared", "-fPIC")
    build("one.so", ONE_ENTRY, "-shared", "-fPIC")
    os.mkdir("library")
    shutil.copy("one.so", "library/lone.so")
    page = [os.path.join(SOURCE, "cli", "picture" + end) for end in (".py", ".html")]
    equal(run(sys.executable, *page, "picture_page.c").returncode, 0, "picture.py")
    build("recorder", RECORDER, "-rdynamic",
          f'-DARUN_LIBRARY_DIR="{folder.name}/library"',
          "-iquote", os.path.join(SOURCE, "loader"),
          *glob.glob(os.path.join(SOURCE, "cli", "*.c")),
          *glob.glob(os.path.join(SOURCE, "loader", "*.c")),
          # The two files of the runtime that know nothing of it.
          os.path.join(SOURCE, "runtime", "libdw.c"),
          os.path.join(SOURCE, "runtime", "journal_stream.c"), "picture_page.c", "-ldl", "-pthread")
