/* SPDX-License-Identifier: MIT */
/*
 * figures - how many workers serve: what the parent shows in .dynsym as "arun_workers",
 * and `arun ps --ready` reads from outside.
 */
#ifndef FIGURES_H
#define FIGURES_H

#include <stdint.h>

#define FIGURES_MAGIC "arun-wks"

struct figures {
	char magic[8];
	uint32_t wanted, serving; /* wanted is 0 in a process that is no parent */
};

extern __attribute__((visibility("default"))) struct figures arun_workers;

#endif
