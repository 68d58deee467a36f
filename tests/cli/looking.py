# SPDX-License-Identifier: MIT
"""What the tests of `arun ps` and `arun tree` share: processes to look at."""
import pathlib
import re
import shlex
import shutil
import struct
import subprocess
import os

import plugins
from plugins import FOLDER, SOURCE, built
from tap import ARUN, Skip, arun, environment, equal, killed_at_exit, run, until

FIXTURES = SOURCE / "tests" / "fixtures" / "ps"

plugin = built(FIXTURES / "open.c")


def site(mark):
    return plugins.site(FIXTURES / "open.c", mark)


class Open:
    """A process that has printed "open"."""

    def __init__(self, *command):
        self.process = killed_at_exit(subprocess.Popen(
            [str(word) for word in command], env=environment(), cwd=FOLDER, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        self.pid = self.process.pid
        line = self.process.stdout.readline()
        if line != "open\n":
            self.process.kill()
            raise AssertionError((line, self.process.communicate()))

    def state(self):
        return pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()[0]

    def until_state(self, *states):
        until(lambda: self.state() in states, f"it is in state {states}")
        return self

    def end(self, signum):
        self.process.send_signal(signum)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


def opened(entry, *words):
    return Open(ARUN, f"{plugin}:{entry}", *words)


def looked(*words, status=0, **options):
    """What arun prints on stdout where it has nothing to complain of."""
    done = arun(*words, **options)
    equal((done.returncode, done.stderr), (status, ""), words)
    return done.stdout


def refused(*words):
    """What arun says on stderr where it can list nothing."""
    done = arun(*words)
    equal((done.returncode, done.stdout), (1, ""), words)
    assert re.fullmatch(r"arun: [^\n]*\n", done.stderr), done.stderr
    return done.stderr[len("arun: "):-1]


def compiled(name, *options):
    """A program of fixtures, linked so that the names it exports are found."""
    program = FOLDER / name
    done = run(*shlex.split(os.environ["CC"]), "-std=gnu11", "-D_GNU_SOURCE", "-rdynamic", *options,
               "-o", program, f"{name}.c", cwd=FIXTURES)
    equal((done.returncode, done.stderr), (0, ""), f"building {name}")
    return program


def stripped():
    """A copy of arun without its symbols."""
    if not shutil.which("strip"):
        raise Skip("strip is not installed")
    copy = FOLDER / "stripped"
    shutil.copy(ARUN, copy)
    equal(run("strip", copy).returncode, 0)
    return copy


def table():
    """The entries of arun's own table, as the words of the hostile program."""
    data = pathlib.Path(ARUN).read_bytes()
    start = data.index(b"arun-lay" + struct.pack("<I", 1))
    count, = struct.unpack_from("<I", data, start + 12)
    for i in range(count):
        name, offset, size = struct.unpack_from("<24sII", data, start + 32 + 32 * i)
        if name[0]:
            yield f"{name.rstrip(bytes(1)).decode()} {offset} {size}"


# The tasks of `choices`: for the first of how many channels each waits.
CHOICES = {"one": 1, "two": 2, "five": 5, "six": 6, "seven": 7, "on_choice": 2}
TOLD = 5  # channels of a line of text, at most


def channels(report):
    """Their numbers, in the order of their making."""
    return sorted(o["id"] for o in report["objects"] if o["kind"] == "channel")


def told(numbers):
    """Channels of `choices`, as a line names them that waits for the first of them."""
    names = [f'channel "choices" #{number}' for number in numbers]
    return " or ".join(names[:TOLD] + ["others"] * (len(names) > TOLD))
