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

/* Returns 0; -1 with errno, EINVAL: line is no rule, EDOM: it is one of no kind. */
static int rule_add(struct suppress *suppress, const char *line, int number) {
	const char *colon = strchr(line, ':');
	if (!colon || colon == line || !colon[1]) {
		errno = EINVAL;
		return -1;
	}
	struct suppress_rule *rules =
		realloc(suppress->rules, (suppress->count + 1) * sizeof *rules);
	if (!rules) {
		return -1;
	}
	suppress->rules = rules;
	struct suppress_rule *rule = &rules[suppress->count];
	*rule = (struct suppress_rule){.kind = strndup(line, (size_t)(colon - line)),
		.pattern = strdup(colon + 1),
		.line = number};
	suppress->count++;
	if (rule->kind && rule->pattern && !kind_is_known(rule->kind)) {
		errno = EDOM;
		return -1;
	}
	return rule->kind && rule->pattern ? 0 : -1;
}

/* What is wrong with a line that rule_add() has refused. */
static void rule_refused(
	struct suppress *suppress, const char *line, int number, struct text *words) {
	int error = errno;
	text_escape(words, suppress->path);
	text_add(words, ":%d: ", number);
	if (error == EDOM) {
		text_add(words, "there is no kind \"");
		text_escape(words, suppress->rules[suppress->count - 1].kind);
		text_add(words, "\" (see arun-report(5))");
	} else if (error == EINVAL) {
		text_add(words, "\"");
		text_escape(words, line);
		text_add(words, "\" is not KIND:PATTERN");
	} else {
		text_error(words, error);
	}
	errno = error == EDOM ? EINVAL : error;
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
	int result = 0;
	for (int number = 1; result == 0 && fgets(line, sizeof line, file); number++) {
		const char *fault = line_fault(line, file);
		if (fault) {
			text_escape(words, suppress->path);
			text_add(words, ":%d: %s", number, fault);
			errno = EINVAL;
			return -1;
		}
		const char *rule = trimmed(line);
		if (*rule && rule_add(suppress, rule, number) < 0) {
			result = -1;
			rule_refused(suppress, rule, number, words);
		}
	}
	if (result == 0 && ferror(file)) {
		text_escape(words, suppress->path);
		text_add(words, ": ");
		text_error(words, errno);
		result = -1;
	}
	return result;
}

int suppress_load(struct suppress *suppress, const char *path, struct text *words) {
	*suppress = (struct suppress){.path = path};
	if (!path) {
		return 0;
	}
	FILE *file = fopen(path, "re");
	if (!file) {
		text_escape(words, path);
		text_add(words, ": ");
		text_error(words, errno);
		return -1;
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
