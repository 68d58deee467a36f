/* SPDX-License-Identifier: MIT */
/*
 * Whatever a client sends to the example of a Redis, it gets whole answers, and the same ones in
 * whatever pieces it sends it.
 */
#include "converse.h"

#include "../../plugins/08-resp.c"

static struct fuzz_script input;

/* A line without its end, up to most bytes of it. Moves *at past it. */
static bool past_line(const char **at, const char *end) {
	const char *line = *at, *feed = memchr(line, '\n', (size_t)(end - line));
	*at = feed ? feed + 1 : end;
	return feed && feed > line && feed[-1] == '\r' &&
	       memchr(line, '\r', (size_t)(feed - line)) == feed - 1;
}

/* Moves *at past one answer, of those that this one gives. */
static bool past_answer(const char **at, const char *end) {
	const char *start = *at;
	long number = *start == '$' || *start == '*' ? strtol(start + 1, NULL, 10) : 0;
	if (!strchr("+-:$*", *start) || !past_line(at, end)) {
		return false;
	}
	if (*start == '*') {
		bool whole = number == 0 || number == 2;
		while (whole && number--) {
			whole = past_answer(at, end);
		}
		return whole;
	}
	if (*start == '$' && number >= 0) {
		bool whole =
			end - *at >= number + 2 && memcmp(*at + number, "\r\n", 2) == 0;
		*at = whole ? *at + number + 2 : end;
		return whole;
	}
	return true;
}

static struct conversation talk_to(bool in_pieces) {
	struct table table = {.seed = 0x5eed};
	struct conversation talk = {.handler = resp,
		.arg = &table,
		.bytes = input.next,
		.size = (size_t)(input.end - input.next),
		.in_pieces = in_pieces};
	fuzz_check(table_grow(&table) == 0, "no memory");
	conversation_hold(&talk);
	table_finish(&table);
	return talk;
}

static int body(int argc, char **argv) {
	(void)argc, (void)argv;
	struct conversation whole = talk_to(false), pieces = talk_to(true);
	const char *end = whole.answer + whole.length;
	for (const char *at = whole.answer; at < end;) {
		const char *start = at;
		fuzz_check(past_answer(&at, end), "at %zu: %.*s",
			(size_t)(start - whole.answer), (int)(end - start), start);
	}
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
