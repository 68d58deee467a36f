/* SPDX-License-Identifier: MIT */
/*
 * 2. A server generator.
 *
 *	arun ./echo.so 127.0.0.1:7777
 *
 * ARUN_SERVER declares a function that sets up, calls arun_yield() once, and cleans
 * up. While it is in arun_yield() the loop serves: each connection is a task, which
 * runs echo() on a stack of its own, so that echo() may simply wait for bytes. SIGTERM
 * or ^C makes arun_yield() return. Handlers that still run then may finish, for as
 * long as --grace says. Not to wait so long for clients that are silent, echo() says
 * where it owes them nothing: there its arun_read() returns 0.
 */
#include <arun.h>

static int echo(arun_conn *conn, void *arg) {
	char buf[4096];
	ssize_t n;
	(void)arg;
	do {
		arun_idle(conn);
		n = arun_read(conn, buf, sizeof buf);
	} while (n > 0 && arun_write(conn, buf, (size_t)n) == 0);
	return n ? -1 : 0; /* the server closes conn */
}

static int serve(int argc, char **argv) {
	arun_server *server =
		arun_listen(argc > 1 ? argv[1] : "tcp:127.0.0.1:7777", echo, NULL);
	if (!server) {
		return -1; /* arun prints why */
	}
	arun_yield(); /* ready; runs until asked to stop */
	return arun_server_close(server);
}
ARUN_SERVER(serve, .name = "echo", .about = "sends back what it is sent")
