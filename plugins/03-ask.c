/* SPDX-License-Identifier: MIT */
/*
 * 3. Many things at once, each with a time limit.
 *
 *	arun ./ask.so 127.0.0.1:7777 127.0.0.1:7778 unix:/run/some.sock
 *
 * Each endpoint is asked by a task of its own, so that all take as long as the slowest
 * one. The tasks belong to a group: no way out of the block leaves one behind.
 * ARUN_TIMEOUT makes every wait below it, to the end of its block, fail with ETIMEDOUT
 * two seconds from its line on. ask() keeps its failure to itself; had it returned -1,
 * the group would cancel the others.
 */
#include <arun.h>
#include <stdlib.h>

struct question {
	const char *endpoint;
	bool answered;
	char text[256]; /* the answer, or why there is none */
};

static int ask(void *arg) {
	struct question *question = arg;
	ssize_t n = -1;
	ARUN_TIMEOUT(2);
	arun_conn *conn = arun_connect(question->endpoint);
	if (conn && arun_write(conn, "hello\n", 6) == 0) {
		n = arun_read_until(
			conn, '\n', question->text, sizeof question->text - 1);
	}
	question->answered = n > 0;
	question->text[n > 0 ? n - 1 : 0] = '\0';
	if (n < 0) {
		snprintf(question->text, sizeof question->text, "%s", arun_why());
	}
	arun_close(conn); /* takes NULL, and works when time is up, too */
	return 0;
}

static int ask_all(int argc, char **argv) {
	struct question *questions = calloc((size_t)argc, sizeof *questions);
	int failed = 0;
	if (!questions) {
		return -1;
	}
	ARUN_GROUP(group);
	for (int i = 1; i < argc; i++) {
		questions[i].endpoint = argv[i];
		failed |= arun_group_spawn(group, ask, &questions[i]);
	}
	failed |= arun_group_wait(group);
	for (int i = 1; failed == 0 && i < argc; i++) {
		printf("%s: %s: %s\n", argv[i], questions[i].answered ? "says" : "failed",
			questions[i].text);
	}
	free(questions);
	return failed;
}
ARUN_MAIN(ask_all, .name = "ask", .about = "says hello to every ENDPOINT at once")
