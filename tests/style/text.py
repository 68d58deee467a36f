#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Licence lines, shell scripts, and nothing left for later, or in /tmp."""
import re
import subprocess

import house

KEPT = re.compile(r"\btempfile\.mk[ds]temp\((?!dir=)")
LATER = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b")


def scripts():
    candidates = [p for f in ("tools", ".ci") for p in sorted((house.SOURCE / f).iterdir())]
    candidates += house.files(".sh")
    found = [p for p in candidates if p.is_file() and p.read_text().startswith("#!/bin/sh")]
    assert len(found) >= 3, found
    return found


def every_source_names_its_licence():
    house.none(
        f"{house.short(path)}: no SPDX-License-Identifier in its first lines"
        for path in house.files(".c", ".h", ".S", ".py", "meson.build") + scripts()
        if "SPDX-License-Identifier: MIT" not in "".join(path.read_text().splitlines(True)[:3])
    )


def nothing_is_left_for_later():
    house.none(
        f"{house.short(path)}:{number}: {line.strip()}"
        for path in house.files("", folders=house.FOLDERS + ["man", "tools"])
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if LATER.search(line)
    )


def folders_that_tests_make_go_with_them():
    house.none(
        f"{house.short(path)}:{number}: stays: make it in the FOLDER of tests/cli/plugins.py"
        for path in house.files(".py", folders=["tests"])
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if KEPT.search(line)
    )


def shell_scripts_are_sound():
    for script in scripts():
        done = subprocess.run(["sh", "-n", script], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def shellcheck_finds_nothing():
    done = subprocess.run(
        [house.tool("shellcheck"), "-s", "sh", *scripts()], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


house.run(
    every_source_names_its_licence,
    nothing_is_left_for_later,
    folders_that_tests_make_go_with_them,
    shell_scripts_are_sound,
    shellcheck_finds_nothing,
)
