/* SPDX-License-Identifier: MIT */
/*
 * Any words, and any $ARUN_..., are options or one line that says what is wrong. A line of the input
 * is a word; one that begins with "$" sets a variable: "$ARUN_LEAKS=off".
 */
#include "fuzz.h"

#include "../../cli/options.h"
#include "../../cli/say.h"
#include "clean.h"

#include <arun.h>

#include <sched.h>
#include <unistd.h>

enum { WORDS_MOST = 64 };

extern char **environ;

/* The words of a list in the environment are kept to the end: once in a process. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
	return "detect_leaks=0";
}

/* Cuts text into words, and sets its variables. Returns how many words there are. */
static int cut(char *text, char **argv) {
	static char none[] = "arun";
	int argc = 1;
	argv[0] = none;
	for (char *line; (line = strsep(&text, "\n")) && argc < WORDS_MOST;) {
		char *equals = strchr(line, '=');
		if (!strncmp(line, "$ARUN_", 6) && equals) {
			*equals = '\0';
			setenv(line + 1, equals + 1, 1);
		} else {
			argv[argc++] = line;
		}
	}
	argv[argc] = NULL;
	return argc;
}

static void check_error(const char *text) {
	char *said = NULL;
	size_t size;
	FILE *out = open_memstream(&said, &size);
	fuzz_check(out, "no memory");
	say_escaped(out, text);
	fclose(out);
	fuzz_check(*said && clean_text(said), "%s", said);
	free(said);
}

static void check_values(const struct options *options) {
	fuzz_check(options->workers <= (CPU_SETSIZE > 1000 ? CPU_SETSIZE : 1000),
		"%u workers", options->workers);
	fuzz_check(options->grace >= 0 && options->grace <= 1e6 &&
			   !(options->grace > 0 && options->grace < 0.001),
		"%g s", options->grace);
	fuzz_check(options->leaks <= ARUN_LEAKS_ERROR, "%d", (int)options->leaks);
	fuzz_check(
		options->log_format <= ARUN_LOG_JOURNAL, "%d", (int)options->log_format);
	fuzz_check(!options->log_level || (options->log_level >= ARUN_ERROR &&
						  options->log_level <= ARUN_DEBUG),
		"%d", options->log_level);
	fuzz_check(!options->report || *options->report, "an empty name");
	fuzz_check(!options->suppress || *options->suppress, "an empty name");
	for (size_t i = 0; options->listen && options->listen[i]; i++) {
		fuzz_check(*options->listen[i], "an empty address");
	}
}

static bool same(const char *a, const char *b) {
	return a && b ? !strcmp(a, b) : a == b;
}

/* What follows PLUGIN is the plugin's. */
static void check_rest(const struct options *options, int index, char **argv) {
	struct options again;
	struct options_error error;
	argv[index] = NULL;
	fuzz_check(options_parse(&again, index, argv, &error) == index, "%s", error.text);
	fuzz_check(again.help == options->help && again.version == options->version &&
			   again.debug == options->debug &&
			   again.workers == options->workers &&
			   again.leaks == options->leaks &&
			   again.log_level == options->log_level &&
			   same(again.report, options->report) &&
			   same(again.suppress, options->suppress),
		"before %d", index);
	free(again.listen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct options options;
	struct options_error error = {.text = ""};
	char *argv[WORDS_MOST + 1], **before = environ, *none = NULL;
	char *text = fuzz_string(data, size);
	environ = &none;
	int argc = cut(text, argv);
	int index = options_parse(&options, argc, argv, &error);
	if (index < 0) {
		check_error(error.text);
	} else {
		fuzz_check(index >= 1 && index <= argc, "%d of %d", index, argc);
		check_values(&options);
		check_rest(&options, index, argv);
	}
	free(options.listen);
	clearenv();
	environ = before;
	free(text);
	return 0;
}
