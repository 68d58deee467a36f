/* SPDX-License-Identifier: MIT */
#include "options.h"

#include "nearest.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define SEE_HELP "(see arun --help)"
#define LEAKS_WORDS "off|warn|error"
#define GRACE_MIN 0.001
#define GRACE_MAX 1e6

enum { NAME_SIZE = OPTIONS_VARIABLE, WORKERS_MAX = 1000 };

/* Each takes a value; false: it is not one. */
typedef bool set_function(struct options *options, const char *value);

struct option {
	char letter; /* 0: none */
	const char *name;
	const char *argument; /* NULL: a flag */
	const char *about;    /* NULL: it goes to the last line of --help */
	bool environment;     /* $ARUN_NAME sets it too */
	bool list;            /* there, each of its words does */
	size_t flag;          /* of a flag: where it is in struct options */
	set_function *set;    /* of all others */
	const char *expected; /* likewise: what a bad value is not */
};

static bool read_flag(const char *value, bool *flag) {
	*flag = !strcmp(value, "1") || !strcmp(value, "yes");
	return *flag || !strcmp(value, "0") || !strcmp(value, "no");
}

static bool set_grace(struct options *options, const char *value) {
	char *end;
	double seconds = strtod(value, &end);
	/* strtod(3) takes hexadecimal digits, and white space, too. */
	if (end == value || *end || value[strspn(value, "0123456789.eE+-")]) {
		return false;
	}
	if (!isfinite(seconds) || seconds < 0 || seconds > GRACE_MAX) {
		return false;
	}
	/* To arun_run(), 0 would mean the default. */
	options->grace = seconds < GRACE_MIN ? GRACE_MIN : seconds;
	return true;
}

static bool set_report(struct options *options, const char *value) {
	options->report = value;
	return *value != '\0';
}

static bool set_suppress(struct options *options, const char *value) {
	options->suppress = value;
	return *value != '\0';
}

static int find_word(const char *const *words, const char *value) {
	for (int i = 0; words[i]; i++) {
		if (!strcmp(words[i], value)) {
			return i;
		}
	}
	return -1;
}

static bool set_leaks(struct options *options, const char *value) {
	static const char *const words[] = {[ARUN_LEAKS_WARN] = "warn",
		[ARUN_LEAKS_OFF] = "off",
		[ARUN_LEAKS_ERROR] = "error",
		NULL};
	int found = find_word(words, value);
	options->leaks = (enum arun_leaks)found;
	return found >= 0;
}

static bool set_log_level(struct options *options, const char *value) {
	static const char *const words[] = {
		"error", "warning", "notice", "info", "debug", NULL};
	int found = find_word(words, value);
	options->log_level = ARUN_ERROR + found;
	return found >= 0;
}

static bool set_log_format(struct options *options, const char *value) {
	static const char *const words[] = {"auto", "text", "json", "journal", NULL};
	int found = find_word(words, value);
	options->log_format = (enum arun_log_format)found;
	return found >= 0;
}

static bool set_listen(struct options *options, const char *value) {
	size_t count = 0;
	if (!*value) {
		return false;
	}
	while (options->listen && options->listen[count]) {
		count++;
	}
	const char **list =
		realloc(options->listen, (count + 2) * sizeof *options->listen);
	if (!list) {
		return false;
	}
	list[count] = value;
	list[count + 1] = NULL;
	options->listen = list;
	return true;
}

static bool set_workers(struct options *options, const char *value) {
	cpu_set_t set;
	char *end;
	long count = strtol(value, &end, 10);
	if (end == value || *end || !isdigit((unsigned char)*value) ||
		count > WORKERS_MAX) {
		return false;
	}
	if (count == 0) {
		count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
	}
	options->workers = (unsigned)count;
	return true;
}

