/* SPDX-License-Identifier: MIT */
#include "clean.h"

#include <stdint.h>
#include <string.h>

#define BAD UINT32_MAX /* no character */

/* The character at *at, which is moved past it; BAD: there is none. */
static uint32_t next_character(const char **at) {
	static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
	const unsigned char *byte = (const unsigned char *)*at;
	int more = *byte < 0x80   ? 0
		   : *byte < 0xc0 ? -1
		   : *byte < 0xe0 ? 1
		   : *byte < 0xf0 ? 2
		   : *byte < 0xf8 ? 3
				  : -1;
	if (more < 0) {
		return BAD;
	}
	uint32_t code = more ? *byte & (0x3f >> more) : *byte;
	for (int i = 1; i <= more; i++) {
		if ((byte[i] & 0xc0) != 0x80) {
			return BAD;
		}
		code = code << 6 | (byte[i] & 0x3f);
	}
	*at += 1 + more;
	bool surrogate = code >= 0xd800 && code <= 0xdfff;
	return code < least[more] || code > 0x10ffff || surrogate ? BAD : code;
}

static bool is_control(uint32_t code) {
	return code < 0x20 || (code >= 0x7f && code < 0xa0) ||
	       (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

static bool holds(const char *text, bool controls) {
	while (*text) {
		uint32_t code = next_character(&text);
		if (code == BAD || (!controls && is_control(code))) {
			return false;
		}
	}
	return true;
}

bool clean_text(const char *text) {
	return holds(text, false);
}

bool clean_utf8(const char *text) {
	return holds(text, true);
}

static char *put(char *out, uint32_t code) {
	if (code < 0x80) {
		*out++ = (char)code;
		return out;
	}
	int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
	*out++ = (char)(0xff00 >> (more + 1) | code >> 6 * more);
	while (more--) {
		*out++ = (char)(0x80 | (code >> 6 * more & 0x3f));
	}
	return out;
}

/* Four hexadecimal digits. */
static uint32_t hexadecimal(const char **at) {
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	uint32_t code = 0;
	for (int i = 0; i < 4; i++, ++*at) {
		const char *digit = **at ? strchr(digits, **at) : NULL;
		if (!digit) {
			return BAD;
		}
		code = code << 4 | ((uint32_t)(digit - digits) & 15);
	}
	return code;
}

/* What follows a backslash. */
static uint32_t escaped(const char **at) {
	static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
	char letter = *(*at)++;
	const char *found = letter ? strchr(letters, letter) : NULL;
	if (letter != 'u') {
		return found ? (uint32_t)meant[found - letters] : BAD;
	}
	uint32_t code = hexadecimal(at);
	if (code < 0xd800 || code > 0xdfff) {
		return code;
	}
	/* Half of a character beyond U+FFFF. */
	if (code > 0xdbff || strncmp(*at, "\\u", 2) != 0) {
		return BAD;
	}
	*at += 2;
	uint32_t low = hexadecimal(at);
	bool fits = low >= 0xdc00 && low <= 0xdfff;
	return fits ? 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00) : BAD;
}

/* Moves *at past a string; *out is past what it is. False: there is none. */
static bool read_string(const char **at, char **out) {
	if (**at != '"') {
		return false;
	}
	for (++*at; **at != '"';) {
		uint32_t code = **at ? next_character(at) : BAD;
		if (code == '\\') {
			code = escaped(at);
		}
		if (code == BAD) {
			return false;
		}
		if (out) {
			*out = put(*out, code);
		}
	}
	++*at;
	return true;
}

bool clean_json(const char *text, char *out) {
	if (!clean_text(text) || !read_string(&text, &out) || *text) {
		return false;
	}
	*out = '\0';
	return true;
}

static const char *past_blanks(const char *at) {
	return at + strspn(at, " \t\r\n");
}

/* "-0.5e+10"; NULL: there is none. */
static const char *past_number(const char *at) {
	static const char digits[] = "0123456789";
	at += *at == '-';
	size_t count = strspn(at, digits);
	if (!count || (*at == '0' && count > 1)) {
		return NULL;
	}
	at += count;
	if (*at == '.') {
		count = strspn(++at, digits);
		at = count ? at + count : NULL;
	}
	if (at && (*at == 'e' || *at == 'E')) {
		at += 1 + (at[1] == '+' || at[1] == '-');
		count = strspn(at, digits);
		at = count ? at + count : NULL;
	}
	return at;
}

static const char *past_value(const char *at, int depth);

/* "[...]" or "{...}" */
static const char *past_members(const char *at, int depth) {
	char end = *at == '{' ? '}' : ']';
	at = past_blanks(at + 1);
	if (*at == end) {
		return at + 1;
	}
	for (;; at++) {
		at = past_blanks(at);
		if (end == '}') {
			if (!read_string(&at, NULL) || *(at = past_blanks(at)) != ':') {
				return NULL;
			}
			at++;
		}
		at = past_value(at, depth);
		if (!at || (*at != ',' && *at != end)) {
			return NULL;
		}
		if (*at == end) {
			return at + 1;
		}
	}
}

/* What follows a value, and blanks; NULL: there is none. */
static const char *past_value(const char *at, int depth) {
	static const char *const words[] = {"null", "true", "false"};
	at = past_blanks(at);
	if (*at == '{' || *at == '[') {
		at = depth ? past_members(at, depth - 1) : NULL;
	} else if (*at == '"') {
		at = read_string(&at, NULL) ? at : NULL;
	} else {
		const char *word = NULL;
		for (size_t i = 0; i < 3; i++) {
			size_t length = strlen(words[i]);
			word = strncmp(at, words[i], length) ? word : at + length;
		}
		at = word ? word : past_number(at);
	}
	return at ? past_blanks(at) : NULL;
}

bool clean_json_value(const char *text) {
	enum { DEPTH = 64 };
	const char *end = past_value(text, DEPTH);
	return end && !*end;
}
