/* SPDX-License-Identifier: MIT */
#include "rawfd.h"

#include "endpoint.h"
#include "sockopt.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { RAWFD_PAGE = 4096, RAWFD_BITS = 64, RAWFD_TRIED = 32 };

/* How many runs have begun in this process, times RAWFD_RUN, and how many there are. */
static uint64_t rawfd_runs;
static const uint64_t RAWFD_RUN = (uint64_t)1 << 32;

const struct kind rawfd_kind = {
	.index = KIND_COUNT,
	.word = "fd",
	.title = "fd",
	.fate = "not closed (run with --debug for the line)",
	.waits = "waits",
	.help = "close()",
	.outcome = "abandoned", /* it is the plugin's */
	.ageless = true,
};

/* The set ------------------------------------------------------------------------ */

static bool set_has(const struct rawfd_set *set, int fd) {
	size_t word = (size_t)fd / RAWFD_BITS;
	return word < set->count && set->words[word] >> fd % RAWFD_BITS & 1;
}

/* Has room for that word. Without memory the set stays as it is. */
static bool set_grow(struct rawfd_set *set, size_t word) {
	if (word < set->count) {
		return true;
	}
	if (word < RAWFD_FIRST) {
		set->words = set->first;
		set->count = RAWFD_FIRST;
		return true;
	}
	size_t old = set->count * sizeof *set->words;
	size_t size = (word + 1) * sizeof *set->words;
	size = (size + RAWFD_PAGE - 1) / RAWFD_PAGE * RAWFD_PAGE;
	bool paged = set->words && set->words != set->first;
	void *words = paged ? mremap(set->words, old, size, MREMAP_MAYMOVE)
			    : mmap(NULL, size, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (words == MAP_FAILED) {
		return false;
	}
	if (!paged && old) {
		memcpy(words, set->first, old);
	}
	set->words = words;
	set->count = size / sizeof *set->words;
	return true;
}

static void set_add(struct rawfd_set *set, int fd) {
	if (fd >= 0 && set_grow(set, (size_t)fd / RAWFD_BITS)) {
		set->words[fd / RAWFD_BITS] |= UINT64_C(1) << fd % RAWFD_BITS;
	}
}

static void set_drop(struct rawfd_set *set, int fd) {
	if (fd >= 0 && set_has(set, fd)) {
		set->words[fd / RAWFD_BITS] &= ~(UINT64_C(1) << fd % RAWFD_BITS);
	}
}

static void set_finish(struct rawfd_set *set) {
	if (set->words && set->words != set->first) {
		munmap(set->words, set->count * sizeof *set->words);
	}
	*set = (struct rawfd_set){0};
}

static void set_of_registry(struct rawfd_set *set, const struct registry *registry) {
	for (int i = 0; i < KIND_COUNT; i++) {
		registry_each (object, registry, i) {
			if (object->kind->fd) {
				set_add(set, object->kind->fd(object));
			}
		}
	}
}

/* What is open ------------------------------------------------------------------- */

/* linux_dirent64, which no header of the C library has under this name. */
struct rawfd_entry {
	uint64_t inode;
	int64_t offset;
	unsigned short length;
	unsigned char type;
	char name[];
};

static int entry_fd(const struct rawfd_entry *entry) {
	int fd = 0;
	for (const char *digit = entry->name; *digit; digit++) {
		if (*digit < '0' || *digit > '9') {
			return -1;
		}
		fd = fd * 10 + (*digit - '0');
	}
	return fd;
}

/* readdir(3) would call malloc. */
static void rawfd_list(int folder, void (*found)(void *context, int fd), void *context) {
	_Alignas(struct rawfd_entry) char buffer[1024];
	lseek(folder, 0, SEEK_SET);
	long size;
	while ((size = syscall(SYS_getdents64, folder, buffer, sizeof buffer)) > 0) {
		for (long at = 0; at < size;) {
			const void *place = buffer + at;
			const struct rawfd_entry *entry = place;
			int fd = entry_fd(entry);
			if (fd >= 0) {
				found(context, fd);
			}
			at += entry->length;
		}
	}
}

static void rawfd_remember(void *context, int fd) {
	set_add(context, fd);
}

/*
 * How many are open is the size of /proc/self/fd since Linux 6.2: a few are tried one by one,
 * which takes half the time of a list. Returns false where that does not find them all.
 */
static bool rawfd_try(struct rawfd *rawfd) {
	struct stat folder;
	off_t found = 0;
	if (fstat(rawfd->folder, &folder) < 0) {
		return false;
	}
	for (int fd = 0; found < folder.st_size && fd < RAWFD_TRIED; fd++) {
		if (fcntl(fd, F_GETFD) >= 0) {
			set_add(&rawfd->known, fd);
			found++;
		}
	}
	return folder.st_size > 0 && found == folder.st_size;
}

int rawfd_baseline(struct rawfd *rawfd) {
	*rawfd = (struct rawfd){.turn = rawfd->turn, .beside = rawfd->beside};
	rawfd->folder = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (rawfd->folder < 0) {
		return -1;
	}
	if (!rawfd_try(rawfd)) {
		rawfd_list(rawfd->folder, rawfd_remember, &rawfd->known);
	}
	return 0;
}

void rawfd_begin(struct rawfd *rawfd) {
	uint64_t before =
		__atomic_fetch_add(&rawfd_runs, RAWFD_RUN + 1, __ATOMIC_SEQ_CST);
	rawfd->beside = (uint32_t)before != 0;
	rawfd->turn = (uint32_t)(before / RAWFD_RUN) + 1;
}

bool rawfd_alone(const struct rawfd *rawfd) {
	uint64_t now = __atomic_load_n(&rawfd_runs, __ATOMIC_SEQ_CST);
	return !rawfd->beside &&
	       (!rawfd->turn || rawfd->turn == (uint32_t)(now / RAWFD_RUN));
}

void rawfd_forked(void) {
	rawfd_runs = 0;
}

void rawfd_finish(struct rawfd *rawfd) {
	if (rawfd->turn) {
		__atomic_fetch_sub(&rawfd_runs, 1, __ATOMIC_SEQ_CST);
		rawfd->turn = 0;
	}
	if (rawfd->folder > 0) {
		close(rawfd->folder);
	}
	rawfd->folder = -1;
	set_finish(&rawfd->known);
}

void rawfd_disown(struct rawfd *rawfd, int fd) {
	set_drop(&rawfd->known, fd);
}

struct rawfd_search {
	const struct rawfd *rawfd;
	struct rawfd_set listed;
	void (*found)(void *context, int fd);
	void *context;
};

static void rawfd_filter(void *context, int fd) {
	struct rawfd_search *search = context;
	if (!set_has(&search->rawfd->known, fd) && !set_has(&search->listed, fd)) {
		search->found(search->context, fd);
	}
}

void rawfd_each(const struct rawfd *rawfd, const struct registry *registry,
	void (*found)(void *context, int fd), void *context) {
	if (rawfd->folder < 0 || !rawfd->known.words || !rawfd_alone(rawfd)) {
		return;
	}
	struct rawfd_search search = {rawfd, {0}, found, context};
	set_of_registry(&search.listed, registry);
	rawfd_list(rawfd->folder, rawfd_filter, &search);
	set_finish(&search.listed);
}

/* What it is --------------------------------------------------------------------- */

/* Not escaped, and all of an abstract name: it may hold zero bytes. */
static void add_unix(struct text *out, const struct address *address) {
	size_t length = address->length - offsetof(struct sockaddr_un, sun_path);
	const char *path = address->un.sun_path;
	text_add(out, "unix ");
	if (*path) {
		length = strnlen(path, length);
	} else {
		text_add(out, "@");
		path++;
		length--;
	}
	for (size_t i = 0; i < length; i++) {
		text_add(out, "%c", path[i] ? path[i] : '@');
	}
}

static bool is_named(const struct address *address) {
	int family = address->length ? address->any.sa_family : AF_UNSPEC;
	return family == AF_INET || family == AF_INET6 ||
	       (family == AF_UNIX &&
		       address->length > offsetof(struct sockaddr_un, sun_path));
}

static const char *socket_type(int fd) {
	int domain = sockopt_get(fd, SO_DOMAIN), type = sockopt_get(fd, SO_TYPE);
	if (domain == AF_UNIX) {
		return "unix";
	}
	if (domain == AF_INET || domain == AF_INET6) {
		return type == SOCK_STREAM ? "tcp" : type == SOCK_DGRAM ? "udp" : "raw";
	}
	return domain == AF_NETLINK ? "netlink" : "socket";
}

/* The other end's address where it is connected, else its own. */
static const char *name_socket(int fd, struct text *out) {
	const char *type = socket_type(fd);
	struct address address;
	address_peer(&address, fd);
	bool connected = address.length > 0;
	if (!is_named(&address)) {
		address_local(&address, fd);
	}
	if (!is_named(&address)) {
		bool pair = connected && strcmp(type, "unix") == 0;
		text_add(out, "%s", pair ? "socketpair" : type);
	} else if (address.any.sa_family == AF_UNIX) {
		add_unix(out, &address);
	} else {
		text_add(out, "%s ", type);
		address_text(out, &address);
	}
	return type;
}

/* "anon_inode:[eventfd]" and "anon_inode:inotify" are an eventfd and an inotify. */
static const char *name_anonymous(char *link, struct text *out) {
	static const char *const types[] = {"eventfd", "eventpoll", "timerfd", "signalfd",
		"pidfd", "inotify", "fanotify", "io_uring", "userfaultfd"};
	char *name = strchr(link, ':') + 1;
	name += *name == '[';
	name[strcspn(name, "]")] = '\0';
	text_add(out, "%s", name);
	for (size_t i = 0; i < count_of(types); i++) {
		if (strcmp(name, types[i]) == 0) {
			return types[i];
		}
	}
	return "anonymous";
}

static const char *file_type(int fd) {
	struct stat status;
	if (fstat(fd, &status) < 0) {
		return "?";
	}
	switch (status.st_mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "folder";
	case S_IFIFO:
		return "pipe";
	case S_IFSOCK:
		return "socket";
	default:
		return "device";
	}
}

const char *rawfd_name(const struct rawfd *rawfd, int fd, struct text *out) {
	char number[16], link[1024];
	struct text digits;
	text_fixed(&digits, number, sizeof number);
	text_add(&digits, "%d", fd);
	ssize_t length = readlinkat(rawfd->folder, number, link, sizeof link - 1);
	link[length < 0 ? 0 : length] = '\0';
	if (strncmp(link, "socket:", 7) == 0) {
		return name_socket(fd, out);
	}
	if (strncmp(link, "anon_inode:", 11) == 0) {
		return name_anonymous(link, out);
	}
	bool pipe = strncmp(link, "pipe:", 5) == 0;
	text_add(out, "%s", pipe ? "pipe" : *link ? link : "?");
	return file_type(fd);
}

static const char *access_name(int flags) {
	static const char *const names[] = {
		"O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"};
	return flags & O_PATH ? "O_PATH" : names[flags & O_ACCMODE];
}

void rawfd_flags(int fd, struct text *out) {
	int flags = fcntl(fd, F_GETFL);
	if (flags >= 0) {
		text_add(out, "%s%s%s", access_name(flags),
			flags & O_APPEND ? "|O_APPEND" : "",
			flags & O_NONBLOCK ? "|O_NONBLOCK" : "");
	}
}

void rawfd_detail(int fd, const char *type, struct text *out) {
	text_add(out, "\"type\": ");
	text_json(out, type);
	size_t before = out->length;
	text_add(out, ", \"flags\": \"");
	size_t start = out->length;
	rawfd_flags(fd, out);
	if (out->length > start) {
		text_add(out, "\"");
	} else {
		text_cut(out, out->length - before);
	}
	off_t at = strcmp(type, "file") == 0 ? lseek(fd, 0, SEEK_CUR) : -1;
	if (at >= 0) {
		text_add(out, ", \"pos\": %ld", (long)at);
	}
}
