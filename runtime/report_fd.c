/* SPDX-License-Identifier: MIT */
#include "report.h"

int report_fd(const struct report *report) {
	struct stat now;
	if (fstat(report->fd, &now) == 0 && now.st_dev == report->file.st_dev &&
		now.st_ino == report->file.st_ino) {
		return report->fd;
	}
	errno = EBADF;
	return -1;
}
