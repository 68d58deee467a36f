/* SPDX-License-Identifier: MIT */
#include "family.h"

#include "dump.h"

#include <sys/prctl.h>
#include <sys/stat.h>

void family_open(struct family *family, pid_t parent) {
	char path[64];
	snprintf(
		path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
	*family = (struct family){.parent = parent, .children = fopen(path, "re")};
}

void family_close(struct family *family) {
	if (family->children) {
		fclose(family->children);
		family->children = NULL;
	}
}

/* Whether they run the same program. */
static bool is_same_program(pid_t a, pid_t b) {
	char path[64];
	struct stat stats[2];
	snprintf(path, sizeof path, "/proc/%d/exe", (int)a);
	bool found = stat(path, &stats[0]) == 0;
	snprintf(path, sizeof path, "/proc/%d/exe", (int)b);
	found = found && stat(path, &stats[1]) == 0;
	return found && stats[0].st_dev == stats[1].st_dev &&
	       stats[0].st_ino == stats[1].st_ino;
}

bool family_is_of(pid_t pid, pid_t other) {
	struct remote remote;
	struct dump dump = {.count = 0};
	if (!is_same_program(pid, other)) {
		return false;
	}
	bool runs = remote_open(&remote, pid) == 0 && dump_read_run(&dump, &remote) == 0;
	dump_finish(&dump);
	remote_close(&remote);
	return runs;
}

pid_t family_next(struct family *family) {
	int pid;
	while (family->children && fscanf(family->children, "%d", &pid) == 1) {
		if (family_is_of(pid, family->parent)) {
			return pid;
		}
	}
	return 0;
}

void family_be_seen(void) {
	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
}
