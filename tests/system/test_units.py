#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The shipped units, as systemd's own tools see them: no root, no running systemd."""
import os
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "cli"))

from plugins import BUILD, FOLDER, SOURCE  # noqa: E402
from tap import Skip, claim, equal, main, run  # noqa: E402

EXPOSURE = 12  # tenths


def analyze(*words):
    if not shutil.which("systemd-analyze"):
        raise Skip("systemd-analyze is not installed")
    return run("systemd-analyze", *words)


def units():
    """Both, with the arun of this build, as it is not installed."""
    text = (BUILD / "cli" / "arun@.service").read_text()
    program = text.split("ExecStart=")[1].split()[0]
    (FOLDER / "arun@echo.service").write_text(text.replace(program, os.environ["ARUN"]))
    shutil.copy(SOURCE / "cli" / "units" / "arun@.socket", FOLDER / "arun@echo.socket")
    return FOLDER / "arun@echo.service", FOLDER / "arun@echo.socket"


@claim
def systemd_finds_no_fault_in_them():
    done = analyze("verify", "--man=no", *units())
    ours = [line for line in done.stderr.splitlines() if "arun" in line]
    equal((done.returncode, ours), (0, []), done.stderr)


@claim
def the_service_exposes_next_to_nothing():
    done = analyze("security", "--offline=true", f"--threshold={EXPOSURE}", units()[0])
    equal(done.returncode, 0, done.stdout + done.stderr)


main()
