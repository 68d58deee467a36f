#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Counts the instructions that the registry costs an object. A figure, not an assertion.

	tests/bench/registry.py FOLDER

FOLDER holds the program that was built from registry.c.
"""
import pathlib
import re
import shutil
import subprocess
import sys

FEW, MANY = 1000, 101000


def instructions(program, what, count):
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, what, str(count)],
        stderr=subprocess.PIPE, text=True, check=True)
    return int(re.search(r"Collected : (\d+)", done.stderr)[1])


def each(program, what):
    """Of one object, without the program's start."""
    spent = instructions(program, what, MANY) - instructions(program, what, FEW)
    return spent / (MANY - FEW)


def main():
    program = pathlib.Path(sys.argv[1], "registry")
    if not shutil.which("valgrind"):
        print("valgrind is not installed")
        return
    listed, empty = each(program, "listed"), each(program, "empty")
    print(f"registry: {listed - empty:.1f} instructions an object (entered and taken out; limit 40)")


main()
