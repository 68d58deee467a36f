/* SPDX-License-Identifier: MIT */
#include "select.h"

#include "chan.h"

/* So many of the others are told of. */
enum { SELECT_TOLD = 4 };

_Static_assert(sizeof(struct queue_entry) <= sizeof(((arun_chan_case *)0)->private_),
	"room for an entry");

static struct queue_entry *case_entry(struct arun_chan_case *one) {
	return (struct queue_entry *)(void *)one->private_;
}

static struct queue *case_queue(const struct arun_chan_case *one) {
	return one->send ? &one->chan->senders : &one->chan->receivers;
}

/* Whether a try may find something; those that it finds waiting may be late. */
static bool case_is_ready(const struct arun_chan_case *one) {
	const struct arun_chan *chan = one->chan;
	if (!chan || chan->closed) {
		return chan;
	}
	return one->send ? chan->receivers.first || chan->count < chan->capacity
			 : chan->senders.first || chan->count;
}

/* Returns 0 where an item moved, or the end was received; EPIPE; EAGAIN. */
static int case_try(struct sched *sched, struct arun_chan_case *one) {
	if (one->send) {
		int error = chan_offer(sched, one->chan, one->send);
		one->result = error == EPIPE ? -1 : !error;
		return error;
	}
	one->result = chan_take(sched, one->chan, one->recv);
	return one->result || one->chan->closed ? 0 : EAGAIN;
}

/* What a wait of the case came to. Returns 0; the errno of the call. */
static int case_answered(struct arun_chan_case *one, int refusal) {
	bool at_end = refusal == EPIPE && one->recv;
	bool of_channel = refusal == EPIPE || refusal == EBADF;
	one->result = !refusal ? 1 : of_channel && !at_end ? -1 : 0;
	return at_end ? 0 : refusal;
}

/* Waiting */

/* queue_several::answered; takes it out of all queues but the one that has answered. */
static void choice_leave(struct queue_several *several) {
	struct choice *choice = container_of(several, struct choice, several);
	for (size_t i = 0; i < choice->count; i++) {
		struct arun_chan_case *one = &choice->cases[i];
		if (!one->chan) {
			continue;
		}
		if (!case_entry(one)->answered) {
			queue_remove(case_queue(one), case_entry(one));
		}
		one->chan->waiting--;
	}
	/* By the time the task runs, it may be freed. */
	several->scope.task->awaits = NULL;
}

static void choice_enter(const struct choice *choice) {
	struct arun_task *self = choice->several.scope.task;
	for (size_t i = 0; i < choice->count; i++) {
		struct arun_chan_case *one = &choice->cases[i];
		if (!one->chan) {
			continue;
		}
		void *item = one->send ? (void *)(uintptr_t)one->send : one->recv;
		*case_entry(one) = (struct queue_entry){.task = self, .item = item};
		queue_enter(case_queue(one), case_entry(one));
		one->chan->waiting++;
		self->awaits = self->awaits ? self->awaits : &one->chan->object;
	}
}

/* The case that was answered; count: none. */
static size_t choice_find(const struct choice *choice) {
	size_t at = 0;
	while (at < choice->count &&
		!(choice->cases[at].chan && case_entry(&choice->cases[at])->answered)) {
		at++;
	}
	return at;
}

/* Waits for one of the cases, and sets *at to it. Returns 0; an errno. */
static int select_wait(struct sched *sched, struct arun_task *self,
	struct arun_chan_case *cases, size_t count, size_t *at) {
	struct choice choice = {
		.several.scope = {.outer = self->scopes,
			.task = self,
			.time = INFINITY,
			.several = true},
		.several.answered = choice_leave,
		.cases = cases,
		.count = count,
	};
	choice_enter(&choice);
	task_set_scopes(self, &choice.several.scope);
	int error = task_suspend(sched, self, INFINITY, true);
	task_set_scopes(self, choice.several.scope.outer);
	*at = choice_find(&choice);
	if (*at == count) {
		choice_leave(&choice.several);
		return error;
	}
	return case_answered(&cases[*at], case_entry(&cases[*at])->refusal);
}

/* Choosing */

