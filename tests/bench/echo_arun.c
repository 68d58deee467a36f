/* SPDX-License-Identifier: MIT */
/*
 * echo_arun - the echo server as a plugin. Prints its port.
 *
 *	arun ./echo_arun.so [CERTIFICATE]
 */
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
	arun_listen_options options = {.tls = NULL};
	if (argc > 1 && !(options.tls = arun_tls_server(argv[1], NULL))) {
		return -1;
	}
	arun_server *server = arun_listen_with("tcp:127.0.0.1:0", echo, NULL, &options);
	if (!server) {
		arun_tls_free(options.tls);
		return -1;
	}
	printf("%s\n", strrchr(arun_server_address(server), ':') + 1);
	fflush(stdout);
	arun_yield();
	int status = arun_server_close(server);
	arun_tls_free(options.tls);
	return status;
}
ARUN_SERVER(serve)
