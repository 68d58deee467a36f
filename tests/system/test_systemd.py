#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_systemd.py NAME: runs services_NAME.py under a systemd that is process 1, where this
machine allows that: what it prints is what this prints."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "cli"))

from group import plugin  # noqa: E402
from load import SANITIZED  # noqa: E402
from plugins import BUILD, SOURCE, build  # noqa: E402
from tap import ARUN  # noqa: E402

CANNOT = 77

# LeakSanitizer looks at a process from another, by a system call that the unit forbids: the
# kernel would end that one, and the process that ends wait for it forever.
SANITIZER = """[Service]
SystemCallFilter=ptrace
Environment="ASAN_OPTIONS={}" "UBSAN_OPTIONS={}"
"""


def prepare(folder):
    """All that the machine inside needs, readable by the users that systemd makes up."""
    build(folder, SOURCE / "tests" / "fixtures" / "service" / "service.c")
    for version in ("1", "2"):
        shutil.copy(plugin(version), folder / f"workers-{version}.so")
    for file in (ARUN, *HERE.glob("*.py"), HERE.parent / "cli" / "tap.py",
                 BUILD / "cli" / "arun@.service", SOURCE / "cli" / "units" / "arun@.socket"):
        shutil.copy(file, folder)
    (folder / "path.conf").write_text("[Service]\nEnvironment=ARUN_PATH=/keep\n")
    if SANITIZED:
        options = [os.environ.get(name, "") for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS")]
        (folder / "sanitizer.conf").write_text(SANITIZER.format(*options))
    for path in (folder, *folder.iterdir()):
        path.chmod(0o755)


def main():
    with tempfile.TemporaryDirectory(prefix="arun-system-") as folder:
        prepare(pathlib.Path(folder))
        done = subprocess.run(
            [HERE / "systemd-ns.sh", folder, f"/usr/bin/python3 /keep/services_{sys.argv[1]}.py"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            errors="replace")
    started = done.stdout or os.environ.get("CI")
    if done.returncode == CANNOT or not started:
        print("1..0 # SKIP", (done.stderr.strip().split("\n") or [""])[-1])
        return 0
    print(done.stdout, end="")
    print(done.stderr, end="", file=sys.stderr)
    return done.returncode


sys.exit(main())
