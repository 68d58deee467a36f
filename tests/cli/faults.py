# SPDX-License-Identifier: MIT
"""Plugins that crash, hang and hog, and what they say meanwhile."""
import os
import tempfile

import plugins
from plugins import BUILD, SOURCE, build
from tap import ARUN, DEADLINE
from watched import Watched

FIXTURES = SOURCE / "tests" / "fixtures" / "crash"
FOLDER = tempfile.TemporaryDirectory(prefix="arun-crash-")
SANITIZED = '"b_sanitize", "value": "none"' not in " ".join(
    (BUILD / "meson-info" / "intro-buildoptions.json").read_text().split())
_built = {}


def fixture(name):
    """The path of a fixture; built when it is first named."""
    if name not in _built:
        _built[name] = str(build(FOLDER.name, FIXTURES / f"{name}.c"))
    return _built[name]


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
        return self.process.returncode, self.stderr()
