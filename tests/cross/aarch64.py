#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The switch for AArch64: built with a cross compiler, run under qemu-user with branch protection."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(os.environ["ARUN_SOURCE"])
COMPILER, QEMU = "aarch64-linux-gnu-gcc", "qemu-aarch64"
SOURCES = [ROOT / "tests/cross/context_check.c", ROOT / "runtime/context_aarch64.S"]

missing = [tool for tool in (COMPILER, QEMU) if not shutil.which(tool)]
if missing:
    print(f"1..0 # SKIP {' and '.join(missing)} not installed")
    sys.exit(0)

with tempfile.TemporaryDirectory() as folder:
    program = pathlib.Path(folder, "context_check")
    subprocess.run(
        [COMPILER, "-O2", "-static", "-Wall", "-Wextra", "-Werror", "-mbranch-protection=bti",
         "-iquote", ROOT / "runtime", "-o", program, *SOURCES], check=True)
    sys.exit(subprocess.run([QEMU, "-cpu", "max", program], timeout=60).returncode)