/* A number below limit. */
static uint64_t draw(struct sched *sched, uint64_t limit) {
	sched->drawn = sched->drawn * 6364136223846793005u + 1442695040888963407u;
	return (sched->drawn >> 32) % limit;
}

/*
 * One of those that are ready, each with the same chance: whatever comes in turns, or always first,
 * starves another that is chosen in a loop. Returns count where none is.
 */
static size_t select_ready(
	struct sched *sched, const struct arun_chan_case *cases, size_t count) {
	size_t chosen = count, ready = 0;
	for (size_t i = 0; i < count; i++) {
		if (case_is_ready(&cases[i]) && (++ready == 1 || !draw(sched, ready))) {
			chosen = i;
		}
	}
	return chosen;
}

/* The same as far as that needs no wait. Returns 0; EPIPE; EAGAIN. */
static int select_try(
	struct sched *sched, struct arun_chan_case *cases, size_t count, size_t *at) {
	int error = EAGAIN;
	/* A case that had none but late ones waiting has none any more. */
	while (error == EAGAIN && (*at = select_ready(sched, cases, count)) < count) {
		error = case_try(sched, &cases[*at]);
	}
	return error;
}

static int select_begin(struct sched *sched, struct arun_task *self,
	struct arun_chan_case *cases, size_t count) {
	bool valid = count <= INT_MAX && (cases || !count);
	for (size_t i = 0; valid && i < count; i++) {
		chan_check(cases[i].chan, self->op, self->at);
		cases[i].result = 0;
		valid = !cases[i].chan || !cases[i].send != !cases[i].recv;
	}
	return valid ? task_interrupted(sched, self) : EINVAL;
}

/* Says which of the arguments, or of the cases, is bad. Returns -1/EINVAL. */
static int select_refuse(
	const struct arun_task *self, const struct arun_chan_case *cases, size_t count) {
	size_t i = 0;
	if (count > INT_MAX) {
		return task_refuse(self->op, NULL, "count is more than %d", INT_MAX);
	} else if (!cases) {
		return task_refuse(self->op, NULL, "cases is NULL, where count is not 0");
	}
	while (!cases[i].chan || !cases[i].send != !cases[i].recv) {
		i++;
	}
	return task_refuse(self->op, NULL,
		"case %zu has %s recv, and is to have one of them", i,
		cases[i].send ? "both send and" : "neither send nor");
}

int(arun_chan_select)(arun_chan_case *cases, size_t count) {
	return arun_chan_select_at(NULL, cases, count);
}

int arun_chan_select_at(
	const struct arun_site *site, arun_chan_case *cases, size_t count) {
	struct arun_task *self = task_enter(site, "arun_chan_select");
	struct sched *sched = sched_current;
	size_t at = 0;
	int error = select_begin(sched, self, cases, count);
	if (error) {
		return error == EINVAL ? select_refuse(self, cases, count)
				       : task_fail(error, self->op, NULL);
	}
	error = select_try(sched, cases, count, &at);
	if (error != EAGAIN) {
		sched_spend(sched, self);
		return error ? task_fail(error, self->op, NULL) : (int)at;
	}
	error = select_wait(sched, self, cases, count, &at);
	return error ? task_fail(error, self->op, NULL) : task_return(self, (int)at);
}

/* Reports */

const struct object *select_other(const struct arun_task *task, size_t index) {
	const struct scope *scope = task->scopes;
	if (!task->awaits || !scope || !scope->several) {
		return NULL;
	}
	const struct choice *choice =
		container_of(scope, const struct choice, several.scope);
	for (size_t i = 0; i < choice->count; i++) {
		const struct arun_chan *chan = choice->cases[i].chan;
		if (chan && &chan->object != task->awaits && !index--) {
			return &chan->object;
		}
	}
	return NULL;
}

void select_add_others(struct text *out, const struct arun_task *task) {
	const struct object *other;
	for (size_t i = 0; (other = select_other(task, i)); i++) {
		if (i == SELECT_TOLD) {
			text_add(out, " or others");
			return;
		}
		text_add(out, " or ");
		object_add(out, other);
	}
}
