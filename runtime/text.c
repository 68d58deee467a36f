/* SPDX-License-Identifier: MIT */
#include "text.h"

#include "base.h"
#include "utf8.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { TEXT_FIRST = 16 * 1024 };

void text_fixed(struct text *text, char *buffer, size_t size) {
	*text = (struct text){.data = buffer, .size = size};
	buffer[0] = '\0';
}

void text_init(struct text *text) {
	static char none[1];
	*text = (struct text){.data = none, .size = 1, .grows = true};
}

void text_finish(struct text *text) {
	if (text->grows && text->size > 1) {
		munmap(text->data, text->size);
	}
	text_init(text);
}

/* Pages, as malloc may hold its lock under the handler that writes this. */
static void text_grow(struct text *text, size_t need) {
	size_t size = text->size < TEXT_FIRST ? TEXT_FIRST : text->size * 2;
	while (size < need) {
		size *= 2;
	}
	char *data = text->size <= 1
			     ? mmap(NULL, size, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
			     : mremap(text->data, text->size, size, MREMAP_MAYMOVE);
	if (data != MAP_FAILED) {
		text->data = data;
		text->size = size;
	}
}

static void text_bytes(struct text *text, const char *bytes, size_t count) {
	if (text->length + count >= text->size && text->grows) {
		text_grow(text, text->length + count + 1);
	}
	size_t room = text->size - text->length - 1;
	if (count > room || text->lost) {
		count = text->lost ? 0 : room; /* no hole */
		text->lost = text->grows;
	}
	memcpy(text->data + text->length, bytes, count);
	text->length += count;
	if (text->size > 1) {
		text->data[text->length] = '\0';
	}
}

static void text_number(struct text *text, uint64_t value, unsigned base) {
	char digits[24];
	size_t at = sizeof digits;
	do {
		digits[--at] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	text_bytes(text, digits + at, sizeof digits - at);
}

static void text_signed(struct text *text, int64_t value) {
	if (value < 0) {
		text_bytes(text, "-", 1);
	}
	text_number(text, value < 0 ? -(uint64_t)value : (uint64_t)value, 10);
}

static void text_string(struct text *text, const char *string) {
	string = string ? string : "?";
	text_bytes(text, string, strlen(string));
}

/* One conversion; returns what follows it. */
static const char *text_convert(struct text *text, const char *format, va_list *list) {
	bool wide = *format == 'l' || *format == 'z';
	format += wide;
	switch (*format) {
	case 's':
		text_string(text, va_arg(*list, const char *));
		break;
	case 'c': {
		char byte = (char)va_arg(*list, int);
		text_bytes(text, &byte, 1);
		break;
	}
	case 'd':
		text_signed(text, wide ? va_arg(*list, long) : va_arg(*list, int));
		break;
	case 'u':
	case 'x': {
		uint64_t value =
			wide ? va_arg(*list, unsigned long) : va_arg(*list, unsigned);
		text_number(text, value, *format == 'x' ? 16 : 10);
		break;
	}
	default:
		text_bytes(text, format, 1);
	}
	return format + 1;
}

void text_add_list(struct text *text, const char *format, va_list arguments) {
	va_list list;
	va_copy(list, arguments);
	while (*format) {
		size_t plain = strcspn(format, "%");
		text_bytes(text, format, plain);
		format += plain;
		if (*format) {
			format = text_convert(text, format + 1, &list);
		}
	}
	va_end(list);
}

void text_add(struct text *text, const char *format, ...) {
	va_list list;
	va_start(list, format);
	text_add_list(text, format, list);
	va_end(list);
}

/* Appends a number in so many hexadecimal digits. */
static void text_digits(struct text *text, uint32_t number, int count) {
	while (count-- > 0) {
		text_bytes(text, &"0123456789abcdef"[number >> 4 * count & 15], 1);
	}
}

void text_escape(struct text *text, const char *string) {
	const unsigned char *byte = (const unsigned char *)(string ? string : "?");
	while (*byte) {
		size_t count = utf8_printable(byte);
		if (count) {
			text_bytes(text, (const char *)byte, count);
			byte += count;
		} else {
			text_bytes(text, "\\x", 2);
			text_digits(text, *byte++, 2);
		}
	}
}

void text_json(struct text *text, const char *string) {
	if (!string) {
		text_bytes(text, "null", 4);
		return;
	}
	text_bytes(text, "\"", 1);
	const unsigned char *byte = (const unsigned char *)string;
	while (*byte) {
		uint32_t code = 0;
		size_t count = utf8_decode(byte, &code);
		if (*byte == '"' || *byte == '\\') {
			text_bytes(text, "\\", 1);
		}
		if (count && utf8_prints(code)) {
			text_bytes(text, (const char *)byte, count);
		} else {
			/* An invalid byte becomes the character of its number: nothing is
			 * lost. */
			text_bytes(text, "\\u", 2);
			text_digits(text, count ? code : *byte, 4);
		}
		byte += count ? count : 1;
	}
	text_bytes(text, "\"", 1);
}

void text_seconds(struct text *text, double seconds) {
	if (!(seconds > 0)) {
		seconds = 0;
	}
	unsigned long tenths = seconds < 1e15 ? (unsigned long)(seconds * 10 + 0.5) : 0;
	if (seconds < 1) {
		text_add(text, "%u ms", (unsigned)(seconds * 1000));
	} else if (tenths < 100 && tenths % 10) {
		text_add(text, "%lu.%lu s", tenths / 10, tenths % 10);
	} else if (seconds < 600) {
		text_add(text, "%lu s", (tenths + 5) / 10);
	} else if (seconds < 7200) {
		text_add(text, "%lu min", tenths / 600);
	} else if (seconds < 172800) {
		text_add(text, "%lu h", tenths / 36000);
	} else {
		text_add(text, "%lu days", tenths / 864000);
	}
}

void text_milliseconds(struct text *text, double seconds) {
	bool sane = seconds > 0 && seconds < 1e15;
	text_number(text, sane ? (uint64_t)(seconds * 1000 + 0.5) : 0, 10);
}

bool text_trim(struct text *text) {
	const char *end = text->lost ? memrchr(text->data, '\n', text->length) : NULL;
	if (text->lost) {
		text_cut(text, text->length - (end ? (size_t)(end - text->data) + 1 : 0));
	}
	return text->lost;
}

void text_cut(struct text *text, size_t count) {
	text->length -= count < text->length ? count : text->length;
	if (text->size > 1) {
		text->data[text->length] = '\0';
	}
}

/* Takes back the last bytes of a file, where they are those that were just written. */
static void unwrite(int fd, size_t written) {
	struct stat file;
	int error = errno;
	off_t end = lseek(fd, 0, SEEK_CUR);
	if (written && end >= (off_t)written && fstat(fd, &file) == 0 &&
		S_ISREG(file.st_mode) && file.st_size == end &&
		ftruncate(fd, end - (off_t)written) == 0) {
		lseek(fd, end - (off_t)written, SEEK_SET);
	}
	errno = error;
}

int text_write(const struct text *text, int fd) {
	size_t done = 0;
	while (done < text->length) {
		ssize_t n = write(fd, text->data + done, text->length - done);
		if (n >= 0) {
			done += (size_t)n;
		} else if (errno == EAGAIN) {
			struct pollfd wait = {.fd = fd, .events = POLLOUT};
			poll(&wait, 1, -1);
		} else if (errno != EINTR) {
			unwrite(fd, done);
			return -1;
		}
	}
	return 0;
}

/* The date of a day counted from 1970-01-01; gmtime(3) takes a lock. Years begin in March
 * here. */
static void add_date(struct text *out, long days) {
	days += 719468; /* from 0000-03-01 */
	long era = days / 146097, day = days % 146097;
	long year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	day -= 365 * year + year / 4 - year / 100;
	long month = (5 * day + 2) / 153;
	day -= (153 * month + 2) / 5 - 1;
	month += month < 10 ? 3 : -9;
	year += era * 400 + (month <= 2);
	text_add(out, "%ld-%s%ld-%s%ld", year, month < 10 ? "0" : "", month,
		day < 10 ? "0" : "", day);
}

static void add_digits(struct text *out, long value, long scale) {
	for (; scale; scale /= 10) {
		text_add(out, "%ld", value / scale % 10);
	}
}

void text_time(struct text *out, const struct timespec *time) {
	long second = time->tv_sec % 86400;
	add_date(out, time->tv_sec / 86400);
	text_add(out, "T");
	add_digits(out, second / 3600, 10);
	text_add(out, ":");
	add_digits(out, second / 60 % 60, 10);
	text_add(out, ":");
	add_digits(out, second % 60, 10);
	text_add(out, ".");
	add_digits(out, time->tv_nsec / 1000, 100000);
	text_add(out, "Z");
}

/* Older C libraries have no other words. */
static const char *words_of(int error) {
#if defined __GLIBC__ && __GLIBC__ * 1000 + __GLIBC_MINOR__ >= 2032
	return strerrordesc_np(error);
#else
	return strerror(error);
#endif
}

void text_error(struct text *text, int error) {
	if (!error) {
		text_add(text, "it returned less than 0, and set no errno");
		return;
	}
	const char *words = words_of(error);
	if (words) {
		text_add(text, "%s", words);
	} else {
		text_add(text, "Unknown error %d", error);
	}
}
