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
 * long as --grace says.
 */
#include <arun.h>

static int echo(arun_conn *conn, void *arg) {
	char buf[4096];
	ssize_t n;
	(void)arg;
	while ((n = arun_read(conn, buf, sizeof buf)) > 0) {
		if (arun_write(conn, buf, (size_t)n) < 0) {
			return -1;
		}
	}
	return (int)n; /* the server closes conn */
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
