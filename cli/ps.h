/* SPDX-License-Identifier: MIT */
/* ps - `arun ps` and `arun tree`: what a process of arun has open, asked from outside. */
#ifndef PS_H
#define PS_H

#include <stdbool.h>

/* Whether the first word of the command line is one of these commands. */
bool ps_is_command(const char *word);

/* argv[0] is the command. Ends the program: 0; 1: the process could not be read (whole),
 * or is not ready; 125: a usage error. */
_Noreturn void ps_main(int argc, char **argv);

#endif
