/* SPDX-License-Identifier: MIT */
/* build_id - the number that the linker gives a file, so that a report can be matched with its
 * debug information. */
#ifndef BUILD_ID_H
#define BUILD_ID_H

enum { BUILD_ID_TEXT = 2 * 32 + 1 };

/* Writes the GNU build id of a loaded file to out, in hexadecimal; "" where it has none.
 * handle: dlopen(3)'s; NULL: the program's. */
void build_id_find(char out[BUILD_ID_TEXT], void *handle);

#endif
