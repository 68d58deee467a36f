/* SPDX-License-Identifier: MIT */
/*
 * main - from the command line to arun_run() and back: a client of arun.h and loader.h
 * alone. It decides the exit status.
 */
#include "early.h"
#include "ending.h"
#include "family.h"
#include "keeper.h"
#include "loader.h"
#include "manager.h"
#include "misspelt.h"
#include "options.h"
#include "ps.h"
#include "report_file.h"
#include "say.h"
#include "workers.h"

#include <arun.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

enum { GRACE_DEFAULT = 8 };

/* What the steps of main() hand on. */
struct launch {
	struct options options;
	struct loader_name name;
	struct loader_plugin plugin;
	const struct arun_entry *entry;
	int argc; /* of the entry; argv[0] is PLUGIN as typed */
	char **argv;
	char *word;                 /* argv[0], where it is a copy */
	int report_fd;              /* 0: none */
	struct workers_start start; /* of a worker; else all 0 */
};

/* Descriptors 0 to 2 found closed would be the first ones that something else gets. */
static void open_standard_streams(void) {
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		bool closed = fcntl(fd, F_GETFD) < 0 && errno == EBADF;
		if (closed && open("/dev/null", O_RDWR) != fd) {
			say("descriptor %d is closed, and /dev/null: %s", fd,
				strerror(errno));
			ending_exit(STATUS_FAILED);
		}
	}
}

/* Whoever starts a set-uid arun would choose the code that runs with its privileges. */
static void refuse_privileges(void) {
	if (getauxval(AT_SECURE)) {
		say("refusing to run with set-uid, set-gid or file capabilities");
		ending_exit(STATUS_FAILED);
	}
}

/* Tells the service manager, with the line that was said last as the reason. */
static void tell_failed(const struct launch *launch, int status) {
	if (!launch->options.check && *say_last()) {
		manager_tell_failed(NULL, status, say_last());
	}
}

static _Noreturn void give_up(const struct launch *launch, int status) {
	tell_failed(launch, status);
	ending_exit(status);
}

/* Says why the plugin cannot be run; of a group's workers, which all find the same, one does. */
static _Noreturn void fail(
	const struct launch *launch, const struct loader_error *error) {
	const struct workers_start *start = &launch->start;
	if (start->line && !keeper_lets_say(start->line, error->text)) {
		ending_exit(error->status);
	}
	say("%s%s", error->text, start->replaces ? "; the old version serves on" : "");
	give_up(launch, error->status);
}

static void parse_options(struct launch *launch, int argc, char **argv) {
	struct options_error error;
	int index = options_parse(&launch->options, argc, argv, &error);
	if (index < 0) {
		say("%s", error.text);
		give_up(launch, STATUS_FAILED);
	}
	if (launch->options.help) {
		options_print_help(stdout);
		ending_exit(EXIT_SUCCESS);
	}
	if (launch->options.version) {
		printf("arun %s\n", arun_version());
		ending_exit(EXIT_SUCCESS);
	}
	if (index == argc) {
		say("no PLUGIN given (see arun --help)");
		give_up(launch, STATUS_FAILED);
	}
	say_as(launch->options.log_format);
	if (!launch->options.log_level || launch->options.log_level >= ARUN_WARNING) {
		misspelt_warn();
	}
	launch->argc = argc - index;
	launch->argv = argv + index;
}

static void find_plugin(struct launch *launch) {
	struct loader_error error;
	struct loader_name *name = &launch->name;
	char *word = launch->argv[0];
	if (loader_find(word, getenv("ARUN_PATH"), ARUN_LIBRARY_DIR, name, &error) < 0) {
		fail(launch, &error);
	}
	if (!name->entry) {
		return;
	}
	/* A copy: the word itself is what ps(1) shows. */
	launch->word = strndup(word, strlen(word) - strlen(name->entry) - 1);
	if (!launch->word) {
		say("%s", strerror(ENOMEM));
		give_up(launch, STATUS_FAILED);
	}
	launch->argv[0] = launch->word;
}

static double grace_of(const struct launch *launch) {
	return launch->options.grace > 0 ? launch->options.grace : GRACE_DEFAULT;
}

/* Before loading: a constructor of the plugin could take the number of an unopened
 * "fd:N". */
static void open_report(struct launch *launch) {
	if (!launch->options.report || launch->options.check) {
		return;
	}
	launch->report_fd =
		report_file_open(launch->options.report, launch->options.report_source);
	if (launch->report_fd < 0) {
		give_up(launch, STATUS_FAILED);
	}
}

static void load_plugin(struct launch *launch) {
	struct loader_error error;
	if (!launch->options.check) {
		early_begin(launch->name.path, grace_of(launch));
	}
	if (loader_open(launch->name.path, launch->options.check, &launch->plugin,
		    &error) < 0) {
		fail(launch, &error);
	}
}

/* Another file may have its number by now. */
static void check_report(struct launch *launch) {
	if (launch->report_fd && !report_file_is(launch->report_fd)) {
		say("%s: its constructor has closed the file of %s: there is none",
			launch->name.path, launch->options.report_source);
		launch->report_fd = 0;
	}
}

