/* SPDX-License-Identifier: MIT */
#include "endpoint.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "suite.h"

static const char *text_of(const struct address *address) {
	static char buffer[512];
	struct text out;
	text_fixed(&out, buffer, sizeof buffer);
	address_text(&out, address);
	return buffer;
}

static int parse(struct endpoint *out, const char *text) {
	return endpoint_parse(out, text, "arun_connect");
}

/* Parses text, whose address is to read like that. */
static void check_address(const char *text, const char *address) {
	struct endpoint endpoint;
	ck_assert_msg(parse(&endpoint, text) == 0, "%s", text);
	ck_assert_str_eq(text_of(&endpoint.address), address);
}

START_TEST(a_literal_address_needs_no_looking_up) {
	check_address("127.0.0.1:80", "127.0.0.1:80");
	check_address("tcp:0.0.0.0:0", "0.0.0.0:0");
	check_address("[::]:65535", "[::]:65535");
	check_address("tcp:[fe80::1%1]:80", "[fe80::1%1]:80");
	check_address("unix:/run/x", "unix:/run/x");
	check_address("unix:@x", "unix:@x");
}
END_TEST

START_TEST(a_host_and_a_service_are_left_to_be_looked_up) {
	struct endpoint endpoint;
	ck_assert_int_eq(parse(&endpoint, "tcp:some.host:http"), 0);
	ck_assert_uint_eq(endpoint.address.length, 0);
	ck_assert_str_eq(endpoint.host, "some.host");
	ck_assert_str_eq(endpoint.service, "http");
	ck_assert_int_eq(parse(&endpoint, "127.0.0.1:http"), 0);
	ck_assert_uint_eq(endpoint.address.length, 0);
}
END_TEST

START_TEST(a_path_has_at_most_107_bytes) {
	struct endpoint endpoint;
	char text[128] = "unix:/";
	memset(text + 6, 'x', 106);
	ck_assert_int_eq(parse(&endpoint, text), 0);
	ck_assert_str_eq(text_of(&endpoint.address), text);
	text[112] = 'x';
	ck_assert_int_eq(parse(&endpoint, text), -1);
	ck_assert_int_eq(errno, ENAMETOOLONG);
}
END_TEST

START_TEST(an_ipv6_address_reads_as_inet_ntop_has_it) {
	unsigned seed = 1;
	for (int i = 0; i < 20000; i++) {
		struct address address = {.length = sizeof address.in6};
		char wanted[64] = "[", *end = wanted + 1;
		address.in6.sin6_family = AF_INET6;
		for (int group = 0; group < 8; group++) {
			/* Zeros more often than not, and never of an embedded IPv4 address. */
			bool zero = group && rand_r(&seed) % 2;
			uint16_t value =
				zero ? 0 : (uint16_t)(rand_r(&seed) % 0xfffe + 1);
			address.in6.sin6_addr.s6_addr[2 * group] = (uint8_t)(value >> 8);
			address.in6.sin6_addr.s6_addr[2 * group + 1] = (uint8_t)value;
		}
		inet_ntop(AF_INET6, &address.in6.sin6_addr, end, 50);
		strcat(wanted, "]:0");
		ck_assert_msg(strcmp(text_of(&address), wanted) == 0, "%s is not %s",
			text_of(&address), wanted);
	}
}
END_TEST

START_TEST(an_ipv4_address_in_ipv6_reads_as_such) {
	struct address address = {.length = sizeof address.in6};
	address.in6.sin6_family = AF_INET6;
	inet_pton(AF_INET6, "::ffff:192.0.2.1", &address.in6.sin6_addr);
	ck_assert_str_eq(text_of(&address), "[::ffff:192.0.2.1]:0");
}
END_TEST

START_TEST(an_address_without_a_name_has_no_text) {
	struct address address;
	struct sockaddr_un unnamed = {.sun_family = AF_UNIX};
	address_set(&address, (struct sockaddr *)&unnamed, sizeof unnamed.sun_family);
	ck_assert_str_eq(text_of(&address), "");
	address_local(&address, -1);
	ck_assert_str_eq(text_of(&address), "");
}
END_TEST

