/* SPDX-License-Identifier: MIT */
/*
 * fields - where the fields that `arun ps` reads lie in the other process' structs, as its
 * own table (layout.h) says: it may be of another version of arun.
 */
#ifndef FIELDS_H
#define FIELDS_H

#include "remote.h"

/* X(name in capitals, "STRUCT.MEMBER", size; 0: any) */
/* clang-format off */
#define FIELDS(X)                                                                        \
	X(RUN_OBJECTS, "run.objects", 0)                                                 \
	X(RUN_LAST_ID, "run.last_id", 8)                                                 \
	X(RUN_ORIGINS, "run.origins", 8)                                                 \
	X(RUN_NOW, "run.now", 8)                                                         \
	X(RUN_CURRENT, "run.current", 8)                                                 \
	X(RUN_STOPPING, "run.stopping", 1)                                               \
	X(RUN_PLUGIN_PATH, "run.plugin_path", 8)                                         \
	X(RUN_ENTRY, "run.entry", 8)                                                     \
	X(RUN_BUILD_ID, "run.build_id", 65)                                              \
	X(RUN_STARTED, "run.started", 8)                                                 \
	X(RUN_SERVER, "run.server", 1)                                                   \
	X(RUN_YIELDED, "run.yielded", 1)                                                 \
	X(LIST, "list.", 0)                                                              \
	X(LIST_NEXT, "list.next", 8)                                                     \
	X(LIST_PREV, "list.prev", 8)                                                     \
	X(OBJECT, "object.", 0)                                                          \
	X(OBJECT_LINK, "object.link", 0)                                                 \
	X(OBJECT_KIND, "object.kind", 8)                                                 \
	X(OBJECT_SITE, "object.site", 8)                                                 \
	X(OBJECT_OWNER, "object.owner", 8)                                               \
	X(OBJECT_MAKER, "object.maker", 8)                                              \
	X(OBJECT_ID, "object.id", 8)                                                     \
	X(OBJECT_BORN, "object.born", 8)                                                 \
	X(OBJECT_PART, "object.part", 1)                                                 \
	X(KIND_WORD, "kind.word", 8)                                                     \
	X(KIND_TITLE, "kind.title", 8)                                                   \
	X(KIND_PLURAL, "kind.plural", 8)                                                 \
	X(KIND_HELP, "kind.help", 8)                                                     \
	X(SITE_FILE, "site.file", 8)                                                     \
	X(SITE_FUNCTION, "site.function", 8)                                             \
	X(SITE_LINE, "site.line", 4)                                                     \
	X(TASK, "task.", 0)                                                              \
	X(TASK_OBJECT, "task.object", 0)                                                 \
	X(TASK_SP, "task.sp", 8)                                                         \
	X(TASK_STATE, "task.state", 1)                                                   \
	X(TASK_CANCELLED, "task.cancelled", 1)                                           \
	X(TASK_AT, "task.at", 8)                                                         \
	X(TASK_OP, "task.op", 8)                                                         \
	X(TASK_SINCE, "task.since", 8)                                                   \
	X(TASK_TIMED, "task.timed", 1)                                                   \
	X(TASK_UNTIL, "task.until", 8)                                                   \
	X(TASK_AWAITS, "task.awaits", 8)                                                 \
	X(TASK_STACK, "task.stack", 8)                                                   \
	X(TASK_STACK_SIZE, "task.stack_size", 4)                                         \
	X(TASK_NAME, "task.name", 8)                                                     \
	X(TASK_RUNS, "task.runs", 8)                                                     \
	X(TASK_SCOPES, "task.scopes", 8)                                                 \
	X(SCOPE_SEVERAL, "scope.several", 1)                                             \
	X(CHOICE_SCOPE, "choice.scope", 0)                                               \
	X(CHOICE_CASES, "choice.cases", 8)                                               \
	X(CHOICE_COUNT, "choice.count", 8)                                               \
	X(CASE, "case.", 0)                                                              \
	X(CASE_CHAN, "case.chan", 8)                                                     \
	X(CHAN_OBJECT, "channel.object", 0)                                              \
	X(READY, "TASK_READY", 0)                                                        \
	X(WAITING, "TASK_WAITING", 0)                                                    \
	X(ENDED, "TASK_ENDED", 0)                                                        \
	X(FAILED, "KIND_FAILED", 0)                                                      \
	X(CONN, "connection.", 0)                                                        \
	X(CONN_OBJECT, "connection.object", 0)                                           \
	X(CONN_FD, "connection.fd", 4)                                                   \
	X(CONN_IN, "connection.in", 8)                                                   \
	X(CONN_OUT, "connection.out", 8)                                                 \
	X(CONN_PEER, "connection.peer", 0)                                               \
	X(CONN_PEER_LENGTH, "connection.peer_length", 4)                                 \
	X(CONN_TASK, "connection.task", 8)                                               \
	X(CONN_HANDLER_NAME, "connection.handler_name", 8)                               \
	X(SERVER, "server.", 0)                                                          \
	X(SERVER_OBJECT, "server.object", 0)                                             \
	X(SERVER_FD, "server.fd", 4)                                                     \
	X(SERVER_ADDRESS, "server.address", 8)                                           \
	X(SERVER_NAME, "server.name", 8)                                                 \
	X(SERVER_HANDLER_NAME, "server.handler_name", 8)                                 \
	X(SERVER_ACCEPTED, "server.accepted", 8)                                         \
	X(SERVER_OPEN, "server.open", 4)                                                 \
	X(SERVER_PAUSED, "server.paused", 1)                                             \
	X(SERVER_CLOSING, "server.closing", 8)                                           \
	X(GEN, "generator.", 0)                                                          \
	X(GEN_OBJECT, "generator.object", 0)                                             \
	X(GEN_NAME, "generator.name", 8)                                                 \
	X(GEN_BODY, "generator.body", 8)                                                 \
	X(GEN_SUSPENDED, "generator.suspended", 1)                                       \
	X(GEN_STARTED, "generator.started", 1)                                           \
	X(GEN_ENDED, "generator.ended", 1)                                               \
	X(GEN_YIELDED, "generator.yielded", 8)                                           \
	X(TIMER, "timer.", 0)                                                            \
	X(TIMER_OBJECT, "timer.object", 0)                                               \
	X(TIMER_NAME, "timer.name", 8)                                                   \
	X(TIMER_NEXT, "timer.next", 8)                                                   \
	X(TIMER_EVERY, "timer.every", 8)                                                 \
	X(TIMER_FIRED, "timer.fired", 8)                                                 \
	X(PROCESS, "process.", 0)                                                        \
	X(PROCESS_OBJECT, "process.object", 0)                                           \
	X(PROCESS_WORDS, "process.words", 8)                                             \
	X(PROCESS_PID, "process.pid", 4)                                                 \
	X(PROCESS_ENDED, "process.ended", 1)                                             \
	X(DATAGRAM, "datagram.", 0)                                                      \
	X(DATAGRAM_OBJECT, "datagram.object", 0)                                         \
	X(DATAGRAM_LOCAL, "datagram.local", 8)                                           \
	X(DATAGRAM_FD, "datagram.fd", 4)                                                 \
	X(DATAGRAM_RECEIVED, "datagram.received", 8)                                     \
	X(DATAGRAM_SENT, "datagram.sent", 8)                                             \
	X(GROUP, "group.", 0)                                                            \
	X(GROUP_OBJECT, "group.object", 0)                                               \
	X(GROUP_WAITING, "group.waiting", 1)                                             \
	X(GROUP_RUNNING, "group.running", 4)                                             \
	X(GROUP_ENDED, "group.ended", 4)                                                 \
	X(WATCHER, "watcher.", 0)                                                        \
	X(WATCHER_OBJECT, "watcher.object", 0)                                           \
	X(WATCHER_NAME, "watcher.name", 8)                                               \
	X(WATCHER_FD, "watcher.fd", 4)
