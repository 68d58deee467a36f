# SPDX-License-Identifier: MIT
"""What `meson install` gives a user: a folder to install in, and a shell that finds it there."""
import os
import pathlib
import subprocess

from plugins import BUILD, SANITIZED, built_with
from tap import DEADLINE, Skip, environment, equal


def skip_where_sanitized():
    if SANITIZED:
        raise Skip("a program cannot link a library built with sanitizers without them")


class Installed:
    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.prefix = self.root / built_with("prefix").lstrip("/")
        libraries = self.prefix / built_with("libdir")
        command = ["meson", "install", "-C", BUILD, "--destdir", root, "--no-rebuild", "--quiet"]
        done = subprocess.run(command, text=True, capture_output=True, timeout=DEADLINE)
        equal(done.returncode, 0, done.stdout + done.stderr)
        self.environment = environment(
            PATH=f"{self.prefix / 'bin'}:{os.environ['PATH']}",
            PKG_CONFIG_PATH=str(libraries / "pkgconfig"),
            PKG_CONFIG_SYSROOT_DIR=str(root),
            LD_LIBRARY_PATH=str(libraries),
        )

    def shell(self, command):
        """Runs a command as that user does, and returns what it printed on stdout."""
        done = subprocess.run(["sh", "-ec", command], cwd=self.root, env=self.environment,
                              text=True, capture_output=True, timeout=DEADLINE)
        equal((done.returncode, done.stderr), (0, ""), command)
        return done.stdout
