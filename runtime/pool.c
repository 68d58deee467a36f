/* SPDX-License-Identifier: MIT */
/*
 * Design notes. A job belongs to the loop's thread but for its time in a queue, on a
 * thread and in the list of the ended, where the lock guards it. Whoever waits for it may
 * go (cancelled): the job is an orphan then and is freed when it is collected. A thread
 * that ends says so and is joined by the loop's thread, so that the count of threads is
 * exact. The pool outlives a thread that is abandoned; pool->loop tells such a thread
 * that there is nobody to wake.
 */
#include "pool.h"

#include "handler.h"
#include "job.h"
#include "monotonic.h"

#include <stdlib.h>

enum pool_state { POOL_FREE, POOL_ALIVE, POOL_GONE, POOL_ABANDONED };

struct pool_thread {
	struct pool *pool;
	struct pool_queue *queue;
	pthread_t id;
	enum pool_state state; /* POOL_GONE: to be joined */
};

struct pool_queue {
	struct list jobs;
	unsigned length, idle; /* jobs, threads that wait for one */
	pthread_cond_t more;
	struct pool_thread threads[POOL_THREADS];
};

struct pool {
	pthread_mutex_t lock;
	pthread_cond_t gone; /* a thread has ended */
	struct pool_queue queues[POOL_LANES];
	struct list ended; /* jobs to collect */
	struct loop *loop; /* NULL: the pool was abandoned */
	unsigned alive;    /* threads */
	bool quit;
	unsigned jobs, threads; /* for the loop's thread: not collected, not joined */
};

/* Of a thread. */
static __thread struct pool_job *pool_job_current;

/* On a thread ------------------------------------------------------------------ */

struct pool_job *pool_job_here(void) {
	return pool_job_current;
}

void pool_forked(void) {
	pool_job_current = NULL;
}

static struct pool_job *pool_take(struct pool_queue *queue) {
	struct pool_job *job = list_first(&queue->jobs, struct pool_job, link);
	list_remove(&job->link);
	queue->length--;
	__atomic_store_n(&job->started, true, __ATOMIC_RELAXED);
	return job;
}

/* The next job; NULL: none came in time, or the pool ends. */
static struct pool_job *pool_next(struct pool *pool, struct pool_queue *queue) {
	struct timespec until = monotonic_timespec(loop_clock() + POOL_IDLE);
	int late = 0;
	while (!pool->quit && list_empty(&queue->jobs) && !late) {
		queue->idle++;
		late = pthread_cond_timedwait(&queue->more, &pool->lock, &until);
		queue->idle--;
	}
	return pool->quit || list_empty(&queue->jobs) ? NULL : pool_take(queue);
}

/* Under the lock, so that the loop is not finished meanwhile. */
static void pool_notify(struct pool *pool) {
	if (pool->loop) {
		loop_wakeup(pool->loop);
	}
}

static void pool_run(struct pool *pool, struct pool_job *job) {
	pthread_mutex_unlock(&pool->lock);
	pool_job_current = job->name ? job : NULL;
	errno = 0;
	job->result = job->fn(job->arg);
	job->error = errno;
	pool_job_current = NULL;
	pthread_mutex_lock(&pool->lock);
	list_append(&pool->ended, &job->link);
	pool_notify(pool);
}

