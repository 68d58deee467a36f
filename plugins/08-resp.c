/* SPDX-License-Identifier: MIT */
/*
 * 8. A service with state: a small Redis, over its protocol RESP.
 *
 *	arun ./resp.so 127.0.0.1:6380		and then: redis-cli -p 6380 set answer 42
 *
 * All connections share one table, without a lock: a command runs from its beginning to
 * its end without a call that suspends. Only sending an answer suspends, and meanwhile
 * others may replace the value that is being sent; so values are counted references.
 *
 * What has been read may hold many commands (pipelining). They are all run, their answers
 * gathered, and sent in one go when there is no whole command left.
 */
#include "08-table.h"

#include <arun.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

enum { WORDS_MAX = 1024 };             /* of a command */
enum { BULK_MAX = 512 * 1024 * 1024 }; /* bytes of a word */
enum { COMMAND_MAX = BULK_MAX + 65536, INLINE_MAX = 65536, IN = 16384, OUT = 16384 };

/* Answers -------------------------------------------------------------------------- */

struct client {
	arun_conn *conn;
	struct table *table;
	char *in; /* of room bytes; those from start to end are to be used */
	size_t room, start, end;
	size_t filled;
	bool quit;
	int count;
	char out[OUT];
	struct word words[WORDS_MAX];
};

/* Adds to the answers, or, where they are too many, sends them. */
static int put(struct client *client, const void *bytes, size_t length) {
	if (length > sizeof client->out - client->filled) {
		struct iovec pieces[] = {
			{client->out, client->filled}, {(void *)bytes, length}};
		client->filled = 0;
		return arun_writev(client->conn, pieces, 2);
	}
	memcpy(client->out + client->filled, bytes, length);
	client->filled += length;
	return 0;
}

static int say(struct client *client, const char *line) {
	return put(client, line, strlen(line));
}

/* ":7\r\n", "$5\r\n" ... without printf(), as it is said so often. */
static int say_number(struct client *client, char type, long long number) {
	char line[32], *start = line + sizeof line;
	unsigned long long rest =
		number < 0 ? 0 - (unsigned long long)number : (unsigned long long)number;
	*--start = '\n';
	*--start = '\r';
	do {
		*--start = (char)('0' + rest % 10);
	} while (rest /= 10);
	if (number < 0) {
		*--start = '-';
	}
	*--start = type;
	return put(client, start, (size_t)(line + sizeof line - start));
}

static int say_bulk(struct client *client, const char *text, size_t length) {
	return say_number(client, '$', (long long)length) < 0 ||
			       put(client, text, length) < 0
		       ? -1
		       : put(client, "\r\n", 2);
}

static int out_of_memory(struct client *client) {
	return say(client, "-ERR out of memory\r\n");
}

/* Commands ------------------------------------------------------------------------- */

static int do_get(struct client *client) {
	struct item *item = table_get(client->table, client->words[1]);
	if (!item) {
		return say(client, "$-1\r\n");
	}
	item->refs++; /* as sending it may suspend */
	int result = say_bulk(client, item->bytes + item->key_length, item->length);
	item_release(item);
	return result;
}

static int do_set(struct client *client) {
	return table_set(client->table, client->words[1], client->words[2]) < 0
		       ? out_of_memory(client)
		       : say(client, "+OK\r\n");
}

static int do_del(struct client *client) {
	int gone = 0;
	for (int i = 1; i < client->count; i++) {
		gone += table_delete(client->table, client->words[i]);
	}
	return say_number(client, ':', gone);
}

static int do_exists(struct client *client) {
	int there = 0;
	for (int i = 1; i < client->count; i++) {
		there += table_get(client->table, client->words[i]) != NULL;
	}
	return say_number(client, ':', there);
}

/* A whole decimal number. */
static bool number(const char *text, size_t length, long long *result) {
	char digits[24], *end;
	if (!length || length >= sizeof digits || isspace((unsigned char)*text)) {
		return false;
	}
	memcpy(digits, text, length);
	digits[length] = '\0';
	errno = 0;
	*result = strtoll(digits, &end, 10);
	return end == digits + length && !errno;
}