/* clang-format on */

#define FIELDS_NAME(name, text, size) FIELD_##name,
enum field { FIELDS(FIELDS_NAME) FIELD_COUNT };

enum { FIELDS_STRUCT = 8192, FIELDS_VERSION = 16 };

struct fields {
	char version[FIELDS_VERSION]; /* of the other arun */
	struct {
		uint32_t offset, size;
	} at[FIELD_COUNT];
};

/*
 * Reads the table at that address, checks that it has every field, of the expected size
 * and within its struct, and no struct is larger than FIELDS_STRUCT. Returns 0; -1: it is
 * of another version, whose name fields->version is.
 */
int fields_read(struct fields *fields, const struct remote *remote, uint64_t address);

/* A copy of one struct. */
struct copy {
	const struct fields *fields;
	uint64_t address; /* of the original */
	size_t size;
	unsigned char bytes[FIELDS_STRUCT];
};

/* The value of a number, a bool or a pointer in a copy, or in the struct that begins so many
 * bytes inside it. */
uint64_t field_inside(const struct copy *copy, uint32_t start, enum field field);
uint64_t field_number(const struct copy *copy, enum field field);

/* What a number is as a double. */
double field_seconds(uint64_t number);

/* The value of a constant. */
static inline uint32_t field_constant(const struct fields *fields, enum field field) {
	return fields->at[field].offset;
}

#endif
