# SPDX-License-Identifier: MIT
"""What the tests of whole plugins share: building one, and servers that run meanwhile."""
import contextlib
import functools
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile

from tap import ARUN, DEADLINE, Skip, descriptors, environment, equal, run, until

SOURCE = pathlib.Path(os.environ["ARUN_SOURCE"])
BUILD = pathlib.Path(os.environ["ARUN_BUILD"])
CC = shlex.split(os.environ.get("CC", "cc"))
CXX = {"gcc": "g++", "clang": "clang++"}
FLAGS = "-shared -fPIC -Wall -Wextra -Wpedantic -Werror".split()

_folder = tempfile.TemporaryDirectory(prefix="arun-test-")
FOLDER = pathlib.Path(_folder.name)  # of this test, and gone with it


def built_with(name):
    options = json.loads((BUILD / "meson-info" / "intro-buildoptions.json").read_text())
    return next(option["value"] for option in options if option["name"] == name)


SANITIZED = built_with("b_sanitize") != "none"


def compiler_of(source):
    """$CC, and for C++ the one that goes with it."""
    if source.suffix != ".cc":
        return CC
    name = os.path.basename(CC[-1])
    other = CC[-1][:-len(name)] + (CXX.get(name) or "c++")
    if not shutil.which(other):
        raise Skip(f"{other} is not installed")
    return [*CC[:-1], other, "-std=c++20"]


def compiled(result, source, *flags, libraries=()):
    """Makes result of a source and the public header, without a warning, and returns its path."""
    done = run(*compiler_of(source), *flags, "-I" + os.environ["ARUN_INCLUDE"], "-o", result,
               source.name, *libraries, cwd=source.parent)
    equal((done.returncode, done.stderr), (0, ""), f"building {source.name}")
    return result


def build(folder, source, *flags):
    """Builds a plugin, and returns its path."""
    return compiled(pathlib.Path(folder) / (source.stem + ".so"), source, *FLAGS, *flags)


@functools.cache
def built(source, *flags):
    """The same in this test's folder, when it is first named."""
    return build(FOLDER, source, *flags)


@functools.cache
def written(name, text, *flags):
    """A plugin of that text, likewise."""
    source = FOLDER / f"{name}.c"
    source.write_text(text)
    return build(FOLDER, source, *flags)


def link(source, *flags, libraries=()):
    """A program of one's own with libarun, and with the sanitizers of that; in this test's folder."""
    words = set((BUILD / "build.ninja").read_text().split())
    return compiled(FOLDER / source.stem, source, *flags,
                    *sorted(word for word in words if word.startswith("-fsanitize=")),
                    libraries=(f"-L{BUILD}", "-larun", f"-Wl,-rpath,{BUILD}", *libraries))


def linked(name, text, *flags):
    """The same of a text."""
    source = FOLDER / f"{name}.c"
    source.write_text(text)
    return link(source, *flags)


def line_of(source, mark):
    """The number of the line of a source that has a comment of @mark."""
    lines = source.read_text().splitlines()
    found = [n for n, line in enumerate(lines, 1) if re.search(rf"@{mark}(?![\w-])", line)]
    equal(len(found), 1, f"@{mark} in {source.name}")
    return found[0]


def site(source, mark):
    """The same as reports name it: FILE:LINE."""
    return f"{source.name}:{line_of(source, mark)}"


def connect(path):
    """A connection, or None while nobody listens; an extra one would be seen by the plugin."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(DEADLINE)
    try:
        client.connect(str(path))
        return client
    except (FileNotFoundError, ConnectionRefusedError):
        client.close()
        return None


class Client:
    """A line at a time, with a deadline."""

    def __init__(self, connection):
        self.socket = connection
        self.file = self.socket.makefile("rb")

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        return self.file.readline()

    def close(self):
        self.file.close()
        self.socket.close()


class Server:
    """A plugin that serves at a Unix socket of its own."""

    def __init__(self, folder, plugin, *options):
        self.path = pathlib.Path(folder) / (pathlib.Path(plugin).stem + ".sock")
        self.process = subprocess.Popen(
            [ARUN, *options, str(plugin), f"unix:{self.path}"], env=environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, errors="replace",
        )

    def client(self):
        def connected():
            if self.process.poll() is not None:
                raise AssertionError(f"{self.process.returncode}: {self.process.stderr.read()}")
            return connect(self.path)

        return Client(until(connected, f"it listens at {self.path}"))

    def connections(self):
        """How many are open; the listening socket is none."""
        return sum(what.startswith("socket:") for what in descriptors(self.process.pid)) - 1

    def stop(self, signum=signal.SIGTERM):
        """Returns its status (negative: by signal), and what it printed on stderr."""
        self.process.send_signal(signum)
        _, errors = self.process.communicate(timeout=DEADLINE)
        return self.process.returncode, errors


@contextlib.contextmanager
def serving(plugin, *options):
    with tempfile.TemporaryDirectory() as folder:
        server = Server(folder, plugin, *options)
        try:
            yield server
        finally:
            if server.process.poll() is None:
                server.process.kill()
            server.process.communicate()
