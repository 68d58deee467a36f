/* SPDX-License-Identifier: MIT */
#include "file.h"

#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int no_such_file(const char *path, struct loader_error *error) {
	struct stat st;
	char *guess = NULL;
	if (!lstat(path, &st)) {
		return error_set(error, 127, path, ": is a symbolic link to no file");
	}
	if (asprintf(&guess, "%s.so", path) < 0) {
		return error_no_memory(error, path);
	}
	if (*path && !stat(guess, &st)) {
		error_set(error, 127, path, ": no such file; did you mean %s?", guess);
	} else {
		error_set(error, 127, path, ": no such file");
	}
	free(guess);
	return -1;
}

static int cannot_open(const char *path, struct loader_error *error) {
	if (errno == ENOENT) {
		return no_such_file(path, error);
	}
	return error_set(error, errno == ENOTDIR ? 127 : 126, path,
		": cannot open shared object file: %s", strerror(errno));
}

static int not_regular(const char *path, mode_t mode, struct loader_error *error) {
	const char *kind = S_ISDIR(mode)    ? "folder"
			   : S_ISFIFO(mode) ? "FIFO"
			   : S_ISSOCK(mode) ? "socket"
					    : "device";
	return error_set(error, 126, path, ": is a %s", kind);
}

int file_open(const char *path, uint64_t *size, struct loader_error *error) {
	struct stat st;
	/* Looked at before it is opened: opening some devices does something. */
	if (stat(path, &st)) {
		return cannot_open(path, error);
	}
	if (!S_ISREG(st.st_mode)) {
		return not_regular(path, st.st_mode, error);
	}
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		return cannot_open(path, error);
	}
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return not_regular(path, st.st_mode, error);
	}
	*size = (uint64_t)st.st_size;
	return fd;
}

/* The compiler of the language that the suffix names; NULL: of none. */
static const char *compiler_of(const char *suffix) {
	static const char *const cxx[] = {".cc", ".cpp", ".cxx", ".c++", ".C"};
	if (!strcmp(suffix, ".c")) {
		return "cc";
	}
	for (size_t i = 0; i < sizeof cxx / sizeof *cxx; i++) {
		if (!strcmp(suffix, cxx[i])) {
			return "c++";
		}
	}
	return NULL;
}

int file_not_elf(
	const char *path, const char *start, size_t size, struct loader_error *error) {
	const char *typed = strncmp(path, "./", 2) ? path : path + 2;
	const char *suffix = strrchr(typed, '.');
	const char *compiler =
		suffix && !strchr(suffix, '/') ? compiler_of(suffix) : NULL;
	if (compiler && !memchr(start, '\0', size)) {
		return error_set(error, 126, path,
			": is %s source, not a plugin; build it with: "
			"%s -shared -fPIC -o %.*s.so %s $(pkg-config --cflags arun)",
			strcmp(compiler, "cc") ? "C++" : "C", compiler,
			(int)(suffix - typed), typed, typed);
	}
	if (size >= 8 && !memcmp(start, "!<arch>\n", 8)) {
		return error_set(
			error, 126, path, ": is a static library, not a shared one");
	}
	return error_set(error, 126, path, ": is not an ELF file");
}
