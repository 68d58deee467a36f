/* SPDX-License-Identifier: MIT */
#include "post.h"

#include <sched.h>
#include <stdlib.h>

struct post {
	struct object object;
	struct post *next;
	const struct arun_site *site;
	const char *name;
	void (*fn)(void *);
	void *arg;
	bool listed;
};

struct posts {
	struct loop *loop;
	struct post *stack; /* the newest first; any thread */
	/* Taken from there, the oldest first; for the loop's thread. */
	struct post *first, **last;
};

/* How many are called in a turn of the loop. Without a bound, a thread that posts faster than
 * its posts are called would have the turns grow without end, and all else starve. */
enum { POST_BATCH = 256 };

/* In place of a stack: it is shut. */
static struct post post_none;

/* The run that other threads post to, and how many of them are at it. */
static struct posts *post_process;
static unsigned post_users;

/* How reports show one that was not delivered */

static const struct post *post_of(const struct object *object) {
	return container_of(object, const struct post, object);
}

static const char *post_name(const struct object *object) {
	return post_of(object)->name;
}

static const char *post_state(const struct object *object) {
	(void)object;
	return "queued";
}

static const struct kind post_kind = {
	.index = KIND_POST,
	.word = "post",
	.title = "post",
	.fate = "not delivered",
	.waits = "waits",
	.help = "let the loop turn until all has come",
	.outcome = "closed",
	.ageless = true,
	.name = post_name,
	.state = post_state,
	.line = object_line,
};

/* On any thread */

static int post_push(struct posts *posts, struct post *post) {
	struct post *top = __atomic_load_n(&posts->stack, __ATOMIC_RELAXED);
	do {
		if (top == &post_none) {
			return ESHUTDOWN;
		}
		post->next = top;
	} while (!__atomic_compare_exchange_n(
		&posts->stack, &top, post, true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
	if (!top) {
		loop_wakeup(posts->loop);
	}
	return 0;
}

/* From a thread that has no run. */
static int post_from_outside(struct post *post) {
	__atomic_add_fetch(&post_users, 1, __ATOMIC_SEQ_CST);
	struct posts *posts = __atomic_load_n(&post_process, __ATOMIC_SEQ_CST);
	int error = posts ? post_push(posts, post) : ESHUTDOWN;
	__atomic_sub_fetch(&post_users, 1, __ATOMIC_SEQ_CST);
	return error;
}

/* What arun_why() tells is of a thread that has a run. */
static int post_fail(int error, const char *name) {
	if (loop_here()) {
		return task_fail(error, "post", name);
	}
	errno = error;
	return -1;
}

int(arun_post)(void (*fn)(void *), void *arg) {
	return arun_post_at(NULL, "?", fn, arg);
}

int arun_post_at(
	const struct arun_site *site, const char *name, void (*fn)(void *), void *arg) {
	struct loop *loop = loop_here();
	struct post *post = malloc(sizeof *post);
	if (!post) {
		return post_fail(ENOMEM, name);
	}
	*post = (struct post){.site = site, .name = name, .fn = fn, .arg = arg};
	int error = loop ? post_push(loop->posts, post) : post_from_outside(post);
	if (error) {
		free(post);
	}
	return error ? post_fail(error, name) : 0;
}

/* On the loop's thread */

/* Moves what is on the stack to the end of the queue; top is put in its place. */
static void post_take(struct posts *posts, struct post *top) {
	struct post *post = __atomic_exchange_n(&posts->stack, top, __ATOMIC_ACQ_REL);
	struct post *oldest = NULL, **last = posts->last;
	while (post && post != &post_none) {
		struct post *next = post->next;
		post->next = oldest;
		posts->last = oldest ? posts->last : &post->next;
		oldest = post;
		post = next;
	}
	if (oldest) {
		*last = oldest;
	}
}

/* The same where it is open: what is shut stays so. */
static void post_take_open(struct posts *posts) {
	struct post *top = __atomic_load_n(&posts->stack, __ATOMIC_ACQUIRE);
	if (top && top != &post_none) {
		post_take(posts, NULL);
	}
}

static struct post *post_next(struct posts *posts) {
	struct post *post = posts->first;
	if (post) {
		posts->first = post->next;
		if (!posts->first) {
			posts->last = &posts->first;
		}
		if (post->listed) {
			registry_remove(&post->object);
		}
	}
	return post;
}

void post_deliver(struct loop *loop) {
	struct posts *posts = loop->posts;
	if (!posts) {
		return;
	}
	post_take_open(posts);
	for (int left = POST_BATCH; left && posts->first; left--) {
		struct post *post = post_next(posts);
		void (*fn)(void *) = post->fn;
		void *arg = post->arg;
		free(post);
		fn(arg);
	}
	if (posts->first) {
		loop_wakeup(loop);
	}
}

bool post_waiting(const struct loop *loop) {
	const struct posts *posts = loop->posts;
	const struct post *top =
		posts ? __atomic_load_n(&posts->stack, __ATOMIC_ACQUIRE) : NULL;
	return (top && top != &post_none) || (posts && posts->first);
}

void post_list(struct loop *loop) {
	struct posts *posts = loop->posts;
	post_take_open(posts);
	for (struct post *post = posts->first; post; post = post->next) {
		if (!post->listed) {
			post->listed = true;
			registry_add(&loop->sched.registry, &post->object, &post_kind,
				post->site);
		}
	}
}

int post_init(struct loop *loop, bool process) {
	struct posts *posts = malloc(sizeof *posts);
	if (!posts) {
		return -1;
	}
	*posts = (struct posts){.loop = loop, .last = &posts->first};
	loop->posts = posts;
	struct posts *none = NULL;
	if (process) {
		__atomic_store_n(&post_process, posts, __ATOMIC_SEQ_CST);
	} else {
		__atomic_compare_exchange_n(&post_process, &none, posts, false,
			__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	}
	return 0;
}

void post_shut(struct loop *loop) {
	post_take(loop->posts, &post_none);
}

void post_finish(struct loop *loop) {
	struct posts *posts = loop->posts;
	if (!posts) {
		return;
	}
	struct posts *expected = posts;
	__atomic_compare_exchange_n(&post_process, &expected, NULL, false,
		__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&post_users, __ATOMIC_SEQ_CST)) {
		sched_yield();
	}
	post_shut(loop);
	struct post *post;
	while ((post = post_next(posts))) {
		free(post);
	}
	free(posts);
	loop->posts = NULL;
}

void post_forked(void) {
	post_process = NULL;
	post_users = 0;
}
