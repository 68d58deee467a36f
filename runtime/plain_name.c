/* SPDX-License-Identifier: MIT */
/*
 * Design notes. A reader of the Itanium C++ ABI's grammar, by descent. What is not to be printed, the
 * arguments of templates and functions, is read to find where it ends; there any substitution will do,
 * while one in the name itself would have to be looked up. What is not known is no name.
 */
#include "plain_name.h"

#include "base.h"

#include <stdbool.h>
#include <string.h>

enum { PLAIN_NAME = 256, PLAIN_DEPTH = 48 };

/* A name that is read: what is left of it, and what was found. */
struct reading {
	const char *at;
	char plain[PLAIN_NAME];
	size_t length;
	const char *last; /* the part before, and its length; NULL: none */
	size_t last_length;
	int depth;
	int silent; /* what is read is not printed */
};

static bool read_name(struct reading *reading);
static bool read_type(struct reading *reading);
static bool read_encoding(struct reading *reading);

static bool take(struct reading *reading, char letter) {
	bool there = *reading->at == letter;
	reading->at += there;
	return there;
}

static bool take_both(struct reading *reading, const char *letters) {
	bool there = strncmp(reading->at, letters, 2) == 0;
	reading->at += there ? 2 : 0;
	return there;
}

static bool is_digit(char c) {
	return c >= '0' && c <= '9';
}

static bool is_one_of(char c, const char *set) {
	return c && strchr(set, c);
}

/* Returns whether there was room for it. */
static bool add(struct reading *reading, const char *bytes, size_t length) {
	if (reading->silent) {
		return true;
	}
	if (length >= sizeof reading->plain - reading->length) {
		return false;
	}
	memcpy(reading->plain + reading->length, bytes, length);
	reading->length += length;
	reading->plain[reading->length] = '\0';
	return true;
}

static bool add_word(struct reading *reading, const char *word) {
	return add(reading, word, strlen(word));
}

static bool add_part(struct reading *reading, const char *part, size_t length) {
	bool first = !reading->last;
	reading->last = part;
	reading->last_length = length;
	return (first || add(reading, "::", 2)) && add(reading, part, length);
}

static bool add_part_word(struct reading *reading, const char *word) {
	return add_part(reading, word, strlen(word));
}

/* Reads what is not printed; it changes nothing of what was. */
static bool skip(struct reading *reading, bool (*read)(struct reading *reading)) {
	const char *last = reading->last;
	size_t last_length = reading->last_length;
	reading->silent++;
	reading->last = NULL;
	bool done = ++reading->depth < PLAIN_DEPTH && read(reading);
	reading->depth--;
	reading->silent--;
	reading->last = last;
	reading->last_length = last_length;
	return done;
}

static bool skip_all(struct reading *reading, bool (*read)(struct reading *reading)) {
	while (!take(reading, 'E')) {
		if (!skip(reading, read)) {
			return false;
		}
	}
	return true;
}

/* The number of a substitution, a parameter, a lambda: "_", "0_", "1_". */
static bool skip_number(struct reading *reading, unsigned *number) {
	unsigned before = 0, some = 0;
	for (; is_digit(*reading->at) || (*reading->at >= 'A' && *reading->at <= 'Z');
		some = 1) {
		before = before * 10 + (unsigned)(*reading->at++ - '0') % 10;
	}
	*number = before + some;
	return take(reading, '_');
}

/* Names ---------------------------------------------------------------------------- */

/* "3net": what follows the number; NULL: nothing does. */
static const char *read_source(struct reading *reading, size_t *length) {
	*length = 0;
	while (is_digit(*reading->at) && *length < PLAIN_NAME) {
		*length = *length * 10 + (size_t)(*reading->at++ - '0');
	}
	const char *source = reading->at;
	if (!*length || strnlen(source, *length) < *length) {
		return NULL;
	}
	reading->at += *length;
	return source;
}

/* An L before it says that it is static. */
static bool read_source_name(struct reading *reading) {
	static const char unnamed[] = "_GLOBAL__N_";
	size_t length;
	take(reading, 'L');
	const char *part = read_source(reading, &length);
	if (!part) {
		return false;
	}
	return strncmp(part, unnamed, sizeof unnamed - 1) == 0
		       ? add_part_word(reading, "(anonymous namespace)")
		       : add_part(reading, part, length);
}

/* "cvb": to a type that has one letter, or a name. */
static bool read_conversion(struct reading *reading) {
	static const char *const types[] = {"bbool", "cchar", "hunsigned char", "sshort",
		"tunsigned short", "iint", "junsigned int", "llong", "munsigned long",
		"xlong long", "yunsigned long long", "ffloat", "ddouble"};
	if (!add_part_word(reading, "operator ")) {
		return false;
	}
	for (size_t i = 0; i < count_of(types); i++) {
		if (take(reading, *types[i])) {
			return add_word(reading, types[i] + 1);
		}
	}
	reading->last = NULL;
	bool named = is_digit(*reading->at) || *reading->at == 'N';
	bool done = named && ++reading->depth < PLAIN_DEPTH && read_name(reading);
	reading->depth--;
	return done;
}

