/* SPDX-License-Identifier: MIT */
#include "print.h"

#include <string.h>

/* So many of what a task waits for besides, as in the reports. */
enum { OTHERS_TOLD = 4 };

static void print_loop(struct line *line, const struct dump *dump) {
	const struct dump_object *current = dump->current;
	if (dump->loop != DUMP_BLOCKED) {
		line_add(line, dump->loop == DUMP_IDLE ? "loop idle" : "loop running");
		return;
	}
	line_add(line, "LOOP BLOCKED ");
	line_seconds(line, dump->turn);
	if (current) {
		line_add(line, " in task %llu \"", (unsigned long long)current->id);
		line_string(line, current->name);
		line_add(line, "\" since its %s at ", current->at ? "wait" : "start");
		print_site(line, current->at ? current->at : current->site);
	}
}

void print_head(struct line *line, const struct dump *dump) {
	line_add(line, "arun %d ", (int)dump->pid);
	line_string(line, dump->plugin);
	line_add(line, ":");
	line_string(line, dump->entry);
	line_add(line, "  up ");
	line_seconds(line, dump->uptime);
	line_add(line, "  ");
	print_loop(line, dump);
	line_add(line, "%s%s", dump->stopped ? "  STOPPED by a signal" : "",
		dump->stopping ? "  stopping" : "");
}

void print_site(struct line *line, const struct dump_site *site) {
	if (!site) {
		line_add(line, "-");
		return;
	}
	line_string(line, site->file);
	line_add(line, ":%d", site->line);
}

static void print_awaited(struct line *line, const struct dump_object *awaits) {
	if (awaits->about) {
		line_add(line, " ");
		line_string(line, awaits->about);
	} else if (awaits->fd >= 0) {
		line_add(line, " fd %d", awaits->fd);
	} else {
		line_add(line, " ");
		line_string(line, awaits->kind->title);
		line_add(line, " \"");
		line_string(line, awaits->name);
		line_add(line, "\" #%llu", (unsigned long long)awaits->id);
	}
}

void print_awaits(struct line *line, const struct dump_object *object) {
	if (object->awaits) {
		print_awaited(line, object->awaits);
	}
	for (size_t i = 0; i < object->other_count && i <= OTHERS_TOLD; i++) {
		line_add(line, i < OTHERS_TOLD ? " or" : " or others");
		if (i < OTHERS_TOLD) {
			print_awaited(line, object->others[i]);
		}
	}
}

static void print_counts(struct line *line, const struct dump *dump) {
	for (size_t i = 0; i < dump->kind_count; i++) {
		const struct dump_kind *kind = dump->kinds[i];
		line_add(line, "  %zu ", kind->count);
		bool plural = kind->count != 1;
		line_string(line, plural && kind->plural ? kind->plural : kind->title);
		line_add(line, "%s", plural && !kind->plural ? "s" : "");
	}
}

/* The columns */

enum column { ID, STATE, FOR, AGE, RUNS, TASK, WAITS, STARTED, COLUMNS };

static const struct {
	const char *title;
	bool right;
} columns[COLUMNS] = {
	{"ID", true},
	{"STATE", false},
	{"FOR", true},
	{"AGE", true},
	{"RUNS", true},
	{"TASK", false},
	{"WAITS AT", false},
	{"STARTED AT", false},
};

static void print_wait(struct line *line, const struct dump_object *task) {
	if (!task->waits) {
		line_add(line, "-");
		return;
	}
	print_site(line, task->at);
	print_awaits(line, task);
	if (task->left >= 0) {
		line_add(line, "  ");
		line_seconds(line, task->left);
		line_add(line, " to go");
	}
}

static void print_for(
	struct line *line, const struct dump *dump, const struct dump_object *task) {
	if (task->waits) {
		line_short_seconds(line, task->waited);
	} else if (task == dump->current) {
		line_short_seconds(line, dump->turn);
	} else {
		line_add(line, "-");
	}
}

static void print_cell(struct line *cell, const struct dump *dump,
	const struct dump_object *task, enum column column) {
	cell->length = 0;
	cell->text[0] = '\0';
	switch (column) {
	case ID:
		line_add(cell, "%llu", (unsigned long long)task->id);
		break;
	case STATE:
		line_string(cell, task->state);
		break;
	case FOR:
		print_for(cell, dump, task);
		break;
	case AGE:
		line_short_seconds(cell, task->age);
		break;
	case RUNS:
		line_add(cell, "%llu", (unsigned long long)task->runs);
		break;
	case TASK:
		line_string(cell, task->name);
		break;
	case WAITS:
		print_wait(cell, task);
		break;
	default:
		print_site(cell, task->site);
		break;
	}
}

static void measure(const struct dump *dump, int *widths) {
	struct line cell;
	for (int c = 0; c < COLUMNS; c++) {
		widths[c] = (int)strlen(columns[c].title);
	}
	for (size_t i = 0; i < dump->count; i++) {
		for (int c = 0; dump->objects[i]->is_task && c < COLUMNS; c++) {
			print_cell(&cell, dump, dump->objects[i], c);
			int width = line_width(&cell);
			widths[c] = width > widths[c] ? width : widths[c];
		}
	}
}

/* Spaces on the left, or between this column and the next. */
static void put_cell(FILE *out, const char *text, int width, const int *widths, int c) {
	int space = widths[c] - width;
	if (c == 0) {
		fputs("  ", out);
	}
	if (columns[c].right) {
		fprintf(out, "%*s%s", space, "", text);
	} else {
		fprintf(out, "%s%*s", text, c == COLUMNS - 1 ? 0 : space, "");
	}
	fputs(c == COLUMNS - 1 ? "\n" : "  ", out);
}

static void put_line(FILE *out, const struct line *line) {
	fputs(line->text, out);
	putc('\n', out);
}

static void print_calls(struct line *line, const struct dump_object *task) {
	for (size_t i = 0; i < task->call_count; i++) {
		const struct dump_call *call = &task->calls[i];
		line_add(line, i ? " <- " : "");
		line_string(line, call->function ? call->function : "?");
		line_add(line, " ");
		if (call->file) {
			line_string(line, call->file);
			line_add(line, ":%d", call->line);
		} else {
			line_string(line, call->module ? call->module : "?");
			line_add(line, "+0x%llx", (unsigned long long)call->offset);
		}
	}
	line_add(line, " <- task");
}

static void put_stack(FILE *out, const struct dump_object *task) {
	struct line line = {.length = 0};
	if (task->call_count) {
		line_add(&line, "      = stack: ");
		print_calls(&line, task);
		put_line(out, &line);
	}
}

void print_tasks(FILE *out, const struct dump *dump) {
	struct line line = {.length = 0};
	int widths[COLUMNS];
	print_head(&line, dump);
	print_counts(&line, dump);
	put_line(out, &line);
	measure(dump, widths);
	for (int c = 0; c < COLUMNS; c++) {
		put_cell(out, columns[c].title, (int)strlen(columns[c].title), widths, c);
	}
	for (size_t i = 0; i < dump->count; i++) {
		for (int c = 0; dump->objects[i]->is_task && c < COLUMNS; c++) {
			print_cell(&line, dump, dump->objects[i], c);
			put_cell(out, line.text, line_width(&line), widths, c);
		}
		put_stack(out, dump->objects[i]);
	}
}
