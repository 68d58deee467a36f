/* SPDX-License-Identifier: MIT */
/* The lookups are the test's own: no name server is asked. */
#include "drive.h"
#include "pool.h"
#include "resolve.h"
#include "suite.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

/* What the next lookup that is not of a literal address does. */
static struct {
	int eai, error;
	bool blocks;
	sem_t entered, open;
	unsigned calls;
	pthread_t thread;
	struct addrinfo hints;
} lookup;
static unsigned freed;

static struct addrinfo *fake_list(void) {
	struct addrinfo *list = calloc(1, sizeof *list + sizeof(struct sockaddr_in));
	struct sockaddr_in *address = (struct sockaddr_in *)(void *)(list + 1);
	*address = (struct sockaddr_in){.sin_family = AF_INET,
		.sin_port = htons(80),
		.sin_addr.s_addr = htonl(0xc0000201)}; /* 192.0.2.1 */
	list->ai_family = AF_INET;
	list->ai_socktype = SOCK_STREAM;
	list->ai_addr = (struct sockaddr *)(void *)address;
	list->ai_addrlen = sizeof *address;
	return list;
}

/* In place of libc's, which is used for literal addresses. */
int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
	struct addrinfo **list) {
	int (*real)(
		const char *, const char *, const struct addrinfo *, struct addrinfo **);
	*(void **)(void *)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	if (!real || hints->ai_flags & AI_NUMERICHOST) {
		return real ? real(host, service, hints, list) : EAI_FAIL;
	}
	lookup.calls++;
	lookup.thread = pthread_self();
	lookup.hints = *hints;
	if (lookup.blocks) {
		sem_post(&lookup.entered);
		sem_wait(&lookup.open);
	}
	*list = lookup.eai ? NULL : fake_list();
	errno = lookup.error;
	return lookup.eai;
}

void freeaddrinfo(struct addrinfo *list) {
	freed++;
	while (list) {
		struct addrinfo *next = list->ai_next;
		free(list);
		list = next;
	}
}

static int resolve(const char *host, const char *service, struct addrinfo **list) {
	return resolve_host(task_enter(ARUN_SITE, "arun_connect"), host, service, list);
}

static void with_pool(int (*fn)(void *), void *arg) {
	struct drive drive;
	sem_init(&lookup.entered, 0, 0);
	sem_init(&lookup.open, 0, 0);
	drive_init(&drive);
	drive.loop.woken = pool_collect;
	ck_assert_int_eq(drive_run(&drive, fn, arg), 0);
	ck_assert(pool_finish(&drive.loop, loop_clock() + 10));
	drive_finish(&drive);
}

/* Found ------------------------------------------------------------------------ */

static int resolve_name(void *arg) {
	struct addrinfo *list = NULL;
	(void)arg;
	ck_assert_int_eq(resolve("www.example", "80", &list), 0);
	ck_assert_ptr_nonnull(list);
	const struct sockaddr_in *address =
		(const struct sockaddr_in *)(void *)list->ai_addr;
	ck_assert_uint_eq(ntohl(address->sin_addr.s_addr), 0xc0000201);
	freeaddrinfo(list);
	return 0;
}

START_TEST(a_name_is_looked_up_on_another_thread_for_streams_of_any_family) {
	with_pool(resolve_name, NULL);
	ck_assert_uint_eq(lookup.calls, 1);
	ck_assert(!pthread_equal(lookup.thread, pthread_self()));
	ck_assert_int_eq(lookup.hints.ai_family, AF_UNSPEC);
	ck_assert_int_eq(lookup.hints.ai_socktype, SOCK_STREAM);
	ck_assert_int_eq(lookup.hints.ai_flags, AI_ADDRCONFIG);
	ck_assert_uint_eq(freed, 1);
}
END_TEST

static void resolve_literal(const char *host, int family) {
	struct addrinfo *list = NULL;
	ck_assert_int_eq(resolve(host, "80", &list), 0);
	ck_assert_int_eq(list->ai_family, family);
	/* The port is at the same place in both. */
	ck_assert_uint_eq(
		((const struct sockaddr_in *)(void *)list->ai_addr)->sin_port, htons(80));
	ck_assert_ptr_null(list->ai_next);
	void (*real)(struct addrinfo *);
	*(void **)(void *)&real = dlsym(RTLD_NEXT, "freeaddrinfo");
	real(list);
}

static int resolve_literals(void *arg) {
	(void)arg;
	resolve_literal("127.0.0.1", AF_INET);
	resolve_literal("::1", AF_INET6);
	arun_cancel(arun_self());
	resolve_literal("127.0.0.1", AF_INET);
	ck_assert_ptr_null(drive_loop()->pool);
	return 0;
}

START_TEST(a_literal_address_needs_no_thread_and_does_not_suspend) {
	with_pool(resolve_literals, NULL);
	ck_assert_uint_eq(lookup.calls, 0);
}
END_TEST

/* Not found -------------------------------------------------------------------- */

