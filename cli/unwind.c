/* SPDX-License-Identifier: MIT */
#include "unwind.h"

#include "../runtime/libdw.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_TASKS = 1000, MOST_CALLS = 32, NAME_MOST = 4096 + 1 };

struct unwind {
	struct libdw libdw;
	const struct remote *remote;
	const struct dump_object *task; /* that is unwound */
	Dwfl_Module *own;
	uint64_t pc[MOST_CALLS];
	size_t count;
};

/* The one thread ----------------------------------------------------------------- */

/* There is one at a time, of this number: that of the task. */
static pid_t next_thread(Dwfl *session, void *context, void **thread) {
	const struct unwind *unwind = context;
	(void)session;
	bool first = !*thread;
	*thread = context;
	return first ? unwind->remote->pid : 0;
}

static bool get_thread(Dwfl *session, pid_t tid, void *context, void **thread) {
	(void)session;
	(void)tid;
	*thread = context;
	return true;
}

static bool memory_read(
	Dwfl *session, Dwarf_Addr address, Dwarf_Word *result, void *context) {
	const struct unwind *unwind = context;
	(void)session;
	return remote_read(unwind->remote, address, result, sizeof *result);
}

/* What context_switch() has saved at the stack pointer: see runtime/context_*.S. */
#if defined(__x86_64__)
enum { RBX = 3, RBP = 6, RSP = 7, R12 = 12, SAVED = 7 };

static void set_registers(
	const struct unwind *unwind, Dwfl_Thread *thread, const uint64_t *saved) {
	Dwarf_Word stack[] = {saved[5], unwind->task->sp + SAVED * sizeof *saved};
	Dwarf_Word high[] = {saved[3], saved[2], saved[1], saved[0], saved[6]};
	_Static_assert(RSP == RBP + 1, "they are set as one");
	unwind->libdw.dwfl_thread_state_registers(thread, RBX, 1, &saved[4]);
	unwind->libdw.dwfl_thread_state_registers(thread, RBP, 2, stack);
	unwind->libdw.dwfl_thread_state_registers(thread, R12, 5, high);
	unwind->libdw.dwfl_thread_state_register_pc(thread, saved[6]);
}
#else
enum { X19 = 19, SP = 31, SAVED = 20, LR = 11 };

static void set_registers(
	const struct unwind *unwind, Dwfl_Thread *thread, const uint64_t *saved) {
	Dwarf_Word sp = unwind->task->sp + SAVED * sizeof *saved;
	unwind->libdw.dwfl_thread_state_registers(thread, X19, LR + 1, saved);
	unwind->libdw.dwfl_thread_state_registers(thread, SP, 1, &sp);
	unwind->libdw.dwfl_thread_state_register_pc(thread, saved[LR]);
}
#endif

static bool set_initial_registers(Dwfl_Thread *thread, void *context) {
	const struct unwind *unwind = context;
	uint64_t saved[SAVED];
	if (!remote_read(unwind->remote, unwind->task->sp, saved, sizeof saved)) {
		return false;
	}
	set_registers(unwind, thread, saved);
	return true;
}

static const Dwfl_Thread_Callbacks thread = {
	.next_thread = next_thread,
	.get_thread = get_thread,
	.memory_read = memory_read,
	.set_initial_registers = set_initial_registers,
};

/* Calls -------------------------------------------------------------------------- */

/* Arun's own are left out: those that wait, and the one that has begun the task. */
static int on_frame(Dwfl_Frame *frame, void *argument) {
	struct unwind *unwind = argument;
	Dwarf_Addr pc;
	if (!unwind->libdw.dwfl_frame_pc(frame, &pc, NULL) || !pc) {
		return 1;
	}
	bool own = unwind->libdw.dwfl_addrmodule(unwind->libdw.session, pc - 1) ==
		   unwind->own;
	if (!own) {
		unwind->pc[unwind->count++] = pc;
	}
	return (own && unwind->count) || unwind->count == MOST_CALLS;
}

/* What is too long is cut. */
static const char *kept(struct dump *dump, const char *string) {
	char copy[NAME_MOST];
	if (!string) {
		return NULL;
	}
	snprintf(copy, sizeof copy, "%s", string);
	return arena_string(&dump->arena, copy);
}

