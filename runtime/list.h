/* SPDX-License-Identifier: MIT */
/*
 * list - a circular, intrusive, doubly linked list.
 *
 * A signal handler of the thread that writes may walk it at any moment, in either direction:
 * an element is whole before the first pointer leads to it, and each direction is changed by
 * one store, prev first. So an element that is being inserted or removed may be in the one
 * and not in the other. Other processes may walk prev pointers; they know one that has left by its next,
 * which leads to itself.
 */
#ifndef LIST_H
#define LIST_H

#include "base.h"

#include <stdbool.h>

struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *list) {
	list->next = list->prev = list;
}

static inline bool list_empty(const struct list *list) {
	return list->next == list;
}

/* Inserts element after place: place the list itself, and it becomes the first. */
static inline void list_insert(struct list *place, struct list *element) {
	element->prev = place;
	element->next = place->next;
	publish(&place->next->prev, element);
	publish(&place->next, element);
}

/* Makes element the last of list. */
static inline void list_append(struct list *list, struct list *element) {
	list_insert(list->prev, element);
}

/* Unlinks element, and leaves it a list of its own: a second removal does nothing. */
static inline void list_remove(struct list *element) {
	element->next->prev = element->prev;
	publish(&element->prev->next, element->next);
	signal_fence();
	list_init(element);
}

/* Unlinks element for the last time. */
static inline void list_drop(struct list *element) {
	element->next->prev = element->prev;
	publish(&element->prev->next, element->next);
	signal_fence();
	element->next = element;
}

#define list_first(list, type, member) container_of((list)->next, type, member)
#define list_last(list, type, member) container_of((list)->prev, type, member)

/* The body may remove element, and must not remove what comes after it. */
#define list_each(element, head)                                                         \
	for (struct list *element = (head)->next, *element##_next;                       \
		element##_next = element->next, element != (head);                       \
		element = element##_next)

#endif