static int do_incr(struct client *client) {
	struct item *item = table_get(client->table, client->words[1]);
	long long value = 0;
	char text[24];
	if (item && !number(item->bytes + item->key_length, item->length, &value)) {
		return say(client, "-ERR value is not an integer or out of range\r\n");
	}
	if (value == LLONG_MAX) {
		return say(client, "-ERR increment or decrement would overflow\r\n");
	}
	int length = snprintf(text, sizeof text, "%lld", ++value);
	struct word word = {text, (size_t)length};
	return table_set(client->table, client->words[1], word) < 0
		       ? out_of_memory(client)
		       : say_number(client, ':', value);
}

static int do_ping(struct client *client) {
	struct word word = client->words[1];
	return client->count == 1 ? say(client, "+PONG\r\n")
				  : say_bulk(client, word.text, word.length);
}

static int do_quit(struct client *client) {
	client->quit = true;
	return say(client, "+OK\r\n");
}

/* redis-cli asks for COMMAND DOCS, redis-benchmark for CONFIG GET: there is nothing to tell. */
static int do_command(struct client *client) {
	return say(client, "*0\r\n");
}

static int do_config(struct client *client) {
	struct word word = client->words[client->count - 1];
	return say(client, "*2\r\n") < 0 || say_bulk(client, word.text, word.length) < 0
		       ? -1
		       : say(client, "$0\r\n\r\n");
}

static const struct command {
	const char *name;
	int least, most; /* words, the name among them */
	int (*run)(struct client *client);
} commands[] = {
	{"GET", 2, 2, do_get},
	{"SET", 3, 3, do_set},
	{"INCR", 2, 2, do_incr},
	{"PING", 1, 2, do_ping},
	{"DEL", 2, WORDS_MAX, do_del},
	{"EXISTS", 2, WORDS_MAX, do_exists},
	{"ECHO", 2, 2, do_ping},
	{"QUIT", 1, 1, do_quit},
	{"COMMAND", 1, WORDS_MAX, do_command},
	{"CONFIG", 3, 3, do_config},
};

static int unknown(struct client *client, struct word name) {
	char line[128];
	size_t shown = 0;
	while (shown < name.length && shown < 64 &&
		isprint((unsigned char)name.text[shown])) {
		shown++;
	}
	snprintf(line, sizeof line, "-ERR unknown command '%.*s'\r\n", (int)shown,
		name.text);
	return say(client, line);
}

static int run(struct client *client) {
	struct word name = client->words[0];
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
		const struct command *command = &commands[i];
		if (strlen(command->name) == name.length &&
			strncasecmp(command->name, name.text, name.length) == 0) {
			return client->count >= command->least &&
					       client->count <= command->most
				       ? command->run(client)
				       : say(client,
						 "-ERR wrong number of arguments\r\n");
		}
	}
	return unknown(client, name);
}

/* Reading: 1 with *at moved on; 0: it is not all there yet; -1: that is no RESP ------- */

/* "*3\r\n", "$5\r\n". */
static int read_number(const char **at, const char *end, long *result) {
	const char *digit = *at + 1;
	bool negative = digit < end && *digit == '-';
	long value = 0;
	digit += negative;
	for (; digit < end && isdigit((unsigned char)*digit); digit++) {
		value = value * 10 + (*digit - '0');
		if (value > BULK_MAX || digit - *at > 20) {
			return -1;
		}
	}
	if (end - digit < 2) {
		return digit < end && *digit != '\r' ? -1 : 0;
	}
	if (digit[0] != '\r' || digit[1] != '\n' || digit[-1] < '0') {
		return -1;
	}
	*at = digit + 2;
	*result = negative ? -value : value;
	return 1;
}

static int read_words(struct client *client, const char **at, const char *end) {
	long count, length;
	int got = read_number(at, end, &count);
	if (got <= 0 || count > WORDS_MAX) {
		return got <= 0 ? got : -1;
	}
	for (int i = 0; i < count; i++) {
		if (*at == end) {
			return 0;
		}
		got = **at == '$' ? read_number(at, end, &length) : -1;
		if (got <= 0 || length < 0) {
			return got <= 0 ? got : -1;
		}
		if (end - *at < length + 2) {
			return 0;
		}
		if (memcmp(*at + length, "\r\n", 2) != 0) {
			return -1;
		}
		client->words[i] = (struct word){*at, (size_t)length};
		*at += length + 2;
	}
	client->count = count > 0 ? (int)count : 0;
	return 1;
}

