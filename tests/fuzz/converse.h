/* SPDX-License-Identifier: MIT */
/* converse - what a handler of connections answers to a client that sends the input. */
#ifndef CONVERSE_H
#define CONVERSE_H

#include "run.h"

#include <sys/socket.h>

enum { ANSWER_MOST = 1 << 24, PIECE_MOST = 7 };

struct conversation {
	arun_handler *handler;
	void *arg;
	const uint8_t *bytes;
	size_t size;
	bool in_pieces;
	arun_conn *client, *served;
	char *answer; /* of room bytes; to be freed */
	size_t length, room;
};

/* Tasks' bodies. */
static inline int conversation_serve(void *arg) {
	struct conversation *talk = arg;
	talk->handler(talk->served, talk->arg);
	return arun_close(talk->served);
}

/* Who has said enough need not hear the rest. */
static inline int conversation_send(void *arg) {
	const struct conversation *talk = arg;
	int result = 0;
	for (size_t sent = 0; result == 0 && sent < talk->size;) {
		size_t piece =
			talk->in_pieces ? 1 + talk->size * sent % PIECE_MOST : talk->size;
		piece = piece < talk->size - sent ? piece : talk->size - sent;
		result = arun_write(talk->client, talk->bytes + sent, piece);
		sent += piece;
		result = result == 0 && talk->in_pieces ? arun_sleep(1e-6) : result;
	}
	arun_shutdown(talk->client);
	return 0;
}

static inline void conversation_hear(struct conversation *talk) {
	ssize_t n;
	do {
		if (talk->length == talk->room) {
			talk->room = talk->room ? talk->room * 2 : 4096;
			talk->answer = realloc(talk->answer, talk->room);
			fuzz_check(talk->answer && talk->room <= ANSWER_MOST,
				"an answer of %zu", talk->length);
		}
		n = arun_read(talk->client, talk->answer + talk->length,
			talk->room - talk->length);
		talk->length += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	fuzz_check(n == 0, "%s", arun_why());
}

/* Sends the bytes, in one piece or in many, and ends its side; gathers the answer. */
static inline void conversation_hold(struct conversation *talk) {
	int fds[2];
	fuzz_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0,
		"no socket");
	talk->client = arun_open_fd(fds[0]);
	talk->served = arun_open_fd(fds[1]);
	fuzz_check(talk->client && talk->served, "%s", arun_why());
	arun_task *serves = arun_spawn(conversation_serve, talk);
	arun_task *sends = arun_spawn(conversation_send, talk);
	fuzz_check(serves && sends, "%s", arun_why());
	conversation_hear(talk);
	fuzz_check(arun_join(sends, NULL) == 0 && arun_join(serves, NULL) == 0, "%s",
		arun_why());
	arun_close(talk->client);
}

/* The answer is the same, however the bytes come. */
static inline void conversation_compare(
	const struct conversation *whole, const struct conversation *pieces) {
	size_t same = 0;
	while (same < whole->length && same < pieces->length &&
		whole->answer[same] == pieces->answer[same]) {
		same++;
	}
	fuzz_check(same == whole->length && same == pieces->length,
		"%zu bytes and %zu, the same up to %zu", whole->length, pieces->length,
		same);
}

#endif
