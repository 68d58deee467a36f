/* SPDX-License-Identifier: MIT */
#include "backtrace.h"

#include "base.h"
#include "context.h"

#include <dlfcn.h>
#include <link.h>
#include <stddef.h>
#include <string.h>
#include <unwind.h>

/* libgcc's, which is not linked: most runs need none of it. Written once. */
static __typeof__(_Unwind_Backtrace) *unwind;
static __typeof__(_Unwind_GetIP) *unwind_pc;

/* The code of the file that this is in, and of libev. Likewise. */
struct code {
	size_t begin, end;
};
static struct code own, libev;

static bool code_has(const struct code *code, const void *pc) {
	return (size_t)pc >= code->begin && (size_t)pc < code->end;
}

bool backtrace_is_own(const void *pc) {
	return code_has(&own, pc);
}

struct code_search {
	size_t here;
	struct code *code;
};

static int code_search(struct dl_phdr_info *info, size_t size, void *context) {
	struct code_search *search = context;
	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		size_t begin = info->dlpi_addr + segment->p_vaddr;
		if (segment->p_type == PT_LOAD && search->here >= begin &&
			search->here - begin < segment->p_memsz) {
			*search->code = (struct code){begin, begin + segment->p_memsz};
			return 1;
		}
	}
	return 0;
}

static void code_find(struct code *code, const void *here) {
	struct code_search search = {(size_t)here, code};
	dl_iterate_phdr(code_search, &search);
}

void backtrace_prepare(void) {
	void *library = dlopen("libgcc_s.so.1", RTLD_NOW | RTLD_LOCAL);
	void *walk = library ? dlsym(library, "_Unwind_Backtrace") : NULL;
	void *pc = library ? dlsym(library, "_Unwind_GetIP") : NULL;
	code_find(&own, (const void *)(size_t)&code_find);
	code_find(&libev, dlsym(RTLD_DEFAULT, "ev_invoke_pending"));
	if (walk && pc) {
		memcpy(&unwind, &walk, sizeof unwind);
		memcpy(&unwind_pc, &pc, sizeof unwind_pc);
	}
}

struct walk {
	struct calls *calls;
	unsigned most;
};

/* Whether the plugin knows nothing of it: the loop calls, and is called. */
static bool is_inside(const void *pc) {
	return code_has(&own, pc) || code_has(&libev, pc);
}

/* A task's first function was called by arun, a callback by libev: below it, there is nothing
 * to tell, and each call takes 150 ns to find. */
static _Unwind_Reason_Code walk_frame(struct _Unwind_Context *context, void *argument) {
	struct walk *walk = argument;
	struct calls *calls = walk->calls;
	const void *pc = (const void *)unwind_pc(context);
	if (!pc || (calls->count && is_inside(pc))) {
		return _URC_END_OF_STACK;
	}
	if (!is_inside(pc)) {
		calls->pc[calls->count++] = pc;
	}
	return calls->count < walk->most ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static void calls_collect(struct calls *calls, unsigned most) {
	struct walk walk = {calls, most};
	calls->count = 0;
	if (likely(unwind != NULL)) {
		unwind(walk_frame, &walk);
	}
}

void backtrace_here(struct calls *calls) {
	calls_collect(calls, BACKTRACE_MADE);
}

static void suspended_visit(void *argument) {
	calls_collect(argument, BACKTRACE_MOST);
}

void backtrace_suspended(struct calls *calls, void *sp) {
	context_visit(sp, suspended_visit, calls);
}

struct interrupted {
	const void *pc;
	const void **frames;
	unsigned count, most;
};

/* What is above it is the handler's own. A task's first function returns to 0, below which there
 * is nothing. */
static _Unwind_Reason_Code interrupted_frame(
	struct _Unwind_Context *context, void *argument) {
	struct interrupted *walk = argument;
	const void *pc = (const void *)unwind_pc(context);
	if (!pc && walk->count) {
		return _URC_END_OF_STACK;
	}
	if (walk->count || pc == walk->pc) {
		walk->frames[walk->count++] = pc;
	}
	return walk->count < walk->most ? _URC_NO_REASON : _URC_END_OF_STACK;
}

unsigned backtrace_interrupted(const void *pc, const void **frames, unsigned most) {
	struct interrupted walk = {pc, frames, 0, most};
	if (unwind) {
		unwind(interrupted_frame, &walk);
	}
	return walk.count;
}