static struct dump_call call_of(struct unwind *unwind, struct dump *dump, uint64_t pc) {
	struct dump_call call = {.offset = pc};
	Dwfl_Module *module =
		unwind->libdw.dwfl_addrmodule(unwind->libdw.session, pc - 1);
	if (!module) {
		return call;
	}
	Dwarf_Addr start = 0;
	const char *name = unwind->libdw.dwfl_module_info(
		module, NULL, &start, NULL, NULL, NULL, NULL, NULL);
	const char *slash = name ? strrchr(name, '/') : NULL;
	struct libdw_place place = libdw_place(&unwind->libdw, module, pc - 1);
	char *function = libdw_function(&unwind->libdw, module, pc - 1);
	call.function = kept(dump, function);
	free(function);
	call.module = kept(dump, slash ? slash + 1 : name);
	call.offset = pc - start;
	call.file = kept(dump, libdw_file(&place));
	call.line = place.line;
	return call;
}

/* Whether the task has not run since it was read. */
static bool is_still(const struct unwind *unwind, const struct fields *fields) {
	uint64_t start = unwind->task->address - fields->at[FIELD_TASK_OBJECT].offset;
	uint64_t sp, runs;
	return remote_read(unwind->remote, start + fields->at[FIELD_TASK_SP].offset, &sp,
		       sizeof sp) &&
	       remote_read(unwind->remote, start + fields->at[FIELD_TASK_RUNS].offset,
		       &runs, sizeof runs) &&
	       sp == unwind->task->sp && runs == unwind->task->runs;
}

static void unwind_task(struct unwind *unwind, struct dump *dump,
	const struct fields *fields, struct dump_object *task) {
	unwind->task = task;
	unwind->count = 0;
	unwind->libdw.dwfl_getthread_frames(
		unwind->libdw.session, unwind->remote->pid, on_frame, unwind);
	if (!unwind->count || !is_still(unwind, fields)) {
		return;
	}
	task->calls = arena_take(&dump->arena, unwind->count * sizeof *task->calls);
	task->call_count = unwind->count;
	for (size_t i = 0; i < unwind->count; i++) {
		task->calls[i] = call_of(unwind, dump, unwind->pc[i]);
	}
}

/* The session -------------------------------------------------------------------- */

static bool begin(struct unwind *unwind, uint64_t own) {
	struct libdw *libdw = &unwind->libdw;
	pid_t pid = unwind->remote->pid;
	if (!libdw_begin(libdw, pid)) {
		return false;
	}
	unwind->own = libdw->dwfl_addrmodule(libdw->session, own);
	return unwind->own &&
	       libdw->dwfl_attach_state(libdw->session, NULL, pid, &thread, unwind);
}

/* What another user's process maps may be made to harm who parses it; and among other mounts the
 * names of files are those of others. */
static bool is_ours(const struct remote *remote) {
	char path[64];
	struct stat process, mounts, own;
	snprintf(path, sizeof path, "/proc/%d", (int)remote->pid);
	bool found = stat(path, &process) == 0;
	snprintf(path, sizeof path, "/proc/%d/ns/mnt", (int)remote->pid);
	found = found && stat(path, &mounts) == 0 && stat("/proc/self/ns/mnt", &own) == 0;
	return found && process.st_uid == geteuid() && mounts.st_ino == own.st_ino;
}

static bool is_suspended(const struct dump_object *object) {
	return object->is_task && !object->running && object->runs &&
	       object->sp > object->stack &&
	       object->sp - object->stack < object->stack_size;
}

void unwind_tasks(struct dump *dump, const struct remote *remote,
	const struct fields *fields, uint64_t own) {
	struct unwind unwind = {.remote = remote};
	if (!is_ours(remote) || !libdw_load(&unwind.libdw)) {
		return;
	}
	bool begun = begin(&unwind, own);
	size_t done = 0;
	for (size_t i = 0; begun && i < dump->count && done < MOST_TASKS; i++) {
		if (is_suspended(dump->objects[i])) {
			unwind_task(&unwind, dump, fields, dump->objects[i]);
			done++;
		}
	}
	libdw_end(&unwind.libdw);
}
