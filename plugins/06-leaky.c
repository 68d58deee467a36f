/* SPDX-License-Identifier: MIT */
/*
 * 6. What arun says of things left open.
 *
 *	arun ./leaky.so 127.0.0.1:7779		and then ^C
 *
 * leaky() closes nothing of what it opens: a task, a server, a generator, a
 * descriptor. arun ends them all in good order and tells which they were, one line
 * each: file and line where it was opened, how long ago, where it waits. Try --debug
 * too, and --leaks=error, which makes the exit status 23, for tests.
 */
#include <arun.h>
#include <fcntl.h>

static int janitor(void *arg) {
	(void)arg;
	while (arun_sleep(60) == 0) {
		printf("sweeping\n");
	}
	return -1;
}

static int count(void *arg) {
	int *number = arg;
	while (arun_gen_yield(number) == 0) {
		++*number;
	}
	return 0;
}

static int greet(arun_conn *conn, void *arg) {
	(void)arg;
	return arun_write(conn, "hello\n", 6);
}

static int leaky(int argc, char **argv) {
	static int number = 1;
	const char *endpoint = argc > 1 ? argv[1] : "tcp:127.0.0.1:7779";
	arun_gen *numbers = arun_gen_new(count, &number); /* arun_gen_close() ends it */
	if (!arun_gen_next(numbers)) {
		return -1;
	}
	if (!arun_listen(endpoint, greet, NULL)) { /* arun_server_close() */
		return -1;
	}
	if (!arun_spawn(janitor, NULL)) { /* arun_cancel(), arun_join() */
		return -1;
	}
	if (open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0) { /* close(2) */
		return -1;
	}
	arun_yield();
	return 0;
}
ARUN_SERVER(leaky, .about = "leaves everything open")
