/* SPDX-License-Identifier: MIT */
/* utf8 - what is a character, and which of them may stand in a line as they are. */
#ifndef UTF8_H
#define UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The character that begins at byte, of well-formed UTF-8 (RFC 3629), in *code. Returns how many
 * bytes it has; 0: there is none. Nothing behind a zero byte is looked at. */
static inline size_t utf8_decode(const unsigned char *byte, uint32_t *code) {
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t count = *byte >= 0xf0 ? 4 : *byte >= 0xe0 ? 3 : *byte >= 0x80 ? 2 : 1;
	if ((*byte >= 0x80 && *byte < 0xc2) || *byte > 0xf4) {
		return 0;
	}
	*code = count == 1 ? *byte : *byte & (0x7fu >> count);
	for (size_t i = 1; i < count; i++) {
		if ((byte[i] & 0xc0) != 0x80) {
			return 0;
		}
		*code = *code << 6 | (byte[i] & 0x3f);
	}
	bool surrogate = *code >= 0xd800 && *code <= 0xdfff;
	return *code < least[count] || *code > 0x10ffff || surrogate ? 0 : count;
}

/* Whether the character is printed as it is: it controls nothing. U+2028 and the next one end a line,
 * U+202A..E and U+2066..9 turn its direction: a name must not forge one. */
static inline bool utf8_prints(uint32_t code) {
	bool control = code < 0x20 || (code >= 0x7f && code < 0xa0);
	return !control && !(code >= 0x2028 && code <= 0x202e) &&
	       !(code >= 0x2066 && code <= 0x2069);
}

/* How many bytes the character that begins at byte has, where it is printed as it is; 0: the first byte
 * is to be escaped. */
static inline size_t utf8_printable(const unsigned char *byte) {
	uint32_t code;
	size_t count = utf8_decode(byte, &code);
	return count && utf8_prints(code) ? count : 0;
}

#endif
