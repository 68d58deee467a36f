/* SPDX-License-Identifier: MIT */
/* suite - what a test file defines; main.c runs it. */
#ifndef SUITE_H
#define SUITE_H

#include <check.h>

/* The cases of one test file. The caller's; main.c hands it to libcheck. */
Suite *suite(void);

#endif
