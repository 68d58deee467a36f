/* SPDX-License-Identifier: MIT */
/*
 * Any string can be printed by each of those who print strings from outside, and comes back from
 * their JSON as it was, if it was UTF-8.
 */
#include "fuzz.h"

#include "../../cli/escape.h"
#include "../../cli/say.h"
#include "../../loader/error.h"
#include "../../runtime/text.h"
#include "clean.h"

/* What printing string to a FILE writes; to be freed. */
static char *written(void (*print)(FILE *, const char *), const char *string) {
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	fuzz_check(out, "no memory");
	print(out, string);
	fclose(out);
	return text;
}

static void check_json(const char *json, const char *string) {
	char *decoded = malloc(strlen(json) + 1);
	fuzz_check(decoded && clean_json(json, decoded), "%s", json);
	fuzz_check(!clean_utf8(string) || !strcmp(decoded, string), "%s", json);
	free(decoded);
}

static void check_text(const char *text, const char *string) {
	fuzz_check(clean_text(text), "%s", text);
	fuzz_check(
		!clean_text(string) || !strcmp(text, string), "%s of %s", text, string);
}

static void check_runtime(const char *string) {
	struct text text;
	text_init(&text);
	text_escape(&text, string);
	check_text(text.data, string);
	text_cut(&text, text.length);
	text_json(&text, string);
	check_json(text.data, string);
	text_finish(&text);
}

/* In too little room it is cut, and ends. */
static void check_room(const char *string, size_t size) {
	struct text text;
	char *room = malloc(size);
	fuzz_check(room, "no memory");
	text_fixed(&text, room, size);
	text_escape(&text, string);
	text_json(&text, string);
	fuzz_check(text.length < size && strlen(room) == text.length, "%zu of %zu",
		text.length, size);
	free(room);
}

static void check_cli(const char *string) {
	char *json = written(escape_json, string), *said = written(say_escaped, string);
	struct line line = {.length = 0};
	check_json(json, string);
	fuzz_check(clean_text(said), "%s", said);
	free(json);
	free(said);
	for (int i = 0; i < 6; i++) {
		line_string(&line, string);
	}
	fuzz_check(line.length < sizeof line.text && strlen(line.text) == line.length,
		"%zu bytes", line.length);
	fuzz_check(strlen(string) > ESCAPE_STRING / 8 || clean_text(line.text), "%s",
		line.text);
}

static void check_loader(const char *string) {
	struct loader_error error;
	error_set(&error, 126, string, ": %s", string);
	fuzz_check(error.status == 126 && clean_text(error.text), "%s", error.text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	char *string = fuzz_string(data, size);
	check_runtime(string);
	check_room(string, 1 + size % 64);
	check_cli(string);
	check_loader(string);
	free(string);
	return 0;
}
