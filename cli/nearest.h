/* SPDX-License-Identifier: MIT */
/* nearest - which name somebody meant who has misspelt it. */
#ifndef NEAREST_H
#define NEAREST_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Whether name is what was meant by the length bytes at typed: with a letter too many, missing, wrong,
 * or swapped with the next; two such slips in a name of 8 letters or more. Case is no difference,
 * nor is '_' for '-'.
 */
bool nearest_means(const char *typed, size_t length, const char *name);

#endif
