# SPDX-License-Identifier: MIT
"""arun while it runs: what it says, and what it is told."""
import os
import subprocess
import tempfile

from tap import environment, killed_at_exit, until


def _text(file):
    return os.pread(file, os.fstat(file).st_size, 0).decode(errors="replace")


class Watched:
    """Its output is in files, so that it never waits for the test."""

    def __init__(self, *command, env=None, **popen):
        self.out, self.err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        streams = dict(stdin=subprocess.PIPE, stdout=self.out, stderr=self.err)
        self.process = killed_at_exit(subprocess.Popen(
            [str(word) for word in command], env=environment(**(env or {})), **{**streams, **popen}))
        self.pid = self.process.pid

    @property
    def stdout(self):
        return _text(self.out.fileno())

    @property
    def stderr(self):
        return _text(self.err.fileno())

    def streams(self):
        return f"status {self.process.poll()}\n{self.stdout[:5000]}\n{self.stderr[:5000]}"

    def alive(self):
        return self.process.poll() is None

    def until(self, condition, about):
        """Waits for it, and returns it; fails at once where the process ends without."""
        def met_or_over():
            over = not self.alive()
            return condition() or over
        until(met_or_over, f"{about}: {self.streams()}")
        result = condition()
        if not result:
            raise AssertionError(f"ended without: {about}: {self.streams()}")
        return result

    def says(self, line):
        """Waits for a line on stdout."""
        self.until(lambda: line in self.stdout.splitlines(), f"{line!r} on stdout")
        return self

    def complains(self, part):
        """Waits for a part of stderr."""
        self.until(lambda: part in self.stderr, f"{part!r} on stderr")
        return self

    def tell(self):
        """What wait_for_test() in a fixture waits for."""
        self.process.stdin.write(b"x")
        self.process.stdin.flush()
        return self
