/* SPDX-License-Identifier: MIT */
/*
 * 5. Tasks that share state: a chat room.
 *
 *	arun ./chat.so 127.0.0.1:7778		and then, twice: nc 127.0.0.1 7778
 *
 * Tasks change places only in calls that suspend, so no lock guards the room: between
 * two such calls nobody else can touch it. After one, look again: a member may be gone.
 * One who reads nothing does not hold up the others: what cannot be written to a member
 * in half a second ends its task. Nor does one who says nothing hold up the end.
 */
#include <arun.h>
#include <errno.h>

enum { SEATS = 100 };

struct seat {
	arun_conn *conn; /* NULL: free */
	arun_task *task;
};

static void tell(struct seat *seat, arun_conn *from, const char *line, size_t length) {
	arun_conn *conn = seat->conn;
	ARUN_TIMEOUT(0.5);
	if (conn && conn != from && arun_write(conn, line, length) < 0) {
		if (errno == ETIMEDOUT && seat->conn == conn) {
			arun_cancel(seat->task);
		}
	}
}

static int member(arun_conn *conn, void *arg) {
	struct seat *seats = arg;
	char line[1024], *text = line + sprintf(line, "%s: ", arun_peer(conn));
	ssize_t n, own = 0;
	for (; seats[own].conn; own++) {
	}
	seats[own] = (struct seat){conn, arun_self()};
	while (arun_idle(conn), (n = arun_read_until(conn, '\n', text, 900)) > 0) {
		for (int i = 0; i < SEATS; i++) {
			tell(&seats[i], conn, line, (size_t)(text + n - line));
		}
	}
	seats[own].conn = NULL;
	return (int)n;
}

static int chat(int argc, char **argv) {
	static struct seat seats[SEATS];
	const char *endpoint = argc > 1 ? argv[1] : "127.0.0.1:7778";
	arun_server *server = arun_listen_with(endpoint, member, seats,
		&(arun_listen_options){.max_connections = SEATS});
	if (!server) {
		return -1;
	}
	arun_yield();
	return arun_server_close(server);
}
ARUN_SERVER(chat, .about = "passes each line on to all the others")
