# SPDX-License-Identifier: MIT
"""Plugins that crash, hang and hog, and what they say meanwhile."""
import os

import plugins
from plugins import SOURCE, built
from tap import ARUN, DEADLINE
from watched import Watched

FIXTURES = SOURCE / "tests" / "fixtures" / "crash"


def fixture(name):
    """The path of a fixture; built when it is first named."""
    return str(built(FIXTURES / f"{name}.c"))


def site(stem, mark):
    return plugins.site(FIXTURES / f"{stem}.c", mark)


class Running(Watched):
    """A plugin that runs meanwhile."""

    def __init__(self, *words, **options):
        super().__init__(ARUN, *words, **options)

    def signal(self, signum):
        os.kill(self.pid, signum)
        return self

    def end(self):
        """Waits for its end; returns its status (negative: by signal) and what stderr has."""
        self.process.wait(DEADLINE)
        if self.process.stdin:
            self.process.stdin.close()
        return self.process.returncode, self.stderr
