/* SPDX-License-Identifier: MIT */
#include "api.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/resource.h>

static int port_of(const struct addrinfo *list) {
	const void *address = list->ai_addr;
	return ntohs(list->ai_family == AF_INET
			     ? ((const struct sockaddr_in *)address)->sin_port
			     : ((const struct sockaddr_in6 *)address)->sin6_port);
}

static int count_threads(void) {
	char line[128];
	int count = -1;
	FILE *status = fopen("/proc/self/status", "re");
	while (count < 0 && fgets(line, sizeof line, status)) {
		sscanf(line, "Threads: %d", &count);
	}
	fclose(status);
	return count;
}

CLAIM(a_literal_address_touches_no_thread) {
	int before = count_threads();
	struct addrinfo *list = NULL;
	ck_assert_int_eq(arun_resolve("127.0.0.1", "80", &list), 0);
	ck_assert_int_eq(list->ai_family, AF_INET);
	ck_assert_int_eq(port_of(list), 80);
	freeaddrinfo(list);
	ck_assert_int_eq((arun_resolve)("::1", "443", &list), 0);
	ck_assert_int_eq(list->ai_family, AF_INET6);
	freeaddrinfo(list);
	ck_assert_int_eq(count_threads(), before);
}

CLAIM(names_of_hosts_and_services_are_looked_up) {
	struct addrinfo *list = NULL;
	ck_assert_int_eq(arun_resolve("localhost", "7", &list), 0);
	ck_assert_int_eq(port_of(list), 7);
	freeaddrinfo(list);
	ck_assert_int_eq(arun_resolve(NULL, "9", &list), 0);
	ck_assert_int_eq(port_of(list), 9);
	freeaddrinfo(list);
	ck_assert_int_eq(arun_resolve("127.0.0.1", NULL, &list), 0);
	ck_assert_int_eq(port_of(list), 0);
	freeaddrinfo(list);
	ck_assert_int_eq(arun_resolve(NULL, NULL, &list), 0);
	ck_assert_int_eq(port_of(list), 0);
	freeaddrinfo(list);
	ck_assert_int_eq(arun_resolve("::1", "65535", &list), 0);
	ck_assert_int_eq(port_of(list), 65535);
	freeaddrinfo(list);
}

CLAIM(without_descriptors_it_is_EMFILE_and_not_that_there_is_no_such_host) {
	struct addrinfo *list = NULL;
	struct rlimit old;
	getrlimit(RLIMIT_NOFILE, &old);
	struct rlimit none = {0, old.rlim_max};
	setrlimit(RLIMIT_NOFILE, &none);
	errno = 0;
	int result = arun_resolve("none.invalid", "80", &list), error = errno;
	setrlimit(RLIMIT_NOFILE, &old);
	ck_assert_int_eq(result, -1);
	ck_assert_int_eq(error, EMFILE);
	ck_assert_ptr_nonnull(strstr(arun_why(), "none.invalid: Too many open files"));
}

CLAIM(what_is_not_there_is_an_error_with_words) {
	struct addrinfo *list = NULL;
	char name[2000];
	memset(name, 'x', sizeof name);
	name[sizeof name - 1] = '\0';
	assert_fails(arun_resolve(name, "1", &list), EINVAL);
	assert_fails(arun_resolve("127.0.0.1", "no-such-service", &list), EINVAL);
	assert_contains(arun_why(), "resolve 127.0.0.1: ");
	assert_fails(arun_resolve("127.0.0.1", "65536", &list), EINVAL);
	assert_contains(arun_why(), "resolve 127.0.0.1: ");
	assert_fails(arun_resolve("localhost", "99999999999999999999", &list), EINVAL);
	errno = 0;
	ck_assert_int_eq(arun_resolve("no-such-host.invalid", "1", &list), -1);
	/* EAGAIN: there is no name server to say so. */
	ck_assert(errno == ENOENT || errno == EAGAIN || errno == EIO);
	assert_contains(arun_why(), "resolve no-such-host.invalid: ");
}

CLAIM(it_can_be_cancelled_and_be_late) {
	struct addrinfo *list = NULL;
	{
		ARUN_TIMEOUT(0);
		while (arun_sleep(0) == 0) {
		}
		assert_fails(arun_resolve("localhost", "1", &list), ETIMEDOUT);
	}
	arun_cancel(arun_self());
	assert_fails(arun_resolve("127.0.0.1", "1", &list), ECANCELED);
}

CLAIM(without_memory_it_is_ENOMEM_or_EAGAIN) {
	struct addrinfo *list = NULL;
	struct rlimit old = limit_memory();
	int result = !API_LIMITS ? -1 : arun_resolve("localhost", "1", &list),
	    error = errno;
	setrlimit(RLIMIT_AS, &old);
	ck_assert_int_eq(result, -1);
	ck_assert(!API_LIMITS || error == ENOMEM || error == EAGAIN);
}

Suite *suite(void) {
	Suite *suite = suite_create("resolve");
	TCase *resolve = tcase_create("resolve");
	tcase_set_timeout(resolve, 60);
	tcase_add_test(resolve, a_literal_address_touches_no_thread);
	tcase_add_test(resolve, names_of_hosts_and_services_are_looked_up);
	tcase_add_test(resolve,
		without_descriptors_it_is_EMFILE_and_not_that_there_is_no_such_host);
	tcase_add_test(resolve, what_is_not_there_is_an_error_with_words);
	tcase_add_test(resolve, it_can_be_cancelled_and_be_late);
	tcase_add_test(resolve, without_memory_it_is_ENOMEM_or_EAGAIN);
	suite_add_tcase(suite, resolve);
	return suite;
}
