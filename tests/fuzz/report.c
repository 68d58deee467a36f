/* SPDX-License-Identifier: MIT */
/*
 * Any file is a report, and a part of the page in which nothing can end the element that it stands
 * in; or it is none, and nothing is printed.
 */
#include "fuzz.h"

#include "../../cli/picture.h"

/* What the page says in place of "<". */
static const char less[] = "\\u003c";

/* The part of the page that the report became is the input, with less for each "<". */
static void check_part(
	const char *part, const char *end, const uint8_t *data, size_t size) {
	for (size_t i = 0; i < size; i++) {
		if (data[i] == '<') {
			fuzz_check((size_t)(end - part) >= sizeof less - 1 &&
					   !memcmp(part, less, sizeof less - 1),
				"at byte %zu", i);
			part += sizeof less - 1;
		} else {
			fuzz_check(
				part < end && *part == (char)data[i], "at byte %zu", i);
			part++;
		}
	}
	fuzz_check(part == end, "%zu more bytes", (size_t)(end - part));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	char *page = NULL;
	size_t length = 0;
	const char *rest = picture_page + strlen(picture_page) + 1;
	FILE *report = size ? fmemopen((void *)(uintptr_t)data, size, "r")
			    : fopen("/dev/null", "re");
	FILE *out = open_memstream(&page, &length);
	fuzz_check(report && out, "no memory");
	int result = picture_of_report(out, report);
	fclose(out);
	fclose(report);
	if (result < 0) {
		fuzz_check(!length, "%zu bytes", length);
	} else {
		fuzz_check(!strncmp(page, picture_page, strlen(picture_page)) &&
				   length >= strlen(picture_page) + strlen(rest) &&
				   !strcmp(page + length - strlen(rest), rest),
			"%zu bytes", length);
		check_part(page + strlen(picture_page), page + length - strlen(rest),
			data, size);
	}
	free(page);
	return 0;
}
