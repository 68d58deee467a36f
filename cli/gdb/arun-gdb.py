# SPDX-License-Identifier: MIT
"""Loaded by gdb with arun or libarun.so, or by `source`: the commands `arun ps`, `arun bt`..."""
import os
import sys


def package_folder():
    """PREFIX/share/arun/gdb where this is below PREFIX/share/gdb/auto-load; else its own."""
    here = os.path.dirname(os.path.realpath(__file__))
    shared, found, _ = here.rpartition("/gdb/auto-load/")
    return os.path.join(shared, "arun", "gdb") if found else here


if package_folder() not in sys.path:
    sys.path.append(package_folder())

from arun_gdb import commands  # noqa: E402

commands.register()
