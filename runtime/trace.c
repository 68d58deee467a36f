/* SPDX-License-Identifier: MIT */
#include "trace.h"

#include "backtrace.h"
#include "plain_name.h"

#include <dlfcn.h>
#include <string.h>
#include <ucontext.h>

enum { TRACE_DEPTH = 48 };

void trace_prepare(struct trace *trace, const char *path) {
	backtrace_prepare();
	symbols_load(&trace->symbols, path);
	trace->ready = true;
}

void trace_finish(struct trace *trace) {
	symbols_free(&trace->symbols);
	trace->ready = false;
}

const void *trace_pc(const void *context) {
	const ucontext_t *user = context;
#ifdef __x86_64__
	return (const void *)user->uc_mcontext.gregs[REG_RIP];
#else
	return (const void *)user->uc_mcontext.pc;
#endif
}

const void *trace_sp(const void *context) {
	const ucontext_t *user = context;
#ifdef __x86_64__
	return (const void *)user->uc_mcontext.gregs[REG_RSP];
#else
	return (const void *)user->uc_mcontext.sp;
#endif
}

struct trace_where trace_find(const struct trace *trace, const void *pc) {
	Dl_info info;
	if (!dladdr(pc, &info) || !info.dli_fname) {
		return (struct trace_where){"", "", (size_t)pc, 0};
	}
	const char *slash = strrchr(info.dli_fname, '/');
	struct trace_where place = {
		.module = slash ? slash + 1 : info.dli_fname,
		.function = info.dli_sname ? info.dli_sname : "",
		.offset = (size_t)pc - (size_t)info.dli_fbase,
	};
	place.into = info.dli_sname ? (size_t)pc - (size_t)info.dli_saddr : 0;
	const char *name = symbols_find(&trace->symbols, pc, &place.into);
	place.function = name ? name : place.function;
	return place;
}

void trace_place(struct text *out, const struct trace *trace, const void *pc) {
	struct trace_where place = trace_find(trace, pc);
	if (!*place.module) {
		text_add(out, "0x%lx", (unsigned long)pc);
		return;
	}
	if (*place.function) {
		plain_name(out, place.function);
		text_add(out, "+0x%lx (", (unsigned long)place.into);
	}
	text_escape(out, place.module);
	text_add(
		out, "+0x%lx%s", (unsigned long)place.offset, *place.function ? ")" : "");
}

void trace_json(struct text *out, const struct trace_where *where) {
	if (*where->function) {
		text_add(out, "\"func\": ");
		text_json(out, where->function);
		text_add(out, ", ");
	}
	if (*where->module) {
		text_add(out, "\"module\": ");
		text_json(out, where->module);
		text_add(out, ", ");
	}
	text_add(out, "\"offset\": \"0x%lx\"", (unsigned long)where->offset);
}

/* A line of the calls from first on that are the same, as in a recursion. Returns the
 * next one. */
static int trace_add_run(struct text *out, const struct trace *trace,
	const void *const *frames, int first, int count) {
	int next = first + 1;
	while (next < count && frames[next] == frames[first]) {
		next++;
	}
	trace_place(out, trace, frames[first]);
	if (next - first > 1) {
		text_add(out, ", %d times", next - first);
	}
	text_add(out, "\n");
	return next;
}

void trace_add(struct text *out, const struct trace *trace, const void *context) {
	const void *frames[TRACE_DEPTH];
	if (!trace->ready) {
		return;
	}
	const void *pc = trace_pc(context);
	int count = (int)backtrace_interrupted(pc, frames, TRACE_DEPTH);
	if (!count) {
		frames[count++] = pc;
	}
	for (int i = 0; i < count;) {
		text_add(out, "    #%d ", i);
		i = trace_add_run(out, trace, frames, i, count);
	}
}