/* With --check and no ENTRY, a plugin need not say which of its entries is the usual. */
static void pick_entry(struct launch *launch) {
	struct loader_error error;
	if (launch->options.check && !launch->name.entry) {
		return;
	}
	launch->entry = loader_pick(
		&launch->plugin, launch->name.path, launch->name.entry, &error);
	if (!launch->entry) {
		fail(launch, &error);
	}
}

static void print_entry(const struct arun_entry *entry) {
	say_escaped(stdout, loader_entry_name(entry));
	fputs(entry->kind == ARUN_ENTRY_SERVER ? "  server" : "  main", stdout);
	if (entry->about) {
		fputs("  ", stdout);
		say_escaped(stdout, entry->about);
	}
	fputs("  (", stdout);
	say_escaped(stdout, entry->file);
	printf(":%d)\n", entry->line);
}

static void print_offer(const struct launch *launch) {
	if (launch->entry) {
		print_entry(launch->entry);
		return;
	}
	for (size_t i = 0; i < launch->plugin.count; i++) {
		print_entry(launch->plugin.entries[i]);
	}
}

/* Names the limit that was met, which the words for errno do not. */
static const char *limits(int error) {
	return error == ENOSPC   ? " (fs.epoll.max_user_watches)"
	       : error == EAGAIN ? " (ulimit -u, -i)"
				 : "";
}

static _Noreturn void fail_to_run(const struct launch *launch, const char *lacks) {
	int error = errno;
	say("%s: cannot run: %s%s%s%s%s", launch->name.path, lacks ? "no " : "",
		lacks ? lacks : "", lacks ? ": " : "", strerror(error), limits(error));
	give_up(launch, STATUS_FAILED);
}

/* A worker is stopped when its parent is killed. */
static void tell_orphaned(pid_t parent) {
	if (parent && getppid() != parent) {
		say("worker %d has ended: its parent (pid %d) is gone", (int)getpid(),
			(int)parent);
	}
}

static _Noreturn void run(struct launch *launch) {
	const struct arun_entry *entry = launch->entry;
	arun_options options = {
		.struct_size = sizeof options,
		.name = loader_entry_name(entry),
		.stack_size = entry->stack_size,
		.reload = entry->reload,
		.grace = early_end(grace_of(launch)),
		.leaks = launch->options.leaks,
		.report_fd = launch->report_fd,
		.suppress = launch->options.suppress,
		.debug = launch->options.debug,
		.signals = true,
		.plugin = launch->plugin.handle,
		.plugin_path = launch->name.path,
		.listen = launch->options.listen,
		.log_level = launch->options.log_level,
		.log_format = launch->options.log_format,
		.suppress_source = launch->options.suppress_source,
		.listen_source = launch->options.listen_source,
	};
	int status = (entry->kind == ARUN_ENTRY_SERVER ? arun_run_forever : arun_run)(
		entry->function, launch->argc, launch->argv, &options);
	tell_orphaned(launch->start.parent);
	if (status < 0) {
		early_drop();
	}
	/* EINVAL is a bad file of suppressions, or --listen: both stderr and the service manager
	 * have been told. */
	if (status < 0 && errno == EINVAL) {
		ending_exit(STATUS_FAILED);
	}
	if (status < 0) {
		fail_to_run(launch, options.lacks);
	}
	if (options.left > 0) {
		ending_bound(launch->name.path, options.left);
	}
	if (options.signal) {
		ending_die(options.signal);
	}
	ending_exit(status);
}

static _Noreturn void run_plugin(struct launch *launch) {
	open_report(launch);
	load_plugin(launch);
	check_report(launch);
	pick_entry(launch);
	if (launch->options.check) {
		print_offer(launch);
		ending_exit(EXIT_SUCCESS);
	}
	run(launch);
}

__attribute__((noreturn)) static void work(
	void *context, const struct workers_start *start) {
	struct launch *launch = context;
	launch->start = *start;
	run_plugin(launch);
}

static bool wants_workers(const struct options *options) {
	return (options->workers || options->reload) && !options->check;
}

/* What all workers would say is said before there are several. */
static _Noreturn void run_workers(struct launch *launch) {
	const struct options *options = &launch->options;
	if (options->report &&
		report_file_try(options->report, options->report_source) < 0) {
		give_up(launch, STATUS_FAILED);
	}
	const struct workers_options workers = {
		.count = options->workers ? options->workers : 1,
		.grace = grace_of(launch),
		.watch = options->reload ? launch->name.path : NULL,
		.path = launch->name.path,
		.report = options->report,
		.report_source = options->report_source,
		.work = work,
		.context = launch,
	};
	workers_run(&workers);
}

int main(int argc, char **argv) {
	/* Not on the stack: where a task calls exit(3), LeakSanitizer does not look at this one. */
	static struct launch launch;
	ending_prepare();
	open_standard_streams();
	refuse_privileges();
	if (getpid() == 1) {
		family_be_seen();
	}
	if (argc > 1 && ps_is_command(argv[1])) {
		ps_main(argc - 1, argv + 1);
	}
	parse_options(&launch, argc, argv);
	find_plugin(&launch);
	if (wants_workers(&launch.options)) {
		run_workers(&launch);
	}
	run_plugin(&launch);
}
