#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Counts the instructions that the registry costs an object, and a connection. Figures, not assertions.

	tests/bench/registry.py FOLDER

FOLDER holds the program that was built from registry.c.
"""
import pathlib
import re
import shutil
import subprocess
import sys

FEW, MANY = 1000, 101000
CONNECTIONS = 100, 1100


def instructions(program, what, count):
    """So many instructions, and what it printed."""
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, what, str(count)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=True)
    return int(re.search(r"Collected : (\d+)", done.stderr)[1]), int(done.stdout or 0)


def each(program, what, few=FEW, many=MANY):
    """Of one, without the program's start: instructions, and objects where it prints them."""
    (start, made), (end, all_made) = (instructions(program, what, count) for count in (few, many))
    return (end - start) / (many - few), (all_made - made) / (many - few)


def main():
    program = pathlib.Path(sys.argv[1], "registry")
    if not shutil.which("valgrind"):
        print("valgrind is not installed")
        return
    cost = each(program, "listed")[0] - each(program, "empty")[0]
    print(f"registry: {cost:.1f} instructions an object (entered and taken out; limit 40)")
    whole, objects = each(program, "connect", *CONNECTIONS)
    print(f"registry: {100 * objects * cost / whole:.1f} % of connect and close, of the instructions "
          f"outside the kernel ({objects:.0f} objects, {whole:,.0f} instructions; limit 5 %)")


main()
