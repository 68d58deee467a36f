/* SPDX-License-Identifier: MIT */
/* picture - a dump, or the reports of a file, as one page of HTML that needs no other. */
#ifndef PICTURE_H
#define PICTURE_H

#include "dump.h"

#include <stdio.h>

/* The two halves of picture.html, each a string: the reports go between. */
extern const char picture_page[];

void picture_print(FILE *out, const struct dump *dump);

/* The reports in a file of --report, or one in a file of its own. Returns 0; -1, and
 * prints nothing: it does not look like one. */
int picture_of_report(FILE *out, FILE *report);

#endif