/* A line of words, as a person types it. */
static int read_inline(struct client *client, const char **at, const char *end) {
	const char *feed = memchr(*at, '\n', (size_t)(end - *at));
	if ((feed ? feed : end) - *at > INLINE_MAX) {
		return -1;
	}
	if (!feed) {
		return 0;
	}
	client->count = 0;
	for (const char *next = *at; next < feed; next++) {
		if (isspace((unsigned char)*next)) {
			continue;
		}
		if (client->count == WORDS_MAX) {
			return -1;
		}
		struct word *word = &client->words[client->count++];
		word->text = next;
		while (next < feed && !isspace((unsigned char)*next)) {
			next++;
		}
		word->length = (size_t)(next - word->text);
	}
	*at = feed + 1;
	return 1;
}

static int read_command(struct client *client) {
	const char *at = client->in + client->start, *end = client->in + client->end;
	if (at == end) {
		return 0;
	}
	int got =
		*at == '*' ? read_words(client, &at, end) : read_inline(client, &at, end);
	if (got > 0) {
		client->start = (size_t)(at - client->in);
	}
	return got;
}

/* Connections ---------------------------------------------------------------------- */

/* Room for what comes next: as much as there is already, so that it costs a client a
 * megabyte to make us take one. */
static int make_room(struct client *client) {
	size_t left = client->end - client->start, room = client->room;
	if (client->start) {
		memmove(client->in, client->in + client->start, left);
	}
	client->start = 0;
	client->end = left;
	room = left == 0 ? IN : left == room ? room * 2 : room;
	if (room == client->room) {
		return 0;
	}
	char *in = room <= 2L * COMMAND_MAX ? realloc(client->in, room) : NULL;
	if (!in) {
		return -1;
	}
	client->in = in;
	client->room = room;
	return 0;
}

/* Sends what there is to answer, and reads more. */
static ssize_t more(struct client *client) {
	if (client->filled && arun_write(client->conn, client->out, client->filled) < 0) {
		return -1;
	}
	client->filled = 0;
	if (client->quit) {
		return 0;
	}
	if (make_room(client) < 0) {
		client->quit = true;
		return out_of_memory(client) < 0 ? -1 : more(client);
	}
	if (client->start == client->end) { /* no part of a command is there */
		arun_idle(client->conn);
	}
	ssize_t n = arun_read(
		client->conn, client->in + client->end, client->room - client->end);
	client->end += n > 0 ? (size_t)n : 0;
	return n;
}

static void converse(struct client *client) {
	while (more(client) > 0) {
		int got = 0;
		while (!client->quit && (got = read_command(client)) > 0) {
			if (client->count && run(client) < 0) {
				return;
			}
		}
		if (got < 0) {
			client->quit = true;
			if (say(client, "-ERR Protocol error\r\n") < 0) {
				return;
			}
		}
	}
}

static int resp(arun_conn *conn, void *arg) {
	struct client client;
	memset(&client, 0, offsetof(struct client, out));
	client.conn = conn;
	client.table = arg;
	converse(&client);
	free(client.in);
	return 0;
}

static int serve(int argc, char **argv) {
	/* Handlers that outlive the server, where its close fails, outlive this call too. */
	static struct table table;
	if (getrandom(&table.seed, sizeof table.seed, 0) < 0 || table_grow(&table) < 0) {
		return -1;
	}
	arun_server *server =
		arun_listen(argc > 1 ? argv[1] : "tcp:127.0.0.1:6380", resp, &table);
	if (!server) {
		table_finish(&table);
		return -1;
	}
	arun_yield();
	int result = arun_server_close(server);
	if (result == 0) {
		table_finish(&table);
	}
	return result;
}
ARUN_SERVER(serve, .name = "resp", .about = "GET, SET, DEL, INCR, PING ... of Redis")
