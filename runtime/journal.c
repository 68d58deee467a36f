/* SPDX-License-Identifier: MIT */
#include "journal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A message of several lines has its length before it, as 64 bits, lowest first. */
static void add_message(struct text *out, const char *line) {
	size_t length = strlen(line);
	length -= length && line[length - 1] == '\n';
	if (!memchr(line, '\n', length)) {
		text_add(out, "MESSAGE=");
	} else {
		text_add(out, "MESSAGE\n");
		for (int i = 0; i < 8; i++) {
			text_add(out, "%c", (int)(length >> 8 * i & 0xff));
		}
	}
	text_add(out, "%s", line);
	text_cut(out, strlen(line) - length);
	text_add(out, "\n");
}

static void add_field(struct text *out, const char *name, const char *value) {
	if (value && *value) {
		text_add(out, "%s=", name);
		text_escape(out, value);
		text_add(out, "\n");
	}
}

static void add_fields(struct text *out, const struct snapshot_group *group) {
	const struct snapshot_item *item = &group->items[0];
	if (group->site) {
		add_field(out, "CODE_FILE", group->site->file);
		text_add(out, "CODE_LINE=%d\n", group->site->line);
		add_field(out, "CODE_FUNC", group->site->function);
	}
	add_field(out, "ARUN_KIND", group->kind->word);
	text_add(out, "ARUN_COUNT=%lu\n", (unsigned long)group->count);
	if (group->kept) {
		add_field(out, "ARUN_NAME", item->name);
		text_add(out, "ARUN_ID=%lu\n", (unsigned long)item->id);
	}
}

static bool journal_send(const struct text *entry) {
	const struct sockaddr_un journal = {
		.sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket"};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return false;
	}
	ssize_t sent = sendto(fd, entry->data, entry->length, MSG_DONTWAIT | MSG_NOSIGNAL,
		(const struct sockaddr *)&journal, sizeof journal);
	close(fd);
	return sent == (ssize_t)entry->length;
}

bool journal_leak(
	const struct snapshot_group *group, const char *line, const char *plugin) {
	int error = errno;
	struct text entry;
	text_init(&entry);
	add_message(&entry, line);
	text_add(&entry, "MESSAGE_ID=%s\nPRIORITY=4\nSYSLOG_IDENTIFIER=arun\n",
		JOURNAL_LEAK);
	add_field(&entry, "ARUN_PLUGIN", plugin);
	add_fields(&entry, group);
	bool sent = journal_send(&entry);
	text_finish(&entry);
	errno = error;
	return sent;
}
