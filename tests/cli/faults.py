# SPDX-License-Identifier: MIT
"""Plugins that crash, hang and hog, and what they say meanwhile."""
import atexit
import os
import pathlib
import re
import subprocess
import tempfile

from plugins import BUILD, SOURCE, build
from tap import ARUN, DEADLINE, environment, equal, until

FIXTURES = SOURCE / "tests" / "fixtures" / "crash"
FOLDER = tempfile.TemporaryDirectory(prefix="arun-crash-")
SANITIZED = '"b_sanitize", "value": "none"' not in " ".join(
    (BUILD / "meson-info" / "intro-buildoptions.json").read_text().split())
_built = {}
_started = []


def fixture(name):
    """The path of a fixture; built when it is first named."""
    if name not in _built:
        _built[name] = str(build(FOLDER.name, FIXTURES / f"{name}.c"))
    return _built[name]


def site(stem, mark):
    """FILE:LINE of the line of a fixture that has a comment of @mark."""
    lines = (FIXTURES / f"{stem}.c").read_text().splitlines()
    found = [n for n, line in enumerate(lines, 1) if re.search(rf"@{mark}(?![\w-])", line)]
    equal(len(found), 1, f"@{mark} in {stem}.c")
    return f"{stem}.c:{found[0]}"


class Running:
    """A plugin that runs meanwhile; its output is in files, so that it never waits for the test."""

    def __init__(self, *words, env=None, **popen):
        self.out = tempfile.TemporaryFile(dir=FOLDER.name)
        self.err = pathlib.Path(FOLDER.name, f"stderr-{len(_started)}")
        streams = dict(stdin=subprocess.PIPE, stdout=self.out,
                       stderr=self.err.open("ab"))
        self.process = subprocess.Popen([ARUN, *map(str, words)], env=environment(**(env or {})),
                                        **{**streams, **popen})
        streams["stderr"].close()
        self.pid = self.process.pid
        _started.append(self)

    def stdout(self):
        return os.pread(self.out.fileno(), 1 << 20, 0).decode(errors="replace")

    def stderr(self):
        return self.err.read_text(errors="replace")

    def until(self, condition, about):
        def met_or_over():
            return condition() or self.process.poll() is not None
        until(met_or_over, f"{about}: {self.stdout()!r} {self.stderr()[:5000]!r}")
        if not condition():
            raise AssertionError(f"ended without: {about}: {self.stdout()!r} {self.stderr()!r}")
        return self

    def says(self, line):
        """Waits for a line on stdout."""
        return self.until(lambda: line in self.stdout().splitlines(), f"{line!r} on stdout")

    def complains(self, part):
        """Waits for a part of stderr."""
        return self.until(lambda: part in self.stderr(), f"{part!r} on stderr")

    def signal(self, signum):
        os.kill(self.pid, signum)
        return self

    def tell(self):
        """What wait_for_test() in a fixture waits for."""
        self.process.stdin.write(b"x")
        self.process.stdin.flush()
        return self

    def end(self):
        """Waits for its end; returns its status (negative: by signal) and what stderr has."""
        self.process.wait(DEADLINE)
        if self.process.stdin:
            self.process.stdin.close()
        return self.process.returncode, self.stderr()


@atexit.register
def _kill_what_runs():
    for running in _started:
        if running.process.poll() is None:
            running.process.kill()
            running.process.wait(DEADLINE)
