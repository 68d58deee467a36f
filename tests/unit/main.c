/* SPDX-License-Identifier: MIT */
#include "suite.h"

#include <signal.h>

int main(void) {
	/* As at a login, also under nohup(1): what is found ignored would stay so in a run. */
	signal(SIGINT, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	SRunner *runner = srunner_create(suite());
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
