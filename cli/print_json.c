/* SPDX-License-Identifier: MIT */
#include "print.h"

#include <string.h>
#include <sys/time.h>
#include <time.h>

static void print_string(FILE *out, const char *member, const char *value) {
	fprintf(out, ", \"%s\": ", member);
	escape_json(out, value);
}

static long long milliseconds(double seconds) {
	return seconds > 0 && seconds < 1e12 ? (long long)(seconds * 1000 + 0.5) : 0;
}

void print_time(FILE *out) {
	struct timeval now;
	struct tm parts;
	char text[32] = "";
	gettimeofday(&now, NULL);
	gmtime_r(&now.tv_sec, &parts);
	strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
	fprintf(out, "\"%s.%06ldZ\"", text, (long)now.tv_usec);
}

static void print_process(FILE *out, const struct dump *dump) {
	fputs("{\"schema\": \"arun-report/1\", \"kind\": \"dump\", \"time\": ", out);
	print_time(out);
	print_string(out, "arun", dump->version);
	fprintf(out, ", \"pid\": %d, \"uptime_ms\": %lld", (int)dump->pid,
		milliseconds(dump->uptime));
	fputs(", \"plugin\": {\"path\": ", out);
	escape_json(out, dump->plugin);
	print_string(out, "entry", dump->entry);
	print_string(out, "mode", dump->server ? "server" : "run");
	if (*dump->build_id) {
		print_string(out, "build_id", dump->build_id);
	}
	putc('}', out);
}

static void print_loop(FILE *out, const struct dump *dump) {
	static const char *const words[] = {"idle", "running", "blocked"};
	fprintf(out, ", \"loop\": {\"state\": \"%s\"", words[dump->loop]);
	if (dump->current) {
		fprintf(out, ", \"task\": %llu", (unsigned long long)dump->current->id);
	}
	if (dump->current || dump->loop == DUMP_BLOCKED) {
		fprintf(out, ", \"for_ms\": %lld", milliseconds(dump->turn));
	}
	fprintf(out, ", \"stopped\": %s, \"stopping\": %s}",
		dump->stopped ? "true" : "false", dump->stopping ? "true" : "false");
}

static void print_counts(FILE *out, const struct dump *dump) {
	fputs(", \"counts\": {", out);
	for (size_t i = 0; i < dump->kind_count; i++) {
		fputs(i ? ", " : "", out);
		escape_json(out, dump->kinds[i]->word);
		fprintf(out, ": %zu", dump->kinds[i]->count);
	}
	fprintf(out, "}, \"total\": %zu, \"suppressed\": 0", dump->count);
}

/* The members of a site, without braces. */
static void print_site_members(FILE *out, const struct dump_site *site) {
	fputs("\"file\": ", out);
	escape_json(out, site->file);
	fprintf(out, ", \"line\": %d", site->line);
	print_string(out, "func", site->function ? site->function : "?");
}

static void print_reference(FILE *out, const struct dump_object *object) {
	fputs("{\"kind\": ", out);
	escape_json(out, object->kind->word);
	fprintf(out, ", \"id\": %llu}", (unsigned long long)object->id);
}

static void print_awaited(FILE *out, const struct dump_object *object) {
	fputs(", \"awaits\": ", out);
	print_reference(out, object->awaits);
	for (size_t i = 0; i < object->other_count; i++) {
		fputs(i ? ", " : ", \"or\": [", out);
		print_reference(out, object->others[i]);
	}
	fputs(object->other_count ? "]" : "", out);
}

static void print_owner(FILE *out, const struct dump_object *object) {
	fputs(", \"owner\": ", out);
	if (object->owner) {
		print_reference(out, object->owner);
	} else if (object->maker) {
		fprintf(out, "{\"kind\": \"task\", \"id\": %llu}",
			(unsigned long long)object->maker);
	} else {
		fputs("null", out);
	}
}

static void print_created(FILE *out, const struct dump_site *site) {
	fputs(", \"created\": ", out);
	if (!site) {
		fputs("null", out);
		return;
	}
	putc('{', out);
	print_site_members(out, site);
	putc('}', out);
}

static void print_waiting(FILE *out, const struct dump_object *object) {
	fputs(", \"waiting\": {", out);
	if (object->at) {
		print_site_members(out, object->at);
		fputs(", ", out);
	}
	fputs("\"op\": ", out);
	escape_json(out, object->op);
	fprintf(out, ", \"for_ms\": %lld", milliseconds(object->waited));
	if (object->left >= 0) {
		fprintf(out, ", \"left_ms\": %lld", milliseconds(object->left));
	}
	if (object->awaits) {
		print_awaited(out, object);
	}
	putc('}', out);
}

static void print_detail(FILE *out, const struct dump_object *object) {
	bool is_server = !strcmp(object->kind->word, "server");
	bool is_conn = !strcmp(object->kind->word, "connection");
	const char *comma = "";
	fputs(", \"detail\": {", out);
	if (object->about && (is_server || is_conn)) {
		fprintf(out, "\"%s\": ", is_server ? "local" : "remote");
		escape_json(out, object->about);
		comma = ", ";
	}
	if (object->task) {
		fprintf(out, "%s\"task\": %llu", comma,
			(unsigned long long)object->task->id);
		comma = ", ";
	}
	if (object->detail) {
		fprintf(out, "%s%s", comma, object->detail);
	}
	putc('}', out);
}

static void print_call(FILE *out, const struct dump_call *call) {
	putc('{', out);
	if (call->file) {
		fputs("\"file\": ", out);
		escape_json(out, call->file);
		fprintf(out, ", \"line\": %d, ", call->line);
	}
	fprintf(out, "\"offset\": \"0x%llx\"", (unsigned long long)call->offset);
	if (call->function) {
		print_string(out, "func", call->function);
	}
	if (call->module) {
		print_string(out, "module", call->module);
	}
	putc('}', out);
}

static void print_stack(FILE *out, const struct dump_object *object) {
	fputs(", \"stack\": [", out);
	for (size_t i = 0; i < object->call_count; i++) {
		fputs(i ? ", " : "", out);
		print_call(out, &object->calls[i]);
	}
	putc(']', out);
}

static void print_object(FILE *out, const struct dump_object *object) {
	fputs("{\"kind\": ", out);
	escape_json(out, object->kind->word);
	fprintf(out, ", \"id\": %llu", (unsigned long long)object->id);
	print_string(out, "name", object->name);
	print_owner(out, object);
	print_created(out, object->site);
	fprintf(out, ", \"age_ms\": %lld", milliseconds(object->age));
	print_string(out, "state", object->state);
	if (object->fd >= 0) {
		fprintf(out, ", \"fd\": %d", object->fd);
	}
	if (object->waits) {
		print_waiting(out, object);
	}
	print_detail(out, object);
	if (object->call_count) {
		print_stack(out, object);
	}
	print_string(out, "hint", object->kind->help);
	putc('}', out);
}

void print_json(FILE *out, const struct dump *dump) {
	print_process(out, dump);
	print_loop(out, dump);
	print_counts(out, dump);
	fprintf(out, ", \"complete\": %s, \"objects\": [",
		dump->incomplete ? "false" : "true");
	for (size_t i = 0; i < dump->count; i++) {
		fputs(i ? ", " : "", out);
		print_object(out, dump->objects[i]);
	}
	fputs("]}\n", out);
}