static bool read_operator(struct reading *reading) {
	static const char *const operators[] = {"nw new", "na new[]", "dl delete",
		"da delete[]", "aw co_await", "ng-", "ps+", "ad&", "de*", "co~", "pl+",
		"mi-", "ml*", "dv/", "rm%", "an&", "or|", "eo^", "aS=", "pL+=", "mI-=",
		"mL*=", "dV/=", "rM%=", "aN&=", "oR|=", "eO^=", "ls<<", "rs>>",
		"lS<<=", "rS>>=", "eq==", "ne!=", "lt<", "gt>", "le<=", "ge>=", "ss<=>",
		"nt!", "aa&&", "oo||", "pp++", "mm--", "cm,", "pm->*", "pt->", "cl()",
		"ix[]"};
	if (take_both(reading, "cv")) {
		return read_conversion(reading);
	}
	if (take_both(reading, "li")) {
		size_t length;
		const char *suffix = read_source(reading, &length);
		return suffix && add_part_word(reading, "operator\"\" ") &&
		       add(reading, suffix, length);
	}
	for (size_t i = 0; i < count_of(operators); i++) {
		char code[3] = {operators[i][0], operators[i][1]};
		if (take_both(reading, code)) {
			return add_part_word(reading, "operator") &&
			       add_word(reading, operators[i] + 2);
		}
	}
	return false;
}

/* "UlvE_", a lambda, with what it takes; "Ut_", a type without a name. */
static bool read_unnamed(struct reading *reading) {
	bool lambda = take_both(reading, "Ul");
	unsigned number;
	char digits[24];
	struct text text;
	if (lambda ? !skip_all(reading, read_type) : !take_both(reading, "Ut")) {
		return false;
	}
	if (!skip_number(reading, &number)) {
		return false;
	}
	text_fixed(&text, digits, sizeof digits);
	text_add(&text, "#%u}", number + 1);
	return add_part_word(reading, lambda ? "{lambda" : "{unnamed") &&
	       add_word(reading, digits);
}

/* Tags of its ABI: "B5cxx11". */
static bool read_tags(struct reading *reading) {
	while (take(reading, 'B')) {
		size_t length;
		const char *tag = read_source(reading, &length);
		if (!tag || !add_word(reading, "[abi:") || !add(reading, tag, length) ||
			!add_word(reading, "]")) {
			return false;
		}
	}
	return true;
}

static bool read_unqualified(struct reading *reading) {
	char next = *reading->at;
	bool read = is_digit(next) || next == 'L' ? read_source_name(reading)
		    : next == 'U'                 ? read_unnamed(reading)
						  : read_operator(reading);
	return read && read_tags(reading);
}

/* "C1" of a class is its constructor, "D1" its destructor. */
static bool read_structor(struct reading *reading) {
	bool destroys = *reading->at == 'D';
	const char *of = reading->last;
	if (!of || !is_digit(reading->at[1])) {
		return false;
	}
	reading->at += 2;
	return add(reading, "::~", destroys ? 3 : 2) &&
	       add(reading, of, reading->last_length) && read_tags(reading) &&
	       is_one_of(*reading->at, "EI");
}

/* Of the C++ library; others are numbers of parts before, which are not kept. */
static bool read_substitution(struct reading *reading) {
	static const char *const names[] = {"tstd", "aallocator", "bbasic_string",
		"sstring", "iistream", "oostream", "diostream"};
	unsigned number;
	for (size_t i = 0; i < count_of(names); i++) {
		if (take(reading, *names[i])) {
			bool part = *names[i] != 't';
			return (!part || add_part_word(reading, "std")) &&
			       add_part_word(reading, names[i] + 1);
		}
	}
	return reading->silent && skip_number(reading, &number);
}

/* Templates ------------------------------------------------------------------------ */

/* "Li3E", a number; "L_Z1fvE", a function. */
static bool read_literal(struct reading *reading) {
	if (take_both(reading, "_Z")) {
		return read_encoding(reading) && take(reading, 'E');
	}
	if (!skip(reading, read_type)) {
		return false;
	}
	while (is_digit(*reading->at) || (*reading->at >= 'a' && *reading->at <= 'z')) {
		reading->at++;
	}
	return take(reading, 'E');
}

static bool read_argument(struct reading *reading) {
	/* Of expressions the address of a function alone. */
	if (take_both(reading, "Xa")) {
		return take_both(reading, "dL") && skip(reading, read_literal) &&
		       take(reading, 'E');
	}
	if (take(reading, 'L')) {
		return skip(reading, read_literal);
	}
	return take(reading, 'J') ? skip_all(reading, read_argument)
				  : skip(reading, read_type);
}

