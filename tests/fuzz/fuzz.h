/* SPDX-License-Identifier: MIT */
/*
 * fuzz - what a harness is: a function that takes any bytes, and aborts where something that
 * arun promises does not hold for them.
 *
 * It is driven by drive.c, with its seeds and mutations of them, and so runs with every compiler;
 * or by libFuzzer, which looks for inputs that reach code the ones before did not
 * (CONTRIBUTING.md says how). The seeds of tests/fuzz/X.c are the files in tests/fuzz/seeds/X.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Returns 0. It leaves nothing behind that the next input could meet. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Aborts unless condition holds; what follows it is printf(3)'s. */
#define fuzz_check(condition, ...)                                                       \
	((condition) ? (void)0                                                           \
		     : (fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition),  \
			       fprintf(stderr, __VA_ARGS__), fputc('\n', stderr),        \
			       abort()))

/* The input as a string, cut at its first zero byte; to be freed. A block of its exact size, so
 * that a sanitizer sees who reads past its end. */
static inline char *fuzz_string(const uint8_t *data, size_t size) {
	char *string = strndup((const char *)data, size);
	fuzz_check(string, "no memory");
	return string;
}

/* An input that is read from its beginning; 0 past its end. */
struct fuzz_script {
	const uint8_t *next, *end;
};

static inline unsigned fuzz_byte(struct fuzz_script *script) {
	return script->next < script->end ? *script->next++ : 0;
}

/* One of the letters of an alphabet: so that seeds can be read, and every byte means something. */
static inline char fuzz_letter(struct fuzz_script *script, const char *alphabet) {
	unsigned byte = fuzz_byte(script);
	return byte && strchr(alphabet, (int)byte) ? (char)byte
						   : alphabet[byte % strlen(alphabet)];
}

/* A small number: a digit is its value. */
static inline unsigned fuzz_number(struct fuzz_script *script) {
	unsigned byte = fuzz_byte(script);
	return byte >= '0' && byte <= '9' ? byte - '0' : byte;
}

#endif
