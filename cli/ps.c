/* SPDX-License-Identifier: MIT */
#include "ps.h"

#include "ending.h"
#include "family.h"
#include "picture.h"
#include "print.h"
#include "ready.h"
#include "say.h"

#include "../runtime/libdw.h"

#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

struct request {
	const char *command;
	const char *word; /* PID, or a file */
	bool json, html, ready;
};

bool ps_is_command(const char *word) {
	return !strcmp(word, "ps") || !strcmp(word, "tree");
}

static const char HELP[] =
	"Usage: arun ps [-j|--ready] PID\n"
	"       arun tree [-j|--html] PID\n"
	"       arun tree --html REPORT.json\n"
	"  -j, --json   print a report of kind dump as JSON\n"
	"      --html   print a page for a browser\n"
	"      --ready  print no list; the exit status tells whether it does its work\n"
	"  -h, --help   print this and exit\n";

#define SEE_HELP " (see arun %s --help)"

static _Noreturn void refuse(const struct request *request, const char *words) {
	say("%s: %s" SEE_HELP, request->command, words, request->command);
	ending_exit(STATUS_FAILED);
}

static void take_option(struct request *request, const char *word) {
	if (!strcmp(word, "-j") || !strcmp(word, "--json")) {
		request->json = true;
	} else if (!strcmp(word, "--html") && !strcmp(request->command, "tree")) {
		request->html = true;
	} else if (!strcmp(word, "--ready") && !strcmp(request->command, "ps")) {
		request->ready = true;
	} else if (!strcmp(word, "-h") || !strcmp(word, "--help")) {
		fputs(HELP, stdout);
		ending_exit(0);
	} else {
		say("%s: unknown option '%s'" SEE_HELP, request->command, word,
			request->command);
		ending_exit(STATUS_FAILED);
	}
}

static void parse(struct request *request, int argc, char **argv) {
	bool options = true;
	request->command = argv[0];
	for (int i = 1; i < argc; i++) {
		if (options && !strcmp(argv[i], "--")) {
			options = false;
		} else if (options && argv[i][0] == '-' && argv[i][1]) {
			take_option(request, argv[i]);
		} else if (request->word) {
			refuse(request, "one PID at a time");
		} else {
			request->word = argv[i];
		}
	}
	if (!request->word) {
		refuse(request, "no PID given");
	}
	if (request->json && (request->html || request->ready)) {
		refuse(request, request->html ? "either --json or --html"
					      : "either --json or --ready");
	}
}

/* 0: it is no number of a process. */
static pid_t read_pid(const char *word) {
	char *end;
	errno = 0;
	long pid = strtol(word, &end, 10);
	bool number = *word >= '0' && *word <= '9' && !*end && !errno;
	return number && pid > 0 && pid <= INT_MAX ? (pid_t)pid : 0;
}

static void print_dump(const struct request *request, const struct dump *dump) {
	if (request->html) {
		picture_print(stdout, dump);
	} else if (request->json) {
		print_json(stdout, dump);
	} else if (!strcmp(request->command, "tree")) {
		print_tree(stdout, dump);
	} else {
		print_tasks(stdout, dump);
	}
}

static int show_process(const struct request *request, pid_t pid) {
	struct remote remote;
	struct dump dump = {.count = 0};
	int status = EXIT_FAILURE;
	if (remote_open(&remote, pid) < 0 || dump_read(&dump, &remote) < 0) {
		say("%d: %s", (int)pid, remote.error);
	} else {
		print_dump(request, &dump);
		status = dump.incomplete ? EXIT_FAILURE : 0;
		if (dump.incomplete) {
			say("%d: changing while read: not all that it has is listed",
				(int)pid);
		}
	}
	dump_finish(&dump);
	remote_close(&remote);
	return status;
}

/* Shows the workers of a process, -1: it has none. */
static int show_workers(const struct request *request, pid_t parent) {
	struct family family;
	pid_t pid;
	int status = -1;
	family_open(&family, parent);
	while ((pid = family_next(&family))) {
		if (status >= 0 && !request->json) {
			putchar('\n');
		}
		int shown = show_process(request, pid);
		status = shown > status ? shown : status;
	}
	family_close(&family);
	return status;
}

/* A process whose workers do the work is shown by them. */
static int show(const struct request *request, pid_t pid) {
	int status =
		request->html || family_is_of(pid, pid) ? -1 : show_workers(request, pid);
	return status < 0 ? show_process(request, pid) : status;
}

struct showing {
	const struct request *request;
	pid_t pid;
	int status;
};

static void *show_main(void *argument) {
	struct showing *showing = argument;
	ending_by_pipe(); /* of a thread that begins with all signals blocked */
	showing->status = show(showing->request, showing->pid);
	return NULL;
}

/* Also where main() has a small stack. */
static int show_on_thread(const struct request *request, pid_t pid) {
	struct showing showing = {request, pid, EXIT_FAILURE};
	return libdw_call(show_main, &showing) ? show(request, pid) : showing.status;
}

static int show_report(const char *path) {
	FILE *file = fopen(path, "re");
	if (!file) {
		say("%s: %s", path, strerror(errno));
		return EXIT_FAILURE;
	}
	int status = picture_of_report(stdout, file);
	if (status < 0) {
		say("%s: not a report of arun", path);
	}
	fclose(file);
	return status < 0 ? EXIT_FAILURE : 0;
}

void ps_main(int argc, char **argv) {
	struct request request = {.word = NULL};
	/* `arun ps PID | head` ends without a word, as its like do. */
	ending_by_pipe();
	parse(&request, argc, argv);
	setlocale(LC_CTYPE, "");
	pid_t pid = read_pid(request.word);
	if (pid) {
		ending_exit(
			request.ready ? ready_ask(pid) : show_on_thread(&request, pid));
	}
	if (request.html) {
		ending_exit(show_report(request.word));
	}
	say("%s: '%s' is not the number of a process" SEE_HELP, request.command,
		request.word, request.command);
	ending_exit(STATUS_FAILED);
}
