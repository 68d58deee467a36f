/* SPDX-License-Identifier: MIT */
/*
 * Any file is one that dlopen(3) may be given, or one line that says what is wrong with it, and that
 * takes no time to speak of.
 */
#include "fuzz.h"

#include "../../loader/dynamic.h"
#include "../../loader/entries.h"
#include "../../loader/loader.h"
#include "../../loader/tables.h"
#include "clean.h"

#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* Seconds of CPU that a look may take; an instrumented one, too. */
#define LONGEST 2.0

static double cpu_seconds(void) {
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void check_error(const struct loader_error *error, const char *path) {
	fuzz_check(error->status == 126, "%d", error->status);
	fuzz_check(!strncmp(error->text, path, strlen(path)) &&
			   strlen(error->text) > strlen(path) && clean_text(error->text),
		"%s", error->text);
}

/* All symbols, and the strings that they name, lie in what was read. */
static void check_exports(const struct dynamic *dynamic) {
	size_t index = 0, count = 0;
	for (const char *name; (name = dynamic_next_export(dynamic, "", &index));) {
		const char *end = dynamic->strings + dynamic->strings_size;
		fuzz_check(!*name || (name >= dynamic->strings &&
					     name + strlen(name) <= end),
			"symbol %zu", index);
		count++;
	}
	fuzz_check(count <= dynamic->symbol_count && index <= dynamic->symbol_count + 1,
		"%zu of %zu", count, dynamic->symbol_count);
	fuzz_check(count || !entries_any(dynamic), "an entry, and no symbol");
}

/* What loader_open() does before it opens the file. */
static void look(const char *path) {
	struct elf_file file;
	struct dynamic dynamic = {.tags = NULL};
	struct loader_error error = {.status = 0};
	if (elf_open(path, &file, &error) < 0) {
		check_error(&error, path);
		return;
	}
	if (dynamic_read(&file, &dynamic, &error) < 0) {
		check_error(&error, path);
	} else {
		tables_check(&file, &dynamic);
		fuzz_check(!file.oddity || clean_text(file.oddity), "%s", file.oddity);
		check_exports(&dynamic);
	}
	dynamic_finish(&dynamic);
	elf_finish(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	char path[64];
	double begin = cpu_seconds();
	int fd = memfd_create("plugin", MFD_CLOEXEC);
	fuzz_check(fd >= 0 && write(fd, data, size) == (ssize_t)size, "no file");
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	look(path);
	close(fd);
	fuzz_check(cpu_seconds() - begin < LONGEST, "%g s", cpu_seconds() - begin);
	return 0;
}
