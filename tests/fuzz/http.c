/* SPDX-License-Identifier: MIT */
/*
 * Whatever a client sends to the example of a web server, it gets the same answers in whatever pieces
 * it sends it.
 */
#include "converse.h"

/* What takes its time to find the numbers of /count. */
static inline int at_once(double seconds) {
	(void)seconds;
	return 0;
}
#undef arun_sleep
#define arun_sleep(seconds) at_once(seconds)

#include "../../plugins/07-http.c"

static struct fuzz_script input;

static struct conversation talk_to(bool in_pieces) {
	struct conversation talk = {.handler = http,
		.bytes = input.next,
		.size = (size_t)(input.end - input.next),
		.in_pieces = in_pieces};
	conversation_hold(&talk);
	return talk;
}

static int body(int argc, char **argv) {
	static const char start[] = "HTTP/1.1 ";
	(void)argc, (void)argv;
	struct conversation whole = talk_to(false), pieces = talk_to(true);
	fuzz_check(!whole.length || (whole.length > strlen(start) &&
					    !memcmp(whole.answer, start, strlen(start))),
		"%.*s", (int)whole.length, whole.answer);
	conversation_compare(&whole, &pieces);
	free(whole.answer);
	free(pieces.answer);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	input = (struct fuzz_script){data, data + size};
	fuzz_run(body);
	return 0;
}
