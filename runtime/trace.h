/* SPDX-License-Identifier: MIT */
/* trace - the calls that led to where a signal came, as function and offset. */
#ifndef TRACE_H
#define TRACE_H

#include "symbols.h"
#include "text.h"

/*
 * Loads the unwinder, and the names of the file at path (symbols_load()): both take
 * memory. Before trace_add(), and not in a handler.
 */
struct trace {
	bool ready;
	struct symbols symbols;
};
void trace_prepare(struct trace *trace, const char *path);
void trace_finish(struct trace *trace);

/*
 * Appends the stack that a handler has interrupted, a line a call, the innermost first:
 * "    #0 read_all+0x1c (srv.so+0x11c9)". context is the handler's third argument.
 * Nothing where it is not prepared. In a handler.
 */
void trace_add(struct text *out, const struct trace *trace, const void *context);

/* Where a handler's context was interrupted. */
const void *trace_pc(const void *context);
const void *trace_sp(const void *context);

/* The name of the file, and the function and the offset in it; names may be "". */
struct trace_where {
	const char *module, *function;
	size_t offset, into;
};

/* Where pc is. In a handler. */
struct trace_where trace_find(const struct trace *trace, const void *pc);

/* Appends a place in the code: "read_all+0x1c (srv.so+0x11c9)". */
void trace_place(struct text *out, const struct trace *trace, const void *pc);

/* Appends members of a JSON object: "func", "module", "offset". */
void trace_json(struct text *out, const struct trace_where *where);

#endif
