/* SPDX-License-Identifier: MIT */
/*
 * local - what a task knows by key, and the tasks that it starts know too.
 *
 * A set is shared by all that have inherited it, copied by the first of them that changes
 * it, and freed with the last.
 */
#ifndef LOCAL_H
#define LOCAL_H

#include "base.h"

#include <stdlib.h>

struct local_set {
	unsigned refs, count;
	struct local_entry {
		const void *key;
		void *value;
	} entries[];
};

static inline struct local_set *local_share(struct local_set *set) {
	if (unlikely(set)) {
		set->refs++;
	}
	return set;
}

static inline void local_release(struct local_set *set) {
	if (unlikely(set) && --set->refs == 0) {
		free(set);
	}
}

#endif