/* Arguments of the template before it, where there are some. */
static bool read_arguments(struct reading *reading) {
	if (!take(reading, 'I')) {
		return true;
	}
	return reading->at[0] != 'I' && add_word(reading, "<...>") &&
	       skip_all(reading, read_argument);
}

/* Types ---------------------------------------------------------------------------- */

static bool read_function(struct reading *reading) {
	take(reading, 'Y');
	while (!take(reading, 'E') && !take_both(reading, "RE") &&
		!take_both(reading, "OE")) {
		if (!skip(reading, read_type)) {
			return false;
		}
	}
	return true;
}

static bool read_array(struct reading *reading) {
	while (is_digit(*reading->at)) {
		reading->at++;
	}
	return take(reading, '_') && skip(reading, read_type);
}

/* "Dp", of a pack; "Dn", that of nullptr, and others of two letters. */
static bool read_type_of_two(struct reading *reading) {
	char letter = *reading->at;
	if (is_one_of(letter, "pox")) {
		reading->at++;
		return skip(reading, read_type);
	}
	reading->at += is_one_of(letter, "nisuacdefh");
	return is_one_of(letter, "nisuacdefh");
}

static bool read_named_type(struct reading *reading) {
	unsigned number;
	if (take(reading, 'T')) {
		return skip_number(reading, &number) && read_arguments(reading);
	}
	return read_name(reading);
}

/* Silently alone. */
static bool read_type(struct reading *reading) {
	while (is_one_of(*reading->at, "PROKVrCG")) {
		reading->at++;
	}
	char letter = *reading->at;
	if (is_one_of(letter, "vwbcahstijlmxynofdegz")) {
		reading->at++;
		return true;
	}
	if (take(reading, 'F')) {
		return read_function(reading);
	}
	if (take(reading, 'A')) {
		return read_array(reading);
	}
	if (take(reading, 'M')) {
		return skip(reading, read_type) && skip(reading, read_type);
	}
	return take(reading, 'D') ? read_type_of_two(reading) : read_named_type(reading);
}

/* Whole names ---------------------------------------------------------------------- */

static bool read_prefix(struct reading *reading) {
	unsigned number;
	char next = *reading->at;
	if (take(reading, 'S')) {
		return read_substitution(reading);
	}
	if (take(reading, 'T')) {
		return reading->silent && skip_number(reading, &number);
	}
	if (next == 'I') {
		return reading->last ? read_arguments(reading)
				     : reading->silent && read_arguments(reading);
	}
	return next == 'C' || next == 'D' ? read_structor(reading)
					  : read_unqualified(reading);
}

/* "N3net5Conn4readE"; a K before the parts says that it is const. */
static bool read_nested(struct reading *reading) {
	const char *begin;
	reading->at += strspn(reading->at, "rVKRO");
	begin = reading->at;
	while (!take(reading, 'E')) {
		if (!read_prefix(reading)) {
			return false;
		}
	}
	return reading->at > begin + 1;
}

/* "Z4mainvE1x": what is inside a function; which of several does not matter. */
static bool read_local(struct reading *reading) {
	unsigned number;
	if (!read_encoding(reading) || !take(reading, 'E')) {
		return false;
	}
	if (!take(reading, 's') && !read_name(reading)) {
		return false;
	}
	if (take_both(reading, "__")) {
		return skip_number(reading, &number);
	}
	reading->at += *reading->at == '_' && is_digit(reading->at[1]) ? 2 : 0;
	return true;
}

static bool read_name(struct reading *reading) {
	bool std = false, read;
	if (take(reading, 'N')) {
		return read_nested(reading);
	}
	if (take(reading, 'Z')) {
		return read_local(reading);
	}
	if (take(reading, 'S')) {
		std = *reading->at == 't';
		read = read_substitution(reading) && (!std || read_unqualified(reading));
	} else {
		read = read_unqualified(reading);
	}
	return read && read_arguments(reading);
}

/* A function, and what it takes: as far as an E where it is a part of something. */
static bool read_encoding(struct reading *reading) {
	bool part = reading->depth > 0;
	if (++reading->depth >= PLAIN_DEPTH || !read_name(reading)) {
		return false;
	}
	reading->depth--;
	while (part && *reading->at && *reading->at != 'E') {
		if (!skip(reading, read_type)) {
			return false;
		}
	}
	return true;
}

void plain_name(struct text *out, const char *name) {
	struct reading reading = {.at = name};
	bool plain = take_both(&reading, "_Z") && read_encoding(&reading);
	text_escape(out, plain ? reading.plain : name);
	/* What the compiler has made of it: "read.cold". */
	const char *dot = plain ? strchr(reading.at, '.') : NULL;
	text_escape(out, dot ? dot : "");
}
