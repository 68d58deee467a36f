# SPDX-License-Identifier: MIT
"""The peers: what they are built with, what they are called, and which of them are not here."""
import os
import pathlib
import re
import shutil
import subprocess

import machine
from machine import Unable

SOURCES = pathlib.Path(__file__).parent / "peers"
STOCK = {}
TUNED = {"MALLOC_MMAP_THRESHOLD_": "1048576", "MALLOC_TRIM_THRESHOLD_": "8388608",
         "MALLOC_TOP_PAD_": "1048576"}
GO = {"GOMAXPROCS": "1"}

# Program: its sources, and the compiler's words after them.
C = {
    "st": (["st.c"], ["-lst"]),
    "echo_uv": (["echo_uv.c"], ["-luv"]),
    "echo_tls": (["echo_tls.c"], ["-lssl", "-lcrypto"]),
    "loadgen_tls": (["../loadgen.c"], ["-DTRANSPORT_TLS", "-lssl", "-lcrypto"]),
}


class Peers:
    """Programs by name: built at their first use, once; .words() raises Unable where that fails."""

    def __init__(self, built, folder, libdill=None):
        self.built, self.folder, self.libdill = pathlib.Path(built), pathlib.Path(folder), libdill
        self.known = {}
        self.folder.mkdir(parents=True, exist_ok=True)

    def program(self, name):
        if name not in self.known:
            try:
                self.known[name] = self.build(name)
                if isinstance(self.known[name], pathlib.Path):
                    machine.settle(self.known[name])
            except Unable as reason:
                self.known[name] = reason
        if isinstance(self.known[name], Unable):
            raise self.known[name]
        return self.known[name]

    def build(self, name):
        if (self.built / name).exists():
            return self.built / name
        if name in C:
            sources, words = C[name]
            return self.compile("cc", name, sources, words)
        return {"dill": self.dill, "boost": self.boost, "go": self.go,
                "python": self.python, "uvloop": self.uvloop}[name]()

    def compile(self, compiler, name, sources, words, before=()):
        compiler = os.environ.get(compiler.upper(), compiler).split()
        target = self.folder / name
        done = subprocess.run(
            [*compiler, "-O2", "-D_GNU_SOURCE", *before, "-o", target,
             *(SOURCES / source for source in sources), *words], capture_output=True, text=True)
        if done.returncode:
            raise Unable(f"does not build: {first_error(done.stderr)}")
        return target

    def dill(self):
        if not self.libdill:
            raise Unable("no --libdill=FOLDER was given")
        root = pathlib.Path(self.libdill)
        header = first(root, "libdill.h", "include/libdill.h")
        library = first(root, ".libs/libdill.a", "libdill.a", "lib/libdill.a", "build/libdill.a",
                        ".libs/libdill.so", "lib/libdill.so", "build/libdill.so")
        return self.compile("cc", "dill", ["dill.c"],
                            [library, f"-Wl,-rpath,{library.parent}", "-lpthread"],
                            [f"-I{header.parent}"])

    def boost(self):
        return self.compile("c++", "boost", ["boost.cpp"],
                            ["-lboost_fiber", "-lboost_context", "-lpthread"])

    def go(self):
        go = found("go")
        done = subprocess.run([go, "build", "-o", self.folder / "go", SOURCES / "main.go"],
                              capture_output=True, text=True,
                              env={**os.environ, "GOFLAGS": "-mod=mod", "GO111MODULE": "off"})
        if done.returncode:
            raise Unable(f"does not build: {first_error(done.stderr)}")
        return self.folder / "go"

    def python(self):
        """That of the system, which has uvloop, before another one."""
        for name in "/usr/bin/python3", "python3":
            if shutil.which(name) and succeeds(name, "-c", "import uvloop"):
                return name
        return found("python3")

    def uvloop(self):
        python = self.program("python")
        if not succeeds(python, "-c", "import uvloop"):
            raise Unable("python3 has no uvloop")
        return python

    def aio(self, loop):
        """The words of a Python program on that loop, before its name."""
        python = self.program("uvloop" if loop == "uvloop" else "python")
        return [python, SOURCES / "aio.py", loop]

    def versions(self):
        """What was measured, by name."""
        seen = {name: version(words, pattern) for name, words, pattern in [
            ("arun", [machine.ARUN, "--version"], r"arun (\S+)"),
            ("gcc", ["cc", "--version"], r"(\d+\.\S+)$"),
            ("Go", ["go", "version"], r"go(\d\S+)"),
            ("Python", [self.try_python(), "--version"], r"Python (\S+)"),
            ("uvloop", [self.try_python(), "-c", "import uvloop; print(uvloop.__version__)"],
             r"^(\d\S+)"),
            ("nginx", ["nginx", "-v"], r"nginx/(\S+)"),
            ("Redis", ["redis-server", "--version"], r"v=(\S+)"),
            ("OpenSSL", ["openssl", "version"], r"OpenSSL (\S+)"),
            ("wrk", ["wrk", "-v"], r"wrk (\S+)"),
        ]}
        seen.update((name, macro(header, macros)) for name, header, macros in [
            ("libev", "ev.h", ("EV_VERSION_MAJOR", "EV_VERSION_MINOR")),
            ("libuv", "uv.h", ("UV_VERSION_MAJOR", "UV_VERSION_MINOR", "UV_VERSION_PATCH")),
            ("state-threads", "st.h", ("ST_VERSION_MAJOR", "ST_VERSION_MINOR")),
            ("Boost", "boost/version.hpp", ("BOOST_LIB_VERSION",)),
        ])
        if self.libdill:
            seen["libdill"] = version(
                ["git", "-C", self.libdill, "rev-parse", "--short", "HEAD"], r"^(\w+)$") or "?"
        return {name: text for name, text in seen.items() if text}

    def try_python(self):
        try:
            return self.program("python")
        except Unable:
            return "python3"


def first(root, *names):
    for name in names:
        if (root / name).exists():
            return root / name
    raise Unable(f"no {names[0].split('/')[-1]} below the folder of --libdill")


def found(name):
    path = shutil.which(name)
    if not path:
        raise Unable(f"{name} is not installed")
    return path


def succeeds(*words):
    return subprocess.run(words, capture_output=True).returncode == 0


def first_error(text):
    """The part of a compiler's words that says what is missing."""
    for line in text.splitlines():
        if re.search(r"error|cannot find|no such", line, re.I):
            return re.sub(r"^\S*:\d+:\d+: |^\S*ld: ", "", line).strip()
    return text.strip().split("\n")[-1]


def version(words, pattern):
    match = re.search(pattern, machine.first_line(*words))
    return match[1] if match else None


def macro(header, names):
    """The values of a header's macros, with dots between."""
    text = f"#include <{header}>\n@ {' '.join(names)}\n"
    compiler = "c++" if header.endswith("hpp") else "cc"
    done = subprocess.run([compiler, "-E", "-x", "c++" if header.endswith("hpp") else "c", "-P", "-"],
                          input=text, capture_output=True, text=True)
    values = re.search(r"^@ (.+)", done.stdout, re.M)
    if done.returncode or not values:
        return None
    return ".".join(values[1].replace('"', "").split()).replace("_", ".")
