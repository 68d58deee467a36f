/* SPDX-License-Identifier: MIT */
#include "layout.h"

#include "accept.h"
#include "chan.h"
#include "gen.h"
#include "group.h"
#include "process.h"
#include "select.h"
#include "timer.h"
#include "udp.h"
#include "watcher.h"

/* clang-format off */
#define SIZE_OF(type, member) (uint32_t)sizeof(((type *)NULL)->member)
#define PLACE(type, member) (uint32_t)offsetof(type, member), SIZE_OF(type, member)

#define RUN(name, member)    {"run." name, PLACE(struct run, member)}
#define STRUCT(name, type)   {name ".", 0, sizeof(type)}
#define FIELD(type, member)  {#type "." #member, PLACE(struct type, member)}
#define TASK(member)         {"task." #member, PLACE(struct arun_task, member)}
#define CONN(name, member)   {"connection." name, PLACE(struct arun_conn, member)}
#define SERVER(name, member) {"server." name, PLACE(struct arun_server, member)}
#define GEN(member)          {"generator." #member, PLACE(struct arun_gen, member)}
#define TIMER(member)        {"timer." #member, PLACE(struct arun_timer, member)}
#define PROCESS(member)      {"process." #member, PLACE(struct arun_process, member)}
#define UDP(name, member)    {"datagram." name, PLACE(struct arun_udp, member)}
#define GROUP(member)        {"group." #member, PLACE(struct group, member)}
#define WATCHER(member)      {"watcher." #member, PLACE(struct watcher, member)}
#define CONSTANT(name)       {#name, name, 0}

const struct layout arun_layout = {
	.magic = {'a', 'r', 'u', 'n', '-', 'l', 'a', 'y'},
	.format = LAYOUT_FORMAT,
	.count = LAYOUT_ENTRIES,
	.version = ARUN_VERSION,
	.entries = {
		RUN("objects", loop.sched.registry.objects),
		RUN("last_id", loop.sched.registry.last_id),
		RUN("origins", loop.sched.registry.origins),
		RUN("now", loop.sched.registry.now),
		RUN("current", loop.sched.current),
		RUN("stopping", loop.sched.stopping),
		RUN("plugin_path", report.plugin_path),
		RUN("entry", report.entry),
		RUN("build_id", report.build_id),
		RUN("started", report.started),
		RUN("server", server),
		RUN("yielded", has_yielded),
		STRUCT("list", struct list), FIELD(list, next), FIELD(list, prev),
		STRUCT("object", struct object),
		FIELD(object, link), FIELD(object, kind), FIELD(object, site),
		FIELD(object, owner), FIELD(object, maker), FIELD(object, id), FIELD(object, born),
		FIELD(object, part), FIELD(object, background),
		FIELD(kind, word), FIELD(kind, title), FIELD(kind, plural), FIELD(kind, help),
		{"site.file", PLACE(struct arun_site, file)},
		{"site.function", PLACE(struct arun_site, function)},
		{"site.line", PLACE(struct arun_site, line)},
		STRUCT("task", struct arun_task),
		TASK(object), TASK(sp), TASK(state), TASK(cancelled), TASK(failed), TASK(at),
		TASK(op), TASK(since), TASK(timed), TASK(until), TASK(awaits), TASK(stack),
		TASK(stack_size), TASK(name), TASK(runs), TASK(scopes),
		FIELD(scope, several),
		{"choice.scope", PLACE(struct choice, several.scope)},
		FIELD(choice, cases), FIELD(choice, count),
		STRUCT("case", arun_chan_case), {"case.chan", PLACE(arun_chan_case, chan)},
		{"channel.object", PLACE(struct arun_chan, object)},
		CONSTANT(TASK_READY), CONSTANT(TASK_WAITING),
		CONSTANT(TASK_ENDED), CONSTANT(KIND_FAILED),
		STRUCT("connection", struct arun_conn),
		CONN("object", object), CONN("fd", watch.fd), CONN("in", in), CONN("out", out),
		CONN("peer", peer.any), CONN("peer_length", peer.length), CONN("task", task),
		CONN("handler_name", handler_name),
		STRUCT("server", struct arun_server),
		SERVER("object", object), SERVER("fd", listening.fd),
		SERVER("address", address), SERVER("name", name),
		SERVER("handler_name", handler_name), SERVER("accepted", accepted),
		SERVER("open", open), SERVER("paused", paused), SERVER("closing", closing),
		STRUCT("generator", struct arun_gen),
		GEN(object), GEN(name), GEN(body), GEN(consumer), GEN(suspended), GEN(started),
		GEN(ended), GEN(yielded),
		STRUCT("timer", struct arun_timer),
		TIMER(object), TIMER(name), TIMER(next), TIMER(every), TIMER(fired),
		STRUCT("process", struct arun_process),
		PROCESS(object), PROCESS(words), PROCESS(pid), PROCESS(ended),
		STRUCT("datagram", struct arun_udp),
		UDP("object", object), UDP("local", local), UDP("fd", watch.fd),
		UDP("received", received), UDP("sent", sent),
		STRUCT("group", struct group),
		GROUP(object), GROUP(parent), GROUP(waiting), GROUP(running), GROUP(ended),
		STRUCT("watcher", struct watcher), WATCHER(object), WATCHER(name), WATCHER(fd),
	},
};

/* clang-format on */

struct run *arun_process_run;

void layout_show(struct run *run, bool signals) {
	if (signals || !arun_process_run) {
		publish(&arun_process_run, run);
	}
}

void layout_hide(struct run *run) {
	if (arun_process_run == run) {
		publish(&arun_process_run, NULL);
	}
}