static const struct {
	int eai, system, error;
} errors[] = {
	{EAI_NONAME, 0, ENOENT},
	{EAI_NODATA, 0, ENOENT},
	{EAI_ADDRFAMILY, 0, ENOENT},
	{EAI_AGAIN, 0, EAGAIN},
	{EAI_MEMORY, 0, ENOMEM},
	{EAI_SYSTEM, EMFILE, EMFILE},
	{EAI_SYSTEM, 0, EIO},
	{EAI_SERVICE, 0, EINVAL},
	{EAI_FAIL, 0, EIO},
};

static int resolve_to_error(void *arg) {
	int i = *(int *)arg;
	struct addrinfo *list = (struct addrinfo *)arg;
	lookup.eai = errors[i].eai;
	lookup.error = errors[i].system;

	ck_assert_int_eq(resolve("www.example", "80", &list), -1);

	ck_assert_int_eq(errno, errors[i].error);
	ck_assert_ptr_null(list);
	const char *words = lookup.eai == EAI_SYSTEM ? strerror(errors[i].error)
						     : gai_strerror(lookup.eai);
	ck_assert_msg(
		strncmp(arun_why(), "connect www.example: ", 21) == 0, "%s", arun_why());
	ck_assert_str_eq(arun_why() + 21, words);
	return 0;
}

START_TEST(each_failure_of_a_lookup_has_its_errno_and_its_words) {
	with_pool(resolve_to_error, &_i);
}
END_TEST

static int resolve_long(void *arg) {
	char host[NI_MAXHOST + 1], service[NI_MAXSERV + 1];
	struct addrinfo *list = NULL;
	(void)arg;
	memset(host, 'a', sizeof host);
	memset(service, '0', sizeof service);

	host[NI_MAXHOST] = '\0';
	ck_assert_int_eq(resolve(host, "80", &list), -1);
	ck_assert_int_eq(errno, EINVAL);
	service[NI_MAXSERV] = '\0';
	ck_assert_int_eq(resolve("www.example", service, &list), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_uint_eq(lookup.calls, 0);

	host[NI_MAXHOST - 1] = service[NI_MAXSERV - 1] = '\0';
	ck_assert_int_eq(resolve(host, service, &list), 0);
	freeaddrinfo(list);
	return 0;
}

START_TEST(the_longest_names_pass_and_longer_ones_are_EINVAL) {
	with_pool(resolve_long, NULL);
	ck_assert_uint_eq(lookup.calls, 1);
}
END_TEST

/* Cut short -------------------------------------------------------------------- */

static int resolve_cancelled(void *arg) {
	struct addrinfo *list = NULL;
	(void)arg;
	ck_assert_int_eq(resolve("www.example", "80", &list), -1);
	ck_assert_int_eq(errno, ECANCELED);
	ck_assert_ptr_null(list);
	ck_assert_str_eq(arun_why(), "connect www.example: cancelled by drive");
	return 0;
}

static int cancel_lookup(void *arg) {
	(void)arg;
	lookup.blocks = true;
	struct arun_task *task = drive_spawn(resolve_cancelled, NULL);
	int entered = 0;
	drive_until(sem_getvalue(&lookup.entered, &entered) == 0 && entered == 1);

	(arun_cancel)(task);
	ck_assert_int_eq(arun_join(task, NULL), 0);
	ck_assert_uint_eq(freed, 0);

	sem_post(&lookup.open);
	drive_until(freed == 1);
	ck_assert(!pool_busy(drive_loop()));
	return 0;
}

START_TEST(a_cancelled_lookup_frees_its_list_when_it_comes) {
	with_pool(cancel_lookup, NULL);
	ck_assert_uint_eq(freed, 1);
}
END_TEST

static int cancel_failing_lookup(void *arg) {
	lookup.eai = EAI_AGAIN;
	lookup.blocks = true;
	struct arun_task *task = drive_spawn(resolve_cancelled, arg);
	int entered = 0;
	drive_until(sem_getvalue(&lookup.entered, &entered) == 0 && entered == 1);
	(arun_cancel)(task);
	ck_assert_int_eq(arun_join(task, NULL), 0);
	sem_post(&lookup.open);
	drive_until(!pool_busy(drive_loop()));
	return 0;
}

START_TEST(a_cancelled_lookup_that_fails_frees_no_list) {
	with_pool(cancel_failing_lookup, NULL);
	ck_assert_uint_eq(freed, 0);
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("resolve");
	TCase *core = tcase_create("core");
	tcase_add_test(
		core, a_name_is_looked_up_on_another_thread_for_streams_of_any_family);
	tcase_add_test(core, a_literal_address_needs_no_thread_and_does_not_suspend);
	tcase_add_loop_test(core, each_failure_of_a_lookup_has_its_errno_and_its_words, 0,
		(int)count_of(errors));
	tcase_add_test(core, the_longest_names_pass_and_longer_ones_are_EINVAL);
	tcase_add_test(core, a_cancelled_lookup_frees_its_list_when_it_comes);
	tcase_add_test(core, a_cancelled_lookup_that_fails_frees_no_list);
	suite_add_tcase(suite, core);
	return suite;
}
