#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The layout of C is that of .clang-format."""
import subprocess

import house


def clang_format_changes_nothing():
    program = house.tool("clang-format")
    sources = [p for p in house.files(".c", ".h") if "fixtures" not in p.parts]
    done = subprocess.run(
        [program, "--dry-run", "-Werror", "--style=file", *sources],
        capture_output=True, text=True,
    )
    if done.returncode:
        lines = [l for l in done.stderr.splitlines() if "error:" in l]
        names = sorted({l.split(":")[0] for l in lines})
        raise AssertionError("\n".join(lines[:20] + ["run: clang-format -i " + " ".join(names)]))


def C_is_indented_with_tabs_and_ends_its_lines_cleanly():
    bad = []
    for path in house.files(".c", ".h", ".S", ".py", ".build"):
        text = path.read_text()
        for number, line in enumerate(text.split("\n"), 1):
            if line != line.rstrip():
                bad.append(f"{house.short(path)}:{number}: white space at the end of the line")
            if path.suffix in (".c", ".h") and line.startswith("    "):
                bad.append(f"{house.short(path)}:{number}: indented with spaces")
        if text and not text.endswith("\n"):
            bad.append(f"{house.short(path)}: no end of line at the end of the file")
    house.none(bad)


house.run(clang_format_changes_nothing, C_is_indented_with_tabs_and_ends_its_lines_cleanly)