static void *pool_main(void *argument) {
	struct pool_thread *self = argument;
	struct pool *pool = self->pool;
	struct pool_job *job;
	pthread_mutex_lock(&pool->lock);
	while ((job = pool_next(pool, self->queue))) {
		pool_run(pool, job);
	}
	if (self->state == POOL_ALIVE) {
		self->state = POOL_GONE;
	}
	pool->alive--;
	pthread_cond_signal(&pool->gone);
	pool_notify(pool);
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

/* Threads ---------------------------------------------------------------------- */

/* Joins those that have said that they end: they need the lock no more. */
static void pool_reap(struct pool *pool) {
	for (int lane = 0; lane < POOL_LANES; lane++) {
		for (int i = 0; i < POOL_THREADS; i++) {
			struct pool_thread *thread = &pool->queues[lane].threads[i];
			if (thread->state == POOL_GONE) {
				pthread_join(thread->id, NULL);
				thread->state = POOL_FREE;
				pool->threads--;
			}
		}
	}
}

/* Starts a thread where queue may have one more. Returns 0; EAGAIN: it has none, nor can
 * get one. */
static int pool_start(struct pool *pool, struct pool_queue *queue) {
	struct pool_thread *free = NULL;
	bool some = false;
	for (int i = 0; i < POOL_THREADS; i++) {
		struct pool_thread *thread = &queue->threads[i];
		some = some || thread->state == POOL_ALIVE;
		free = thread->state == POOL_FREE ? thread : free;
	}
	if (!free) {
		return 0;
	}
	*free = (struct pool_thread){.pool = pool, .queue = queue, .state = POOL_ALIVE};
	if (handler_thread(&free->id, pool_main, free)) {
		free->state = POOL_FREE;
		return some ? 0 : EAGAIN;
	}
	pool->alive++;
	pool->threads++;
	return 0;
}

/* Jobs ------------------------------------------------------------------------- */

/* Returns 0, or why not: then nothing is to be destroyed, as on Linux neither a mutex nor a condition
 * holds anything. */
static int pool_init(struct pool *pool, struct loop *loop) {
	*pool = (struct pool){.loop = loop};
	list_init(&pool->ended);
	int error = pthread_mutex_init(&pool->lock, NULL);
	error = error ? error : monotonic_condition(&pool->gone);
	for (int lane = 0; lane < POOL_LANES && !error; lane++) {
		list_init(&pool->queues[lane].jobs);
		error = monotonic_condition(&pool->queues[lane].more);
	}
	return error;
}

static void pool_destroy(struct pool *pool) {
	for (int lane = 0; lane < POOL_LANES; lane++) {
		pthread_cond_destroy(&pool->queues[lane].more);
	}
	pthread_cond_destroy(&pool->gone);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

/* The loop's pool, made at the first call; NULL with errno ENOMEM, EAGAIN. */
static struct pool *pool_here(struct loop *loop) {
	if (!loop->pool) {
		struct pool *pool = malloc(sizeof *pool);
		int error = pool ? pool_init(pool, loop) : ENOMEM;
		if (error) {
			free(pool);
			errno = error;
			return NULL;
		}
		loop->pool = pool;
	}
	return loop->pool;
}

/* Queues job. Returns 0; EAGAIN: there is no thread for it, and it is not queued. */
static int pool_enqueue(struct pool *pool, struct pool_job *job) {
	struct pool_queue *queue = job->queue;
	pthread_mutex_lock(&pool->lock);
	pool_reap(pool);
	int error = queue->length < queue->idle ? 0 : pool_start(pool, queue);
	if (!error) {
		list_append(&queue->jobs, &job->link);
		queue->length++;
		pthread_cond_signal(&queue->more);
		pool->loop->pending++;
		pool->jobs++;
	}
	pthread_mutex_unlock(&pool->lock);
	return error;
}

/* Takes job back from its queue. Returns false where a thread has it. */
static bool pool_withdraw(struct pool *pool, struct pool_job *job) {
	pthread_mutex_lock(&pool->lock);
	bool queued = !job->started;
	if (queued) {
		list_remove(&job->link);
		job->queue->length--;
		pool->loop->pending--;
		pool->jobs--;
		job_unlist(job);
	}
	pthread_mutex_unlock(&pool->lock);
	return queued;
}

static void pool_release(void (*release)(void *), void *arg) {
	if (release) {
		release(arg);
	}
}

static void pool_discard(struct pool_job *job) {
	pool_release(job->release, job->arg);
	free(job);
}

/* Waits for job. Returns 0; or why not, and the job is gone, or an orphan. */
static int pool_wait(
	struct pool *pool, struct arun_task *self, struct pool_job *job, bool *orphaned) {
	struct loop *loop = loop_here();
	int interrupted = task_suspend(&loop->sched, self, INFINITY, true);
	if (interrupted) {
		/* It may have ended unseen: a result that is there is not thrown away. */
		pool_collect(loop);
	}
	if (job->done && !job->dropped) {
		return 0;
	}
	if (job->done || pool_withdraw(pool, job)) {
		pool_discard(job);
	} else {
		job_orphan(job);
		*orphaned = true;
	}
	return interrupted ? interrupted : ECANCELED;
}

/* Queues the job of request. NULL with errno ENOMEM, EAGAIN. */
static struct pool_job *pool_begin(
	struct loop *loop, struct arun_task *self, const struct pool_request *request) {
	struct pool *pool = pool_here(loop);
	struct pool_job *job = pool ? malloc(sizeof *job) : NULL;
	if (!job) {
		return NULL;
	}
	*job = (struct pool_job){.queue = &pool->queues[request->lane],
		.name = request->name,
		.fn = request->fn,
		.arg = request->arg,
		.release = request->release,
		.waiter = self};
	job_list(loop, job); /* before it can crash */
	int error = pool_enqueue(pool, job);
	if (error) {
		job_unlist(job);
		free(job);
		errno = error;
		return NULL;
	}
	return job;
}

int pool_call(struct arun_task *self, struct pool_request *request, int *result) {
	struct loop *loop = loop_here();
	int error = task_interrupted(&loop->sched, self);
	struct pool_job *job = error ? NULL : pool_begin(loop, self, request);
	if (!job) {
		error = error ? error : errno;
		pool_release(request->release, request->arg);
		return error;
	}
	error = pool_wait(loop->pool, self, job, &request->orphaned);
	if (!error) {
		int saved = job->error;
		*result = job->result;
		free(job);
		errno = saved;
	}
	return error;
}

/* The loop's side -------------------------------------------------------------- */

static void pool_deliver(struct loop *loop, struct pool_job *job) {
	loop->pending--;
	loop->pool->jobs--;
	job_unlist(job);
	if (job->waiter) {
		job->done = true;
		task_wake(&loop->sched, job->waiter);
	} else {
		pool_discard(job);
	}
}

/* A job that has ended; NULL: none. */
static struct pool_job *pool_next_ended(struct pool *pool) {
	struct pool_job *job = NULL;
	pthread_mutex_lock(&pool->lock);
	pool_reap(pool);
	if (!list_empty(&pool->ended)) {
		job = list_first(&pool->ended, struct pool_job, link);
		list_remove(&job->link);
	}
	pthread_mutex_unlock(&pool->lock);
	return job;
}

void pool_collect(struct loop *loop) {
	struct pool_job *job;
	while (loop->pool && (job = pool_next_ended(loop->pool))) {
		pool_deliver(loop, job);
	}
}

bool pool_busy(const struct loop *loop) {
	return loop->pool && loop->pool->jobs > 0;
}

bool pool_looks_up(const struct loop *loop) {
	struct pool *pool = loop->pool;
	unsigned alive = 0, idle = 0;
	if (pool) {
		struct pool_queue *queue = &pool->queues[POOL_LOOKUPS];
		pthread_mutex_lock(&pool->lock);
		for (int i = 0; i < POOL_THREADS; i++) {
			alive += queue->threads[i].state == POOL_ALIVE;
		}
		idle = queue->idle;
		pthread_mutex_unlock(&pool->lock);
	}
	return alive > idle;
}

unsigned pool_threads(const struct loop *loop) {
	return loop->pool ? loop->pool->threads : 0;
}

/* Empties the queue: jobs that have not started count as ended. */
static void pool_drop(struct pool *pool, struct pool_queue *queue) {
	while (!list_empty(&queue->jobs)) {
		struct pool_job *job = pool_take(queue);
		job->dropped = true;
		list_append(&pool->ended, &job->link);
	}
	pthread_cond_broadcast(&queue->more);
}

/* Lets go of threads that still run a job: nobody will join them. */
static void pool_abandon(struct pool *pool) {
	for (int lane = 0; lane < POOL_LANES; lane++) {
		for (int i = 0; i < POOL_THREADS; i++) {
			struct pool_thread *thread = &pool->queues[lane].threads[i];
			if (thread->state == POOL_ALIVE) {
				thread->state = POOL_ABANDONED;
				pthread_detach(thread->id);
			}
		}
	}
}

bool pool_finish(struct loop *loop, double deadline) {
	struct pool *pool = loop->pool;
	if (!pool) {
		return true;
	}
	struct timespec until = monotonic_timespec(deadline);
	pthread_mutex_lock(&pool->lock);
	pool->quit = true;
	for (int lane = 0; lane < POOL_LANES; lane++) {
		pool_drop(pool, &pool->queues[lane]);
	}
	for (int late = 0; pool->alive && !late;) {
		late = pthread_cond_timedwait(&pool->gone, &pool->lock, &until);
	}
	bool ended = !pool->alive;
	pool_abandon(pool);
	pool->loop = NULL;
	pthread_mutex_unlock(&pool->lock);
	pool_collect(loop);
	loop->pool = NULL;
	if (ended) {
		pool_destroy(pool);
	}
	return ended;
}
