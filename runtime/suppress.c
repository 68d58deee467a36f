/* SPDX-License-Identifier: MIT */
#include "suppress.h"

#include "base.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUPPRESS_LINE = 8192 };

/* What is tried of a pattern after its last "*", where the string goes on. */
struct retry {
	const char *pattern, *string;
};

/* Whether byte is in the set that begins after '['; *end is what follows it, NULL: it has no ']'. */
static bool set_has(const char *set, char byte, const char **end) {
	bool inverted = *set == '!' || *set == '^', found = false;
	const char *at = set + inverted, *first = at;
	while (*at && (*at != ']' || at == first)) {
		bool range = at[1] == '-' && at[2] && at[2] != ']';
		found = found || (range ? byte >= *at && byte <= at[2] : byte == *at);
		at += range ? 3 : 1;
	}
	*end = *at ? at + 1 : NULL;
	return found != inverted;
}

/* Whether one byte fits the beginning of pattern; *rest is what follows that. */
static bool one_fits(const char *pattern, char byte, const char **rest) {
	*rest = pattern + 1;
	if (*pattern == '?') {
		return true;
	}
	if (*pattern == '\\' && pattern[1]) {
		*rest = pattern + 2;
		return pattern[1] == byte;
	}
	if (*pattern == '[') {
		const char *end;
		bool found = set_has(pattern + 1, byte, &end);
		if (end) {
			*rest = end;
			return found;
		}
	}
	return *pattern == byte;
}

bool suppress_fits(const char *pattern, const char *string) {
	struct retry retry = {NULL, NULL};
	while (*string) {
		const char *rest;
		if (*pattern == '*') {
			retry = (struct retry){++pattern, string};
		} else if (*pattern && one_fits(pattern, *string, &rest)) {
			pattern = rest;
			string++;
		} else if (retry.pattern) {
			/* The last star takes one byte more; no other needs to. */
			pattern = retry.pattern;
			string = ++retry.string;
		} else {
			return false;
		}
	}
	while (*pattern == '*') {
		pattern++;
	}
	return !*pattern;
}

static bool site_fits(const char *pattern, const struct arun_site *site) {
	char place[512];
	struct text text;
	text_fixed(&text, place, sizeof place);
	text_add(&text, "%s:%d", site->file, site->line);
	return suppress_fits(pattern, place) || suppress_fits(pattern, site->function);
}

bool suppress_matches(struct suppress *suppress, const char *kind, const char *name,
	const struct arun_site *site) {
	for (size_t i = 0; i < suppress->count; i++) {
		struct suppress_rule *rule = &suppress->rules[i];
		bool fits = suppress_fits(rule->kind, kind) &&
			    (suppress_fits(rule->pattern, name ? name : "") ||
				    (site && site_fits(rule->pattern, site)));
		if (fits) {
			rule->used++;
			return true;
		}
	}
	return false;
}

/* Without white space at either end, and without a comment. */
static char *trimmed(char *line) {
	line += strspn(line, " \t");
	size_t length = *line == '#' ? 0 : strcspn(line, "\r\n");
	while (length && (line[length - 1] == ' ' || line[length - 1] == '\t')) {
		length--;
	}
	line[length] = '\0';
	return line;
}

/* Whether there are objects of that kind, as kind::word has them; a pattern fits some at least. */
static bool kind_is_known(const char *pattern) {
	static const char *const words[] = {"task", "server", "connection", "generator",
		"timer", "process", "fd", "lock", "channel", "signals", "job", "datagram",
		"watcher", "tls", "group", "post", "child", "failed"};
	/* One more than the registry has: raw descriptors. */
	_Static_assert(count_of(words) == KIND_COUNT + 1, "a word for each kind");
	for (size_t i = 0; i < count_of(words); i++) {
		if (suppress_fits(pattern, words[i])) {
			return true;
		}
	}
	return false;
}

/* Says what is wrong with a line: quoted, escaped, between two others. Returns -1, EINVAL. */
static int line_refused(const struct suppress *suppress, int number, struct text *words,
	const char *before, const char *quoted, const char *after) {
	text_escape(words, suppress->path);
	text_add(words, ":%d: %s", number, before);
	text_escape(words, quoted);
	text_add(words, "%s", after);
	errno = EINVAL;
	return -1;
}

/* Says that it is errno which is wrong. Returns -1, and keeps that. */
static int file_failed(const struct suppress *suppress, struct text *words) {
	int error = errno;
	text_escape(words, suppress->path);
	text_add(words, ": ");
	text_error(words, error);
	errno = error;
	return -1;
}

/* Returns 0; -1 as suppress_load(). */
static int rule_add(
	struct suppress *suppress, char *line, int number, struct text *words) {
	char *colon = strchr(line, ':');
	if (!colon || colon == line || !colon[1]) {
		return line_refused(
			suppress, number, words, "\"", line, "\" is not KIND:PATTERN");
	}
	*colon = '\0';
	if (!kind_is_known(line)) {
		return line_refused(suppress, number, words, "there is no kind \"", line,
			"\" (see arun-report(5))");
	}
	struct suppress_rule *rules =
		realloc(suppress->rules, (suppress->count + 1) * sizeof *rules);
	if (!rules) {
		return file_failed(suppress, words);
	}
	suppress->rules = rules;
	struct suppress_rule *rule = &rules[suppress->count++];
	*rule = (struct suppress_rule){
		.kind = strdup(line), .pattern = strdup(colon + 1), .line = number};
	return rule->kind && rule->pattern ? 0 : file_failed(suppress, words);
}

/* What is wrong with what fgets(3) took for a line; NULL: nothing. A device never ends one. */
static const char *line_fault(const char *line, FILE *file) {
	size_t length = strlen(line);
	if (length && line[length - 1] == '\n') {
		return NULL;
	}
	if (length == SUPPRESS_LINE - 1) {
		return "a line that is too long";
	}
	return length && feof(file) ? NULL : "a zero byte: this is no text";
}

static int suppress_read(struct suppress *suppress, FILE *file, struct text *words) {
	char line[SUPPRESS_LINE];
	for (int number = 1; fgets(line, sizeof line, file); number++) {
		const char *fault = line_fault(line, file);
		if (fault) {
			return line_refused(suppress, number, words, fault, "", "");
		}
		char *rule = trimmed(line);
		if (*rule && rule_add(suppress, rule, number, words) < 0) {
			return -1;
		}
	}
	return ferror(file) ? file_failed(suppress, words) : 0;
}

int suppress_load(struct suppress *suppress, const char *path, struct text *words) {
	*suppress = (struct suppress){.path = path};
	if (!path) {
		return 0;
	}
	FILE *file = fopen(path, "re");
	if (!file) {
		return file_failed(suppress, words);
	}
	int result = suppress_read(suppress, file, words), error = errno;
	fclose(file);
	if (result < 0) {
		suppress_finish(suppress);
	}
	errno = error;
	return result;
}

void suppress_finish(struct suppress *suppress) {
	for (size_t i = 0; i < suppress->count; i++) {
		free(suppress->rules[i].kind);
		free(suppress->rules[i].pattern);
	}
	free(suppress->rules);
	suppress->rules = NULL;
	suppress->count = 0;
}
