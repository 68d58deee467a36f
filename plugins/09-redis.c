/* SPDX-License-Identifier: MIT */
/*
 * 9. A library that has an adapter for libev: hiredis, and a real Redis.
 *
 *	cc -shared -fPIC -o redis.so 09-redis.c $(pkg-config --cflags arun) -lhiredis
 *	arun ./redis.so 127.0.0.1 6379 100 100
 *
 * arun_loop() is the loop that the adapter wants. What the library calls back is not in
 * a task and must not suspend; it sets an event, for which the task that asked waits.
 * So the tasks below read as if nothing were asynchronous, and share one connection.
 */
#include <arun.h>
#include <errno.h>
#include <hiredis/adapters/libev.h>
#include <hiredis/async.h>
#include <stdlib.h>
#include <string.h>

struct redis {
	const char *host;
	int port;
	redisAsyncContext *context; /* NULL: not connected */
};

/* Not on the stack of the task, which may be cancelled before the answer is there. */
struct call {
	arun_event done;
	bool abandoned, failed;
	long long number;
};

static void on_reply(redisAsyncContext *context, void *data, void *arg) {
	redisReply *reply = data; /* NULL: the connection is lost */
	struct call *call = arg;
	(void)context;
	if (call->abandoned) {
		free(call);
		return;
	}
	call->failed = !reply || reply->type != REDIS_REPLY_INTEGER;
	call->number = call->failed ? 0 : reply->integer;
	arun_event_set(&call->done);
}

/* hiredis frees the context after either of these. */
static void on_connect(const redisAsyncContext *context, int status) {
	struct redis *redis = context->data;
	if (status != REDIS_OK) {
		redis->context = NULL;
	}
}

static void on_disconnect(const redisAsyncContext *context, int status) {
	struct redis *redis = context->data;
	(void)status;
	redis->context = NULL;
}

/* Begins to connect, where that is not done. Commands may be given at once. */
static redisAsyncContext *redis_context(struct redis *redis) {
	if (redis->context) {
		return redis->context;
	}
	redisAsyncContext *context = redisAsyncConnect(redis->host, redis->port);
	if (!context) {
		return NULL;
	}
	if (context->err || redisLibevAttach(arun_loop(), context) != REDIS_OK) {
		redisAsyncFree(context);
		errno = ECONNREFUSED;
		return NULL;
	}
	context->data = redis;
	redisAsyncSetConnectCallback(context, on_connect);
	redisAsyncSetDisconnectCallback(context, on_disconnect);
	return redis->context = context;
}

/* Increments a key. Returns 0; -1 with ECONNRESET, ECANCELED ... Suspends. */
static int redis_increment(struct redis *redis, const char *key, long long *value) {
	redisAsyncContext *context = redis_context(redis);
	struct call *call = context ? calloc(1, sizeof *call) : NULL;
	if (!call) {
		return -1;
	}
	if (redisAsyncCommand(context, on_reply, call, "INCR %s", key) != REDIS_OK) {
		free(call);
		errno = ECONNRESET;
		return -1;
	}
	if (arun_event_wait(&call->done) < 0) {
		call->abandoned = true; /* on_reply() frees it */
		return -1;
	}
	bool failed = call->failed;
	*value = call->number;
	free(call);
	errno = failed ? ECONNRESET : errno;
	return failed ? -1 : 0;
}

struct work {
	struct redis redis;
	int commands;
	double pause;
	long answered, failed;
};

static int worker(void *arg) {
	struct work *work = arg;
	long long value;
	for (int done = 0; done < work->commands;) {
		int result = redis_increment(&work->redis, "arun", &value);
		if (result < 0 && errno == ECANCELED) {
			return -1;
		}
		done += result == 0;
		work->answered += result == 0;
		if (result < 0 && work->failed++ == 0) {
			fprintf(stderr, "redis: %s; trying again\n", strerror(errno));
		}
		if (arun_sleep(result < 0 ? 0.05 : work->pause) < 0) {
			return -1;
		}
	}
	return 0;
}

static int redis(int argc, char **argv) {
	struct work work = {
		.redis = {argc > 1 ? argv[1] : "127.0.0.1", 6379, NULL}, .commands = 100};
	int tasks = argc > 3 ? atoi(argv[3]) : 100, result = 0;
	work.redis.port = argc > 2 ? atoi(argv[2]) : work.redis.port;
	work.commands = argc > 4 ? atoi(argv[4]) : work.commands;
	work.pause = argc > 5 ? atof(argv[5]) : 0;
	{
		ARUN_GROUP(group);
		for (int i = 0; result == 0 && i < tasks; i++) {
			result = arun_group_spawn(group, worker, &work);
		}
		result = result < 0 ? -1 : arun_group_wait(group);
	}
	printf("%ld answered, %ld failed\n", work.answered, work.failed);
	if (work.redis.context) {
		redisAsyncFree(work.redis.context);
	}
	return result;
}
ARUN_MAIN(redis, .about = "increments a key of HOST PORT, with TASKS, COMMANDS each")
