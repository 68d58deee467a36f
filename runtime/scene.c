/* SPDX-License-Identifier: MIT */
#include "scene.h"

#include "peek.h"

enum { SCENE_STRING = 128 };

bool scene_running(const struct scene *scene, struct scene_task *copy) {
	struct arun_task *current, *entry;
	if (!peek(&current, &scene->loop->sched.current, sizeof current) || !current ||
		!peek(&copy->task, current, sizeof copy->task)) {
		return false;
	}
	copy->place = current;
	copy->entry = peek(&entry, scene->entry, sizeof entry) && entry == current;
	return true;
}

void scene_add_plugin(struct text *out, const struct scene *scene) {
	text_add(out, "arun: ");
	text_escape(out, scene->report->plugin);
}

static void add_string(struct text *out, const char *string) {
	char copy[SCENE_STRING];
	text_escape(out, peek_string(copy, sizeof copy, string));
}

static void add_site(struct text *out, const struct arun_site *place) {
	struct arun_site site;
	if (peek(&site, place, sizeof site)) {
		add_string(out, site.file);
		text_add(out, ":%d", site.line);
	} else {
		text_add(out, "?");
	}
}

void scene_add_task(struct text *out, const struct scene *scene,
	const struct scene_task *copy, const char *what) {
	const struct arun_task *task = &copy->task;
	const char *entry = scene->report->server ? "entry" : "main";
	bool own = task->name == copy->place->name_copy;
	text_add(out, "%s \"", copy->entry ? entry : "task");
	add_string(out, own ? task->name_copy : task->name);
	text_add(out, "\" (#%lu", (unsigned long)task->object.id);
	if (what) {
		text_add(out, ") %s (%u KiB", what, task->stack_size / 1024);
	}
	if (task->object.site) {
		text_add(out, "; spawned at ");
		add_site(out, task->object.site);
	}
	text_add(out, ")");
}

void scene_add_job(struct text *out, const struct pool_job *job) {
	text_add(out, "job \"");
	add_string(out, job->name);
	text_add(out, "\" (#%lu; called at ", (unsigned long)job->object.id);
	add_site(out, job->object.site);
	text_add(out, " by task #%lu)", (unsigned long)job->object.maker);
}

void scene_add_wait(struct text *out, const struct scene_task *copy) {
	const struct arun_task *task = &copy->task;
	if (!task->op) {
		text_add(out, "; it has not waited yet");
		return;
	}
	text_add(out, "; last wait at ");
	add_site(out, task->at);
	text_add(out, " (");
	add_string(out, task->op);
	text_add(out, ")");
}
