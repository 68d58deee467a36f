/* SPDX-License-Identifier: MIT */
/* echo_arun - the echo server as a plugin. Prints its port. */
#include <arun.h>

#include <string.h>

static int echo(arun_conn *conn, void *arg) {
	char buf[4096];
	ssize_t n;
	(void)arg;
	while ((n = arun_read(conn, buf, sizeof buf)) > 0) {
		if (arun_write(conn, buf, (size_t)n) < 0) {
			return -1;
		}
	}
	return (int)n;
}

static int serve(int argc, char **argv) {
	(void)argc;
	(void)argv;
	arun_server *server = arun_listen("tcp:127.0.0.1:0", echo, NULL);
	if (!server) {
		return -1;
	}
	printf("%s\n", strrchr(arun_server_address(server), ':') + 1);
	fflush(stdout);
	arun_yield();
	return arun_server_close(server);
}
ARUN_SERVER(serve)
