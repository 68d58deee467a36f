/* SPDX-License-Identifier: MIT */
/* print - a dump as text and as JSON. */
#ifndef PRINT_H
#define PRINT_H

#include "dump.h"
#include "escape.h"

/* `arun ps`: a line for the process, and one for each task. */
void print_tasks(FILE *out, const struct dump *dump);

/* `arun tree`: every object below its owner. */
void print_tree(FILE *out, const struct dump *dump);

/* arun-report/1 of kind "dump", in one line. */
void print_json(FILE *out, const struct dump *dump);

/* Prints the time of a report, now, as a string of JSON. */
void print_time(FILE *out);

/* The parts of both texts: "arun 4242 ./srv.so:serve  up 41.0 s  loop idle". */
void print_head(struct line *line, const struct dump *dump);

/* "srv.c:34"; "-" where it is not known. */
void print_site(struct line *line, const struct dump_site *site);

/* What object waits for, where that is not what it appears as: a peer, task "b" #4, the first of
 * channel "a" #5 or channel "b" #6. */
void print_awaits(struct line *line, const struct dump_object *object);

#endif
