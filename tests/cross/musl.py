#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""That arun compiles against musl's headers. It is not linked: Debian has no libev for musl."""
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(os.environ["ARUN_SOURCE"])
FOLDERS = ["runtime", "loader", "cli"]

if not shutil.which("musl-gcc"):
    print("1..0 # SKIP musl-gcc not installed")
    sys.exit(0)

# Of what musl does not bring, the system's: <linux/...>, <ev.h>, OpenSSL's.
triplet = subprocess.run(["gcc", "-print-multiarch"], capture_output=True, text=True).stdout.strip()
OTHERS = ["/usr/include", f"/usr/include/{triplet}"]
OPTIONS = ["-std=gnu11", "-D_GNU_SOURCE=", '-DARUN_VERSION="0"', '-DARUN_LIBRARY_DIR="/"',
           "-fsyntax-only", "-Wall", "-Werror", "-Wno-strict-aliasing", f"-I{ROOT / 'include'}",
           *(f"-idirafter{folder}" for folder in [ROOT / "loader", *OTHERS])]

print(f"1..{len(FOLDERS)}")
failed = False
for number, folder in enumerate(FOLDERS, 1):
    done = subprocess.run(["musl-gcc", *OPTIONS, *sorted((ROOT / folder).glob("*.c"))],
                          stderr=subprocess.PIPE, text=True)
    good = done.returncode == 0
    failed |= not good
    print(f"{'' if good else 'not '}ok {number} - {folder}")
    for line in done.stderr.splitlines():
        print("#", line)
sys.exit(failed)