/* Every byte is shown as four; the last one may differ. */
static void long_path(struct sockaddr_un *un, char last) {
	un->sun_family = AF_UNIX;
	memset(un->sun_path, 0xff, sizeof un->sun_path);
	un->sun_path[sizeof un->sun_path - 1] = last;
}

START_TEST(the_longest_address_fits) {
	struct address address;
	struct sockaddr_un un;
	struct text out;
	char json[2048], text[ADDRESS_TEXT];
	long_path(&un, '.');
	address_set(&address, (struct sockaddr *)&un, sizeof un);
	text_fixed(&out, text, sizeof text);
	address_text(&out, &address);
	ck_assert_uint_eq(out.length, 5 + 4 * 107 + 1);
	text_fixed(&out, json, sizeof json);
	address_member(&out, "local", &address);
	ck_assert_msg(strstr(json, "\\\\xff.\", ") != NULL, "%s", json);
}
END_TEST

/* The kernel takes 108 bytes, and tells of their NUL: of one byte more than was asked for. */
START_TEST(a_path_without_a_nul_is_an_address) {
	struct address address;
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	char folder[] = P_tmpdir "/arun-endpoint-XXXXXX", path[sizeof un.sun_path + 1];
	ck_assert_ptr_nonnull(mkdtemp(folder));
	memset(path, 'x', sizeof path - 1);
	path[sizeof path - 1] = '\0';
	memcpy(path, folder, strlen(folder));
	path[strlen(folder)] = '/';
	memcpy(un.sun_path, path, sizeof un.sun_path);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
	address_local(&address, fd);
	ck_assert_str_eq(text_of(&address) + strlen("unix:"), path);
	ck_assert(address_has_file(&address));
	ck_assert_str_eq(address_path(&address), path);
	ck_assert(!address_remove_dead(&address, SOCK_DGRAM));
	close(fd);
	ck_assert(address_remove_dead(&address, SOCK_DGRAM));
	ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

START_TEST(a_random_string_does_no_harm) {
	static const char letters[] = "tcpunixfdls:[]@%/.0123456789-\x01\xff";
	struct endpoint endpoint;
	char text[400];
	unsigned seed = 2;
	int good = 0;
	for (int i = 0; i < 100000; i++) {
		size_t length = (size_t)rand_r(&seed) % (i % 100 ? 24 : sizeof text);
		for (size_t at = 0; at < length; at++) {
			text[at] = letters[(size_t)rand_r(&seed) % (sizeof letters - 1)];
		}
		memcpy(text, i % 3 ? "" : "tcp:", i % 3 || length < 4 ? 0 : 4);
		text[length] = '\0';
		int result = parse(&endpoint, text);
		good += result == 0;
		ck_assert_msg(result == 0 || errno, "%s", text);
	}
	ck_assert_int_gt(good, 0);
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("endpoint");
	TCase *parsing = tcase_create("parse");
	tcase_add_test(parsing, a_literal_address_needs_no_looking_up);
	tcase_add_test(parsing, a_host_and_a_service_are_left_to_be_looked_up);
	tcase_add_test(parsing, a_path_has_at_most_107_bytes);
	tcase_add_test(parsing, a_random_string_does_no_harm);
	suite_add_tcase(suite, parsing);

	TCase *texts = tcase_create("text");
	tcase_add_test(texts, an_ipv6_address_reads_as_inet_ntop_has_it);
	tcase_add_test(texts, an_ipv4_address_in_ipv6_reads_as_such);
	tcase_add_test(texts, an_address_without_a_name_has_no_text);
	tcase_add_test(texts, the_longest_address_fits);
	tcase_add_test(texts, a_path_without_a_nul_is_an_address);
	suite_add_tcase(suite, texts);
	return suite;
}
