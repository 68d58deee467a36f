/* SPDX-License-Identifier: MIT */
/*
 * say - text for the terminal: what came from outside (names, paths, the words of the
 * command line) and utf8.h does not let pass is printed as \n, \t and \xNN.
 */
#ifndef SAY_H
#define SAY_H

#include <arun.h>
#include <stdbool.h>
#include <stdio.h>

/* The form of the lines from now on; until then it is text. */
void say_as(enum arun_log_format format);

/* Whether a line waits until stderr has room for it, as it does at first; otherwise it waits
 * for a second, and is then given up. */
void say_patiently(bool patiently);

/* Prints "arun: " and the text on stderr, as one line whatever the arguments hold. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same of what is no failure: say_last() has none of it. */
void say_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Keeps such a line, to be printed by say_kept(), from a signal handler for one. */
void say_keep(const char *format, ...) __attribute__((format(printf, 1, 2)));
void say_kept(void);

/* The last of these lines, without "arun: ", cut after 2 KB; "": there was none. */
const char *say_last(void);

/* Prints text to out, escaped. */
void say_escaped(FILE *out, const char *text);

#endif
