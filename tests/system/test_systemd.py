#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs services.py under a systemd that is process 1, where this machine allows that: what it
prints is what this prints."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "cli"))

from plugins import BUILD, SOURCE, build  # noqa: E402
from tap import ARUN  # noqa: E402

CANNOT = 77


def prepare(folder):
    """All that the machine inside needs, readable by the users that systemd makes up."""
    build(folder, SOURCE / "tests" / "fixtures" / "service" / "service.c")
    for file in (ARUN, HERE / "services.py", HERE.parent / "cli" / "tap.py",
                 BUILD / "cli" / "arun@.service", SOURCE / "cli" / "units" / "arun@.socket"):
        shutil.copy(file, folder)
    for name in [folder, *(os.path.join(folder, n) for n in os.listdir(folder))]:
        os.chmod(name, 0o755)


def main():
    with tempfile.TemporaryDirectory(prefix="arun-system-") as folder:
        prepare(folder)
        done = subprocess.run([HERE / "systemd-ns.sh", folder, "/usr/bin/python3 /keep/services.py"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, errors="replace")
    if done.returncode == CANNOT or "TAP version" not in done.stdout and not os.environ.get("CI"):
        print("1..0 # SKIP", (done.stderr.strip().split("\n") or [""])[-1])
        return 0
    print(done.stdout, end="")
    print(done.stderr, end="", file=sys.stderr)
    return done.returncode


sys.exit(main())
