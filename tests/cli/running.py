# SPDX-License-Identifier: MIT
"""A plugin under arun that a test watches, talks to and sends signals to."""
import atexit
import collections
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time

from plugins import SOURCE, build
from tap import ARUN, DEADLINE, arun, environment, equal, until

FIXTURES = SOURCE / "tests" / "fixtures" / "life"
SAME = 0.1  # seconds: two signals within them are one
SLACK = 30  # seconds that a busy machine may add

Ended = collections.namedtuple("Ended", "status stdout stderr")

_folder = tempfile.TemporaryDirectory(prefix="arun-life-")
_built = {}
_started = []


def fixture(name):
    """NAME or NAME:ENTRY of a fixture as an argument for arun; built when it is first named."""
    stem, _, entry = name.partition(":")
    if stem not in _built:
        _built[stem] = build(_folder.name, FIXTURES / f"{stem}.c")
    return f"{_built[stem]}:{entry}" if entry else str(_built[stem])


def site(stem, mark):
    """FILE:LINE of the line of a fixture that has a comment of @mark."""
    lines = (FIXTURES / f"{stem}.c").read_text().splitlines()
    found = [n for n, line in enumerate(lines, 1) if re.search(rf"@{mark}(?![\w-])", line)]
    equal(len(found), 1, f"@{mark} in {stem}.c")
    return f"{stem}.c:{found[0]}"


def ended(name, *words, options=()):
    """Runs a fixture to its end."""
    done = arun(*options, fixture(name), *words)
    return Ended(done.returncode, done.stdout, done.stderr)


class Running:
    """A fixture that runs meanwhile; its streams are files, so that it never waits for the test."""

    def __init__(self, name, *words, options=(), before=(), **popen):
        self.out = tempfile.TemporaryFile(dir=_folder.name)
        self.err = tempfile.TemporaryFile(dir=_folder.name)
        self.said_before = 0
        streams = dict(stdin=subprocess.PIPE, stdout=self.out, stderr=self.err)
        command = [*before, ARUN, *options, fixture(name), *words]
        self.process = subprocess.Popen(command, env=environment(), **{**streams, **popen})
        self.pid = self.process.pid
        _started.append(self)

    def stdout(self):
        return os.pread(self.out.fileno(), 1 << 20, 0).decode(errors="replace")

    def stderr(self):
        return os.pread(self.err.fileno(), 1 << 20, 0).decode(errors="replace")

    def _until(self, condition, about):
        def met_or_over():
            over = self.process.poll() is not None
            return condition() or (over and not condition())
        until(met_or_over, about)
        if not condition():
            raise AssertionError(f"ended without: {about}: {self.streams()}")
        return self

    def reached(self, line):
        """Waits for a line on stdout."""
        return self._until(lambda: line in self.stdout().splitlines(), f"{line!r} on stdout")

    def complained(self, part):
        """Waits for a part of stderr."""
        return self._until(lambda: part in self.stderr(), f"{part!r} on stderr")

    def tell(self):
        """What wait_for_test() in a fixture waits for."""
        self.process.stdin.write(b"x")
        self.process.stdin.flush()
        return self

    def status_of(self, *fields):
        """Those of /proc/PID/status; for a process that is gone, its end is a zombie's."""
        try:
            text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            text = ""
        found = dict(re.findall(r"^(\w+):\s*(\S+)", text, re.M))
        return [{"State": "Z", "SigPnd": "0", "ShdPnd": "0", **found}[f] for f in fields]

    def pending(self, signum):
        """Not of one that has ended: the signal that it died of stays pending."""
        state, own, shared = self.status_of("State", "SigPnd", "ShdPnd")
        return state != "Z" and (int(own, 16) | int(shared, 16)) >> (signum - 1) & 1

    def signal(self, *signums):
        """Sends a signal, and returns when its handler was entered; several: all at once."""
        self.sent = time.monotonic()
        if len(signums) > 1:
            os.kill(self.pid, signal.SIGSTOP)
            until(lambda: self.status_of("State") == ["T"], "it is stopped")
        for signum in signums:
            os.kill(self.pid, signum)
        if len(signums) > 1:
            os.kill(self.pid, signal.SIGCONT)
        until(lambda: not any(self.pending(s) for s in signums), f"{signums} delivered")
        self.signalled = time.monotonic()
        return self

    def signal_again(self, signum):
        """A second signal that is not one with the first."""
        until(lambda: time.monotonic() > self.signalled + SAME * 1.5, "they are two")
        os.kill(self.pid, signum)
        return self

    def idle(self):
        """Waits until it sleeps in its loop."""
        until(lambda: self.status_of("State") == ["S"], "it sleeps")
        return self

    def streams(self):
        return f"status {self.process.poll()}\n{self.stdout()}\n{self.stderr()}"

    def end(self):
        """Waits for its end; does not close its stdin before."""
        until(lambda: self.process.poll() is not None, f"it ends: {self.streams()}")
        if self.process.stdin:
            self.process.stdin.close()
        return Ended(self.process.returncode, self.stdout(), self.stderr())


@atexit.register
def _kill_what_runs():
    for running in _started:
        if running.process.poll() is None:
            running.process.kill()
            running.process.wait(DEADLINE)
