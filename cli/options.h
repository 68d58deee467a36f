/* SPDX-License-Identifier: MIT */
/*
 * options - the command line and the environment.
 *
 * One table (options.c) drives the parser, $ARUN_..., and --help;
 * tests/cli/test_options.py holds arun(1) against it, and test_completion.py the shells.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <arun.h>

#include <stdbool.h>
#include <stdio.h>

struct options {
	bool help;
	bool version;
	bool check;
	bool debug;
	bool reload;
	unsigned workers; /* 0: not given */
	double grace;     /* seconds; 0: not given */
	enum arun_leaks leaks;
	int log_level; /* 0: not given */
	enum arun_log_format log_format;
	const char *report;   /* FILE as given; NULL: none */
	const char *suppress; /* as report */
	const char **listen;  /* as given, up to its NULL; NULL: none */
	/* Where these come from: "--report", "$ARUN_REPORT". */
	const char *report_source, *suppress_source, *listen_source;
};

struct options_error {
	char text[512]; /* one line, without "arun: " */
};

/*
 * Reads the options of argv up to PLUGIN, then $ARUN_... for those not on the command
 * line. At --help or --version it ends at once: options->help or ->version is set, the
 * rest is not looked at. The strings in *options are those of argv and of the
 * environment.
 *
 * Returns the index of PLUGIN in argv (argc: there is none); -1 with *error.
 */
int options_parse(
	struct options *options, int argc, char **argv, struct options_error *error);

/* Stores the name of the index-th variable that arun reads. Returns whether there is one. */
enum { OPTIONS_VARIABLE = 64 };
bool options_variable(unsigned index, char name[OPTIONS_VARIABLE]);

void options_print_help(FILE *out);

#endif
