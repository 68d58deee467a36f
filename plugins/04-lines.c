/* SPDX-License-Identifier: MIT */
/*
 * 4. A generator, and reading files, pipes and terminals.
 *
 *	arun ./lines.so some-file
 *	some-program | arun ./lines.so
 *
 * lines() hands out one line after the other with arun_gen_yield(); it runs in a task
 * of its own, only while number() wants a line. When the generator is closed early
 * arun_gen_yield() returns -1: the body cleans up and returns, as anywhere else.
 * arun_open_fd() makes a connection of any descriptor, and the stream calls do the
 * rest.
 */
#include <arun.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int lines(void *arg) {
	const char *path = arg;
	char line[4096];
	ssize_t n = 0;
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	arun_conn *in = fd < 0 ? NULL : arun_open_fd(fd);
	if (!in) {
		return -1;
	}
	while ((n = arun_read_until(in, '\n', line, sizeof line)) > 0) {
		line[n - 1] = '\0';
		if (arun_gen_yield(line) < 0) {
			break;
		}
	}
	if (n < 0 && errno == ENODATA) { /* a last line without its end */
		n = arun_read(in, line, sizeof line - 1);
		line[n > 0 ? n : 0] = '\0';
		if (n > 0) {
			arun_gen_yield(line);
		}
	}
	arun_close(in);
	return n < 0 ? -1 : 0;
}

static int number(int argc, char **argv) {
	int count = 0;
	const char *line;
	arun_gen *gen = arun_gen_new(lines, argc > 1 ? argv[1] : NULL);
	while (gen && (line = arun_gen_next(gen))) {
		printf("%6d  %s\n", ++count, line);
	}
	return gen ? arun_gen_close(gen) : -1;
}
ARUN_MAIN(number, .name = "lines", .about = "numbers the lines of FILE, or of its input")
