/* SPDX-License-Identifier: MIT */
#include "remote.h"

#include "symbol.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PAGE = 4096, PIECE = 256, PATH_ROOM = 64 };

static int fail(struct remote *remote, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int fail(struct remote *remote, const char *format, ...) {
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(remote->error, sizeof remote->error, format, arguments);
	va_end(arguments);
	return -1;
}

static FILE *open_proc(const struct remote *remote, const char *name) {
	char path[PATH_ROOM];
	snprintf(path, sizeof path, "/proc/%d/%s", (int)remote->pid, name);
	return fopen(path, "re");
}

/* Yama's: who else may not look; 0 where there is none. */
static int yama_scope(void) {
	int scope = 0;
	FILE *file = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
	if (file) {
		if (fscanf(file, "%d", &scope) != 1) {
			scope = 0;
		}
		fclose(file);
	}
	return scope;
}

static int fail_errno(struct remote *remote, int error) {
	if (error == ENOENT && (kill(remote->pid, 0) == 0 || errno == EPERM)) {
		return fail(remote,
			"not in /proc, which is not mounted here, or hides it (hidepid)");
	}
	if (error == ENOENT || error == ESRCH) {
		return fail(remote, "no such process");
	}
	if (error != EACCES && error != EPERM) {
		return fail(remote, "cannot be read: %s", strerror(error));
	}
	int scope = yama_scope();
	bool root = geteuid() == 0;
	if (scope > (root ? 2 : 0)) { /* 3: not even root */
		return fail(remote,
			"not permitted; be its user or root (kernel.yama.ptrace_scope is %d)",
			scope);
	}
	return fail(remote, root ? "not permitted; root needs CAP_SYS_PTRACE for it"
				 : "not permitted; be its user or root");
}

static void read_exe(struct remote *remote) {
	char path[PATH_ROOM];
	snprintf(path, sizeof path, "/proc/%d/exe", (int)remote->pid);
	ssize_t length = readlink(path, remote->exe, sizeof remote->exe - 1);
	remote->exe[length > 0 ? length : 0] = '\0';
}

int remote_open(struct remote *remote, pid_t pid) {
	*remote = (struct remote){.pid = pid};
	if (kill(pid, 0) < 0 && errno == ESRCH) {
		return fail_errno(remote, ESRCH);
	}
	read_exe(remote);
	remote->maps = open_proc(remote, "maps");
	return remote->maps ? 0 : fail_errno(remote, errno);
}

void remote_close(struct remote *remote) {
	if (remote->maps) {
		fclose(remote->maps);
		remote->maps = NULL;
	}
}

char remote_state(const struct remote *remote) {
	char text[512];
	FILE *file = open_proc(remote, "stat");
	if (!file) {
		return 0;
	}
	size_t length = fread(text, 1, sizeof text - 1, file);
	fclose(file);
	text[length] = '\0';
	/* "PID (NAME) STATE", where NAME may hold anything. */
	const char *end = strrchr(text, ')');
	return end && end[1] ? end[2] : 0;
}

/* Memory */

bool remote_read(
	const struct remote *remote, uint64_t address, void *buffer, size_t size) {
	struct iovec local = {buffer, size};
	struct iovec there = {(void *)(uintptr_t)address, size};
	return process_vm_readv(remote->pid, &local, 1, &there, 1, 0) == (ssize_t)size;
}

bool remote_read_both(const struct remote *remote, const struct remote_piece *first,
	const struct remote_piece *second) {
	struct iovec local[] = {
		{first->buffer, first->size}, {second->buffer, second->size}};
	struct iovec there[] = {{(void *)(uintptr_t)first->address, first->size},
		{(void *)(uintptr_t)second->address, second->size}};
	return process_vm_readv(remote->pid, local, 2, there, 2, 0) ==
	       (ssize_t)(first->size + second->size);
}

bool remote_string(
	const struct remote *remote, uint64_t address, char *buffer, size_t size) {
	size_t length = 0;
	while (length + 1 < size) {
		size_t piece =
			PAGE - (address + length) % PAGE; /* the next may be unmapped */
		piece = piece > PIECE ? PIECE : piece;
		piece = piece > size - 1 - length ? size - 1 - length : piece;
		if (!remote_read(remote, address + length, buffer + length, piece)) {
			buffer[length] = '\0';
			return length > 0;
		}
		if (memchr(buffer + length, '\0', piece)) {
			return true;
		}
		length += piece;
	}
	buffer[length] = '\0';
	return true;
}

/* Symbols */

/* Whether the line of maps is the start of a mapped file, and where. */
static bool file_start(const char *line, uint64_t *start) {
	unsigned long long from, offset, inode;
	char readable;
	if (sscanf(line, "%llx-%*x %c%*3c %llx %*x:%*x %llu", &from, &readable, &offset,
		    &inode) != 4) {
		return false;
	}
	*start = from;
	return readable == 'r' && offset == 0 && inode != 0;
}

static bool find_all(const struct remote *remote, uint64_t start,
	const char *const *names, uint64_t *addresses, size_t count) {
	struct symbol_image image;
	if (symbol_open(&image, remote, start) < 0) {
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		addresses[i] = symbol_find(&image, names[i]);
		if (!addresses[i]) {
			return false;
		}
	}
	return true;
}

static int fail_symbols(struct remote *remote, bool any, uint64_t start) {
	char byte;
	if (!any) {
		bool zombie = remote_state(remote) == 'Z';
		return fail(remote, "not a process of arun (it %s)",
			zombie ? "has ended" : "is the kernel's");
	}
	errno = 0;
	if (!remote_read(remote, start, &byte, 1) && errno != EFAULT && errno != EIO) {
		return fail_errno(remote, errno);
	}
	return fail(remote, "not a process of arun (it runs %s)",
		*remote->exe ? remote->exe : "something that cannot be seen");
}

int remote_symbols(struct remote *remote, const char *const *names, uint64_t *addresses,
	size_t count) {
	char *line = NULL;
	size_t size = 0;
	bool any = false, found = false;
	uint64_t start, last = 0;
	rewind(remote->maps);
	while (!found && getline(&line, &size, remote->maps) > 0) {
		any = true;
		if (file_start(line, &start)) {
			last = start;
			found = find_all(remote, start, names, addresses, count);
		}
	}
	free(line);
	return found ? 0 : fail_symbols(remote, any, last);
}