static const struct option table[] = {
	{
		.letter = 'd',
		.name = "debug",
		.about = "check more; stacks and source lines in the reports",
		.environment = true,
		.flag = offsetof(struct options, debug),
	},
	{
		.letter = 't',
		.name = "check",
		.about = "load PLUGIN, print what it offers, and exit",
		.flag = offsetof(struct options, check),
	},
	{
		.letter = 'l',
		.name = "listen",
		.argument = "[NAME=]ADDR",
		.about = "open a socket for PLUGIN to serve (may be repeated)",
		.environment = true,
		.list = true,
		.set = set_listen,
		.expected = "the address of a socket",
	},
	{
		.letter = 'w',
		.name = "workers",
		.argument = "N",
		.about = "run N processes that share the sockets (0: one per CPU)",
		.environment = true,
		.set = set_workers,
		.expected = "a number of processes from 0 to 1000",
	},
	{
		.letter = 'r',
		.name = "reload",
		.about = "start PLUGIN again when its file changes",
		.environment = true,
		.flag = offsetof(struct options, reload),
	},
	{
		.letter = 'g',
		.name = "grace",
		.argument = "SECONDS",
		.about = "time to end cleanly after a signal (8)",
		.environment = true,
		.set = set_grace,
		.expected = "a number of seconds from 0 to 1000000",
	},
	{
		.name = "leaks",
		.argument = LEAKS_WORDS,
		.about = "what leaks do at the end (warn); error: exit status 23",
		.environment = true,
		.set = set_leaks,
		.expected = "one of " LEAKS_WORDS,
	},
	{
		.name = "report",
		.argument = "FILE",
		.about = "write the reports to FILE as JSON, one a line",
		.environment = true,
		.set = set_report,
		.expected = "the name of a file",
	},
	{
		.letter = 's',
		.name = "suppress",
		.argument = "FILE",
		.about = "objects to leave out of the reports",
		.environment = true,
		.set = set_suppress,
		.expected = "the name of a file",
	},
	{
		.name = "log-level",
		.argument = "LEVEL",
		.about = "error, warning, notice, info or debug (info)",
		.environment = true,
		.set = set_log_level,
		.expected = "one of error, warning, notice, info, debug",
	},
	{
		.name = "log-format",
		.argument = "FORMAT",
		.about = "auto, text, json or journal (auto)",
		.environment = true,
		.set = set_log_format,
		.expected = "one of auto, text, json, journal",
	},
	{.letter = 'h', .name = "help", .flag = offsetof(struct options, help)},
	{.letter = 'V', .name = "version", .flag = offsetof(struct options, version)},
};
enum { COUNT = sizeof table / sizeof table[0] };

struct parser {
	struct options *options;
	struct options_error *error;
	int argc;
	char **argv;
	int index;         /* of the next word */
	bool given[COUNT]; /* on the command line */
};

