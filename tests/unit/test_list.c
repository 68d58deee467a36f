/* SPDX-License-Identifier: MIT */
#include "list.h"
#include "suite.h"

struct item {
	int number;
	struct list link;
};

static struct list list;
static struct item items[4];

static void setup(void) {
	list_init(&list);
	for (int i = 0; i < (int)count_of(items); i++) {
		items[i].number = i;
		list_init(&items[i].link);
	}
}

/* The numbers along next as decimal digits; the way back must be the same. */
static int numbers(void) {
	int forward = 0, backward = 0, power = 1;
	list_each (at, &list) {
		forward = forward * 10 + container_of(at, struct item, link)->number;
	}
	for (struct list *at = list.prev; at != &list; at = at->prev) {
		backward += power * container_of(at, struct item, link)->number;
		power *= 10;
	}
	ck_assert_int_eq(forward, backward);
	return forward;
}

START_TEST(a_new_list_is_empty) {
	ck_assert(list_empty(&list));
	ck_assert_int_eq(numbers(), 0);
}
END_TEST

START_TEST(append_makes_the_last) {
	list_append(&list, &items[1].link);
	list_append(&list, &items[2].link);
	list_append(&list, &items[3].link);
	ck_assert_int_eq(numbers(), 123);
	ck_assert_ptr_eq(list_first(&list, struct item, link), &items[1]);
	ck_assert_ptr_eq(list_last(&list, struct item, link), &items[3]);
}
END_TEST

START_TEST(insert_at_the_list_makes_the_first) {
	list_insert(&list, &items[1].link);
	list_insert(&list, &items[2].link);
	ck_assert_int_eq(numbers(), 21);
}
END_TEST

START_TEST(insert_at_an_element_follows_it) {
	list_append(&list, &items[1].link);
	list_append(&list, &items[3].link);
	list_insert(&items[1].link, &items[2].link);
	ck_assert_int_eq(numbers(), 123);
}
END_TEST

START_TEST(remove_unlinks_first_middle_and_last) {
	for (int i = 1; i < (int)count_of(items); i++) {
		list_append(&list, &items[i].link);
	}
	list_remove(&items[2].link);
	ck_assert_int_eq(numbers(), 13);
	list_remove(&items[1].link);
	ck_assert_int_eq(numbers(), 3);
	list_remove(&items[3].link);
	ck_assert(list_empty(&list));
}
END_TEST

START_TEST(the_body_of_list_each_may_remove_its_element) {
	for (int i = 1; i < (int)count_of(items); i++) {
		list_append(&list, &items[i].link);
	}
	list_each (at, &list) {
		list_remove(at);
	}
	ck_assert(list_empty(&list));
}
END_TEST

START_TEST(a_second_removal_does_nothing) {
	list_append(&list, &items[1].link);
	list_append(&list, &items[2].link);
	list_remove(&items[1].link);
	list_remove(&items[1].link);
	ck_assert_int_eq(numbers(), 2);
	ck_assert(list_empty(&items[1].link));
}
END_TEST

START_TEST(a_removed_element_can_be_inserted_again) {
	list_append(&list, &items[1].link);
	list_append(&list, &items[2].link);
	list_remove(&items[1].link);
	list_append(&list, &items[1].link);
	ck_assert_int_eq(numbers(), 21);
}
END_TEST

/* By which who reads from another process sees that it has left. */
START_TEST(a_dropped_element_leads_to_itself) {
	for (int i = 1; i < (int)count_of(items); i++) {
		list_append(&list, &items[i].link);
	}
	list_drop(&items[2].link);
	ck_assert_int_eq(numbers(), 13);
	ck_assert_ptr_eq(items[2].link.next, &items[2].link);
}
END_TEST

Suite *suite(void) {
	Suite *suite = suite_create("list");
	TCase *core = tcase_create("core");
	tcase_add_checked_fixture(core, setup, NULL);
	tcase_add_test(core, a_new_list_is_empty);
	tcase_add_test(core, append_makes_the_last);
	tcase_add_test(core, insert_at_the_list_makes_the_first);
	tcase_add_test(core, insert_at_an_element_follows_it);
	tcase_add_test(core, remove_unlinks_first_middle_and_last);
	tcase_add_test(core, the_body_of_list_each_may_remove_its_element);
	tcase_add_test(core, a_second_removal_does_nothing);
	tcase_add_test(core, a_removed_element_can_be_inserted_again);
	tcase_add_test(core, a_dropped_element_leads_to_itself);
	suite_add_tcase(suite, core);
	return suite;
}
