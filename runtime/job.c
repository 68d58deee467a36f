/* SPDX-License-Identifier: MIT */
#include "job.h"

static const struct pool_job *job_of(const struct object *object) {
	return container_of(object, const struct pool_job, object);
}

static const char *job_name(const struct object *object) {
	return job_of(object)->name;
}

static const char *job_state(const struct object *object) {
	bool started = __atomic_load_n(&job_of(object)->started, __ATOMIC_RELAXED);
	return !started ? "queued" : job_of(object)->waiter ? "running" : "orphan";
}

static void job_detail(const struct object *object, struct text *out) {
	text_add(out, "\"orphan\": %s", job_of(object)->waiter ? "false" : "true");
}

static const struct kind job_kind = {
	.index = KIND_JOB,
	.word = "job",
	.title = "job",
	.fate = "still running",
	.waits = "waits",
	.help = "have it return, and wait for it",
	.outcome = "closed",
	.name = job_name,
	.state = job_state,
	.line = object_line,
	.detail = job_detail,
};

void job_list(struct loop *loop, struct pool_job *job) {
	struct arun_task *self = job->waiter;
	if (job->name) {
		job->object.owner = &self->object;
		job->object.maker = self->object.id;
		registry_add(&loop->sched.registry, &job->object, &job_kind, self->at);
	}
}

void job_unlist(struct pool_job *job) {
	if (job->name) {
		registry_remove(&job->object);
	}
}

void job_orphan(struct pool_job *job) {
	job->waiter = NULL;
	job->object.owner = NULL;
}
