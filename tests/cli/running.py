# SPDX-License-Identifier: MIT
"""A plugin under arun that a test watches, talks to and sends signals to."""
import collections
import contextlib
import fcntl
import os
import pathlib
import re
import signal
import time

import plugins
from plugins import SOURCE, built
from tap import ARUN, arun, until
from watched import Watched

FIXTURES = SOURCE / "tests" / "fixtures" / "life"
SAME = 0.1  # seconds: two signals within them are one
SLACK = 30  # seconds that a busy machine may add

Ended = collections.namedtuple("Ended", "status stdout stderr")


def fixture(name):
    """NAME or NAME:ENTRY of a fixture as an argument for arun; built when it is first named."""
    stem, _, entry = name.partition(":")
    path = built(FIXTURES / f"{stem}.c")
    return f"{path}:{entry}" if entry else str(path)


def site(stem, mark):
    return plugins.site(FIXTURES / f"{stem}.c", mark)


def ended(name, *words, options=()):
    """Runs a fixture to its end."""
    done = arun(*options, fixture(name), *words)
    return Ended(done.returncode, done.stdout, done.stderr)


@contextlib.contextmanager
def full_pipe():
    """Its end for writing, which blocks."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writer, False)
    os.write(writer, b"x" * fcntl.fcntl(writer, fcntl.F_GETPIPE_SZ))
    os.set_blocking(writer, True)
    yield writer
    os.close(reader)
    os.close(writer)


class Running(Watched):
    """A fixture that runs meanwhile."""

    def __init__(self, name, *words, options=(), before=(), **popen):
        super().__init__(*before, ARUN, *options, fixture(name), *words, **popen)

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

    def end(self):
        """Waits for its end; does not close its stdin before."""
        until(lambda: self.process.poll() is not None, f"it ends: {self.streams()}")
        if self.process.stdin:
            self.process.stdin.close()
        return Ended(self.process.returncode, self.stdout, self.stderr)
