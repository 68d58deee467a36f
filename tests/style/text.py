#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Licence lines, formats, shell scripts, and nothing left for later, or in /tmp."""
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


def formats_are_of_the_language_that_text_h_reads():
    """The compiler checks them as printf's, of which that is a part."""
    header = (house.SOURCE / "runtime/text.h").read_text()
    language, = re.findall(r"Of printf's language: (.*);", header)
    known = re.compile("|".join(re.escape(word) for word in sorted(language.split(), key=len, reverse=True)))
    calls = {name for path in house.files(".h", folders=["runtime"])
             for name in re.findall(r"(\w+)\([^()]*\)\s*__attribute__\(\(format\(printf", path.read_text())}
    call = re.compile(rf"\b(?:{'|'.join(sorted(calls))})\([^;]*;")
    assert "text_add" in calls and not known.match("%.*s"), (calls, known)
    house.none(
        f"{house.short(path)}: {string}"
        for path in house.files(".c", ".h", folders=["runtime", "loader", "cli"])
        for found in call.findall(path.read_text())
        for string in re.findall(r'"(?:\\.|[^"\\])*"', found)
        if "%" in known.sub("", string))


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
    formats_are_of_the_language_that_text_h_reads,
    shell_scripts_are_sound,
    shellcheck_finds_nothing,
)
