/* SPDX-License-Identifier: MIT */
#include "report.h"

#include "same_file.h"

int report_fd(const struct report *report) {
	if (same_file(report->fd, &report->file)) {
		return report->fd;
	}
	errno = EBADF;
	return -1;
}
