/* SPDX-License-Identifier: MIT */
/*
 * Workers may say anything to their parent, which stays whole: each question has one answer, a socket
 * is shared under the name that it was opened for, and no descriptor is left. A line of the input is
 * a message: who says it (two workers: a, b; A, B: an answer finds no room at first), how many
 * descriptors go with it, and its text.
 */
#include "fuzz.h"

#include "../../cli/keeper.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WORKERS = 2, FDS_MOST = 4, DESCRIPTORS = 256, ROOM = 4096 };

static struct {
	struct keeper keeper;
	struct keeper_line lines[WORKERS];
	int workers[WORKERS]; /* the other ends */
} world;

/* How many descriptors are open. */
static int count_open(void) {
	int count = 0;
	for (int fd = 0; fd < DESCRIPTORS; fd++) {
		count += fcntl(fd, F_GETFD) >= 0;
	}
	return count;
}

static void send_message(int fd, const char *text, size_t size, int fds) {
	static const int none[FDS_MOST] = {0};
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof none)];
	} control = {.header = {.cmsg_len = CMSG_LEN((size_t)fds * sizeof *none),
			     .cmsg_level = SOL_SOCKET,
			     .cmsg_type = SCM_RIGHTS}};
	struct iovec part = {(void *)(uintptr_t)text, size};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	if (fds) {
		memcpy(CMSG_DATA(&control.header), none, (size_t)fds * sizeof *none);
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE((size_t)fds * sizeof *none);
	}
	sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Reads what there is of answers. Returns how many. */
static int hear_answers(int fd) {
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof fd)];
	} control;
	char kind;
	struct iovec part = {&kind, 1};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	int count = 0;
	for (;; count++) {
		int passed = -1;
		message.msg_control = &control;
		message.msg_controllen = sizeof control.room;
		if (recvmsg(fd, &message, MSG_DONTWAIT) <= 0) {
			return count;
		}
		if (message.msg_controllen >= CMSG_LEN(sizeof passed)) {
			memcpy(&passed, CMSG_DATA(&control.header), sizeof passed);
			close(passed);
		}
		fuzz_check(strchr("HOR", kind) && (kind == 'H') == (passed >= 0),
			"%c with %d", kind, passed);
	}
}

/* Leaves no room for an answer. */
static void fill(int fd) {
	const int room = ROOM;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	while (send(fd, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT) > 0) {
	}
}

static void empty(int fd) {
	char byte;
	while (recv(fd, &byte, 1, MSG_DONTWAIT) > 0) {
	}
}

static void answer_all(void) {
	for (int i = 0; i < WORKERS; i++) {
		keeper_answer(&world.keeper, &world.lines[i]);
	}
}

/* Whether it has its answer at once: of a failure where nobody else speaks, and of a name that is too
 * long, whatever is kept. */
static bool is_answered(const struct keeper_line *line, const char *text, size_t size) {
	bool speaks = world.keeper.speaker < 0 || world.keeper.speaker == line->fd;
	return line->fd >= 0 && size > 1 && text[1] &&
	       ((text[0] == 'S' && speaks) ||
		       (text[0] == 'A' && strnlen(text, size) > KEEPER_NAME));
}

static void say(const char *text, size_t size) {
	size_t who = size ? (unsigned char)text[0] % WORKERS : 0;
	int fds = size > 1 ? (unsigned char)(text[1] - '0') % (FDS_MOST + 1) : 0;
	struct keeper_line *line = &world.lines[who];
	size_t skip = size < 2 ? size : 2;
	bool waited = line->question, full = size && text[0] >= 'A' && text[0] <= 'Z';
	int waits_other = world.lines[!who].question != 0;
	if (line->fd < 0) {
		return;
	}
	if (full) {
		fill(line->fd);
	}
	send_message(world.workers[who], text + skip, size - skip, fds);
	keeper_serve(&world.keeper, line);
	answer_all();
	if (full) {
		empty(world.workers[who]);
		answer_all();
	}
	int answers = hear_answers(world.workers[who]);
	fuzz_check(answers <= 1 && (!answers || waited ||
					   (size > skip && strchr("AS", text[skip]))),
		"%d answers", answers);
	fuzz_check(answers || !is_answered(line, text + skip, size - skip), "none");
	answers = hear_answers(world.workers[!who]);
	fuzz_check(answers <= waits_other, "%d of another's", answers);
}

/* Who fails waits for another to say so at the most. */
static void check_questions(void) {
	for (int i = 0; i < WORKERS; i++) {
		const struct keeper_line *line = &world.lines[i];
		fuzz_check(line->question != 'S' ||
				   (world.keeper.speaker >= 0 &&
					   world.keeper.speaker != line->fd),
			"%d waits", i);
	}
}

static void check_kept(void) {
	for (size_t i = 0; i < KEEPER_SOCKETS; i++) {
		const struct kept *kept = &world.keeper.kept[i];
		for (size_t j = 0; *kept->name && j < i; j++) {
			fuzz_check(strcmp(kept->name, world.keeper.kept[j].name) != 0,
				"%s twice", kept->name);
		}
	}
	fuzz_check(world.keeper.sum.count <= SUM_KINDS &&
			   world.keeper.sum.workers <= WORKERS,
		"%u workers", world.keeper.sum.workers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	int before = count_open();
	memset(&world, 0, sizeof world);
	world.keeper.opener = world.keeper.speaker = -1;
	for (int i = 0; i < WORKERS; i++) {
		fuzz_check(keeper_connect(&world.lines[i], &world.workers[i]) == 0,
			"no socket");
	}
	for (const uint8_t *end = data + size; data < end;) {
		const uint8_t *newline = memchr(data, '\n', (size_t)(end - data));
		size_t length = (size_t)((newline ? newline : end) - data);
		say((const char *)data, length);
		check_kept();
		check_questions();
		data += length + (newline != NULL);
	}
	for (int i = 0; i < WORKERS; i++) {
		keeper_disconnect(&world.keeper, &world.lines[i]);
		close(world.workers[i]);
	}
	keeper_drop(&world.keeper, 0);
	fuzz_check(count_open() == before, "%d descriptors, %d before", count_open(),
		before);
	return 0;
}
