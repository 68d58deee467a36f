/* SPDX-License-Identifier: MIT */
/*
 * Any file is rules, or one line that says which of its lines is none; matching agrees with
 * fnmatch(3). The last line of the input is what the rules are tried on.
 */
#include "fuzz.h"

#include "../../runtime/suppress.h"
#include "clean.h"

#include <errno.h>
#include <fnmatch.h>
#include <sys/mman.h>
#include <unistd.h>

enum { WORDS_SIZE = 1 << 16, LINE_MOST = 8192 };

/* A file of those bytes; its name is in path. Returns its descriptor. */
static int make_file(const uint8_t *data, size_t size, char path[64]) {
	int fd = memfd_create("suppress", MFD_CLOEXEC);
	fuzz_check(fd >= 0 && write(fd, data, size) == (ssize_t)size, "no file");
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

/* The line of the file that words, "PATH:LINE: what is wrong", name. */
static void check_words(
	const char *words, const char *path, const uint8_t *data, size_t size) {
	unsigned long number = 0, last = 1;
	char text[1024] = "";
	fuzz_check(clean_text(words), "%s", words);
	fuzz_check(!strncmp(words, path, strlen(path)) &&
			   sscanf(words + strlen(path), ":%lu: %1023[^\n]", &number,
				   text) == 2,
		"%s", words);
	for (size_t i = 0; i + 1 < size; i++) {
		last += data[i] == '\n';
	}
	fuzz_check(number >= 1 && number <= last, "%s, of %lu lines", words, last);
	/* A zero byte is not a matter of length. */
	fuzz_check(strcmp(text, "a line that is too long") != 0 || size >= LINE_MOST - 1,
		"%s, of %zu bytes", words, size);
}

/* Whether fnmatch(3) means the same by pattern: it has classes, and escapes inside of brackets. */
static bool is_plain(const char *pattern) {
	size_t length = strlen(pattern);
	bool brackets = strchr(pattern, '[');
	return clean_text(pattern) && !(brackets && strpbrk(pattern, "\\:.=/")) &&
	       !(length && pattern[length - 1] == '\\');
}

static void check_rules(struct suppress *suppress, const char *name) {
	static const struct arun_site site = {"pool.c", "open_pool", 12};
	for (size_t i = 0; i < suppress->count; i++) {
		const char *pattern = suppress->rules[i].pattern;
		fuzz_check(pattern && suppress->rules[i].kind, "rule %zu", i);
		if (is_plain(pattern) && clean_text(name)) {
			bool wanted = fnmatch(pattern, name, 0) == 0;
			fuzz_check(suppress_fits(pattern, name) == wanted, "'%s' on '%s'",
				pattern, name);
		}
		fuzz_check(!strcmp(pattern, "*") || !suppress_fits("x*", "y"), "a star");
	}
	for (int pass = 0; pass < 2; pass++) {
		const struct arun_site *where = pass ? &site : NULL;
		if (suppress_matches(suppress, "task", name, where)) {
			unsigned long used = 0;
			for (size_t i = 0; i < suppress->count; i++) {
				used += suppress->rules[i].used;
			}
			fuzz_check(used > 0, "no rule has matched");
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct suppress suppress;
	struct text words;
	static char buffer[WORDS_SIZE];
	char path[64], *name;
	size_t end = size;
	while (end > 0 && data[end - 1] != '\n') {
		end--;
	}
	name = fuzz_string(data + end, size - end);
	int fd = make_file(data, end, path);
	text_fixed(&words, buffer, sizeof buffer);
	if (suppress_load(&suppress, path, &words) == 0) {
		fuzz_check(!words.length, "%s", buffer);
		check_rules(&suppress, name);
	} else {
		fuzz_check(errno == EINVAL && !suppress.count, "%s", strerror(errno));
		check_words(buffer, path, data, end);
	}
	suppress_finish(&suppress);
	close(fd);
	free(name);
	return 0;
}
