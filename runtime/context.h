/* SPDX-License-Identifier: MIT */
/*
 * context - the switch from one stack to another.
 *
 * Design notes. A suspended context is one stack pointer: the callee-saved registers lie
 * on its stack. mxcsr, the x87 control word and fpcr are not kept: a rounding mode
 * belongs to the process, and keeping them costs up to 80 ns a switch once their sticky
 * flags differ. The routine leaves by an indirect jump, and callers end in a tail call to
 * it, as a ret would be mispredicted each time; but see context_switch_alike(), and on AArch64
 * jumps to where calls return are not allowed everywhere: there it is a ret. It is a file
 * of assembly, not inline assembly: gcc's -fipa-reference proves statics unchanged across the
 * latter.
 */
#ifndef CONTEXT_H
#define CONTEXT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Saves this context's stack pointer at *save and goes on at to. value is what the call
 * that suspended "to" returns there.
 */
int context_switch(void **save, void *to, int value);

/*
 * The same for callers that do not end with it, and of which many wait in the same place, such
 * as the reads of connections: where both contexts called from there it leaves by a ret. The
 * processor predicts that, and the returns after it as far as the same calls led there. Set
 * and wait of an event take 18 ns so, and 27 by a jump. Then value is what the call returns there,
 * else 0.
 */
int context_switch_alike(void **save, void *to, int value);

/*
 * Both return value, to the caller's caller where they are called last: by a jump, for where the
 * processor expects a return to what another context called from. Where the compiler makes no tail
 * call of it (clang, once something on the stack was pointed to), it is a call like others.
 */
int context_return(int value);
void *context_return_pointer(void *value);

/*
 * Goes on at to, whose call returns 0 there; the calling context never runs again. The jump is
 * a ret, which the processor predicts where the caller was started by that very call and has
 * itself returned from all that it has called: what it keeps of return addresses is in
 * balance then, and the returns after this one are predicted too. Not declared _Noreturn, as
 * compilers call such a function where they would have jumped to it.
 */
void context_end(void *to);

/* The same by a jump, from and to wherever. */
void context_leave(void *to);

/*
 * Prepares a stack that ends below top (16-byte aligned) so that the first switch to it
 * calls entry(self, fn, arg), which must not return. On x86-64 that takes the highest 64 bytes:
 * one line of the cache, which is where entry's own frame begins.
 */
typedef void context_entry(void *self, int (*fn)(void *), void *arg);
void *context_make(
	void *top, context_entry *entry, void *self, int (*fn)(void *), void *arg);

/*
 * Calls visit(argument) so that an unwinder which starts there goes on in the context that
 * is suspended at sp, and has run before, as if that had made the call.
 */
void context_visit(void *sp, void (*visit)(void *), void *argument);

/*
 * Sanitizers must be told of each switch. They are looked up at run time, so that an
 * instrumented plugin works in an arun that is not. One context's share:
 */
struct context_hooks {
	void *fake_stack;   /* AddressSanitizer's */
	const void *bottom; /* of the stack */
	size_t size;
	void *fiber; /* ThreadSanitizer's */
};

/* Whether a sanitizer is in this process: then context_switch_hooked() must be used. */
bool context_hooks_find(void);
bool context_hooks_address(void); /* AddressSanitizer is */

/* Registers the stack of a context, or (size 0) the running thread's own; finish forgets
 * it. */
void context_hooks_init(struct context_hooks *hooks, const void *bottom, size_t size);
void context_hooks_finish(struct context_hooks *hooks);

/* from_ends: the context that is left never runs again. */
int context_switch_hooked(void **save, void *to, int value, struct context_hooks *from,
	struct context_hooks *to_hooks, bool from_ends);

/* To be called first on a new stack. */
void context_hooks_enter(struct context_hooks *self);

/* A recycled stack holds no poison of its last user. */
void context_hooks_clean(const void *bottom, size_t size);

#endif