static int fail(struct parser *parser, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int fail(struct parser *parser, const char *format, ...) {
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(parser->error->text, sizeof parser->error->text, format, arguments);
	va_end(arguments);
	return -1;
}

/* source is "--name" or "$ARUN_NAME". */
static int set(struct parser *parser, const struct option *option, const char *source,
	const char *value) {
	struct options *options = parser->options;
	bool *flag = (bool *)((char *)options + option->flag);
	if (option->set ? option->set(options, value) : read_flag(value, flag)) {
		return 0;
	}
	return fail(parser, "%s: '%.200s' is not %s " SEE_HELP, source, value,
		option->set ? option->expected : "1, 0, yes or no");
}

static int set_given(
	struct parser *parser, const struct option *option, const char *value) {
	char source[NAME_SIZE];
	snprintf(source, sizeof source, "--%s", option->name);
	parser->given[option - table] = true;
	return set(parser, option, source, value);
}

/* An option that takes a value; attached is what stood in the same word, or NULL. */
static int set_argument(
	struct parser *parser, const struct option *option, const char *attached) {
	if (attached) {
		return set_given(parser, option, attached);
	}
	if (parser->index == parser->argc) {
		return fail(parser, "option '--%s' needs a value, --%s=%s " SEE_HELP,
			option->name, option->name, option->argument);
	}
	return set_given(parser, option, parser->argv[parser->index++]);
}

static const struct option *find_name(const char *name, size_t length) {
	for (const struct option *option = table; option < table + COUNT; option++) {
		if (strlen(option->name) == length &&
			!memcmp(option->name, name, length)) {
			return option;
		}
	}
	return NULL;
}

static const struct option *find_letter(char letter) {
	for (const struct option *option = table; option < table + COUNT; option++) {
		if (option->letter == letter) {
			return option;
		}
	}
	return NULL;
}

static int fail_unknown(struct parser *parser, const char *name, size_t length) {
	const struct option *meant = table;
	while (meant < table + COUNT && !nearest_means(name, length, meant->name)) {
		meant++;
	}
	bool known = meant < table + COUNT;
	return fail(parser, "unknown option '--%.*s'%s%s%s " SEE_HELP,
		length < 200 ? (int)length : 200, name, known ? "; did you mean --" : "",
		known ? meant->name : "", known ? "?" : "");
}

static int parse_long(struct parser *parser, const char *word) {
	const char *name = word + 2;
	size_t length = strcspn(name, "=");
	const char *value = name[length] ? name + length + 1 : NULL;
	const struct option *option = find_name(name, length);
	if (!option) {
		return fail_unknown(parser, name, length);
	}
	if (option->argument) {
		return set_argument(parser, option, value);
	}
	if (value) {
		return fail(
			parser, "option '--%s' takes no value " SEE_HELP, option->name);
	}
	return set_given(parser, option, "1");
}

/* "-dg5": flags, the last of which may take a value, in this word or the next. */
static int parse_letters(struct parser *parser, const char *word) {
	for (const char *p = word + 1; *p; p++) {
		const struct option *option = find_letter(*p);
		if (!option) {
			return fail(parser, "unknown option '-%c' " SEE_HELP, *p);
		}
		if (option->argument) {
			return set_argument(parser, option, p[1] ? p + 1 : NULL);
		}
		if (set_given(parser, option, "1") < 0) {
			return -1;
		}
	}
	return 0;
}

static bool at_end(const struct parser *parser) {
	return parser->options->help || parser->options->version;
}

static int parse_words(struct parser *parser) {
	while (parser->index < parser->argc && !at_end(parser)) {
		const char *word = parser->argv[parser->index];
		if (word[0] != '-' || !word[1]) {
			return 0;
		}
		parser->index++;
		if (!strcmp(word, "--")) {
			return 0;
		}
		int result = word[1] == '-' ? parse_long(parser, word)
					    : parse_letters(parser, word);
		if (result < 0) {
			return -1;
		}
	}
	return 0;
}

/* "$ARUN_SOME_NAME" of "some-name"; the variable is what follows the '$'. At each start, and
 * stdio would be half of its time. */
static void format_variable(char *out, size_t size, const char *name) {
	char *end = out + size - 1;
	out = stpcpy(out, "$ARUN_");
	for (; *name && out < end; name++) {
		*out++ = *name == '-' ? '_' : (char)(*name - 'a' + 'A');
	}
	*out = '\0';
}

bool options_variable(unsigned index, char name[OPTIONS_VARIABLE]) {
	char source[NAME_SIZE];
	for (const struct option *option = table; option < table + COUNT; option++) {
		if (option->environment && index-- == 0) {
			format_variable(source, sizeof source, option->name);
			strcpy(name, source + 1);
			return true;
		}
	}
	strcpy(name, "ARUN_PATH");
	return index == 0;
}

/* The words are kept: they are what is set. */
static int set_words(struct parser *parser, const struct option *option,
	const char *source, const char *value) {
	char *rest = strdup(value);
	if (!rest) {
		return fail(parser, "%s: %s", source, strerror(ENOMEM));
	}
	for (char *word; (word = strtok_r(rest, " \t\n\v\f\r", &rest)) != NULL;) {
		if (set(parser, option, source, word) < 0) {
			return -1;
		}
	}
	return 0;
}

static int parse_environment(struct parser *parser) {
	for (const struct option *option = table; option < table + COUNT; option++) {
		if (!option->environment || parser->given[option - table]) {
			continue;
		}
		char source[NAME_SIZE];
		format_variable(source, sizeof source, option->name);
		const char *value = getenv(source + 1);
		if (!value || !*value) {
			continue;
		}
		if ((option->list ? set_words : set)(parser, option, source, value) < 0) {
			return -1;
		}
	}
	return 0;
}

/* The environment comes after the words, and for what these have not said. */
static void note_sources(struct options *options) {
	options->report_source = options->report ? "--report" : "$ARUN_REPORT";
	options->suppress_source = options->suppress ? "--suppress" : "$ARUN_SUPPRESS";
	options->listen_source = options->listen ? "--listen" : "$ARUN_LISTEN";
}

int options_parse(
	struct options *options, int argc, char **argv, struct options_error *error) {
	struct parser parser = {.options = options,
		.error = error,
		.argc = argc,
		.argv = argv,
		.index = 1};
	*options = (struct options){.leaks = ARUN_LEAKS_WARN};
	if (argc < 1) {
		return argc;
	}
	if (parse_words(&parser) < 0) {
		return -1;
	}
	note_sources(options);
	if (!at_end(&parser) && parse_environment(&parser) < 0) {
		return -1;
	}
	return parser.index;
}

static void print_option(FILE *out, const struct option *option) {
	char text[NAME_SIZE];
	char letter[] = {'-', option->letter, ',', '\0'};
	snprintf(text, sizeof text, "  %3s --%s%s%s", option->letter ? letter : "",
		option->name, option->argument ? "=" : "",
		option->argument ? option->argument : "");
	fprintf(out, "%-28s %s\n", text, option->about);
}

void options_print_help(FILE *out) {
	const char *gap = "  ";
	fputs("Usage: arun [OPTION]... PLUGIN[:ENTRY] [ARG]...\n", out);
	fputs("       arun ps|tree [-j] PID\n", out);
	for (const struct option *option = table; option < table + COUNT; option++) {
		if (option->about) {
			print_option(out, option);
			continue;
		}
		fprintf(out, "%s-%c, --%s", gap, option->letter, option->name);
		gap = "    ";
	}
	putc('\n', out);
}
