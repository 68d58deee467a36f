# SPDX-License-Identifier: MIT
"""Programs and plugins that a machine may not have: what needs them is skipped there, in CI not."""
import os
import shutil

from plugins import BUILD
from tap import Skip, run


def lacking(reason):
    if os.environ.get("CI") == "true":
        raise AssertionError(reason)
    raise Skip(reason)


def tool(name):
    return shutil.which(name) or lacking(f"{name} is not installed")


def plugin(name):
    """The path of a plugin that was built with arun, if its library was there."""
    path = BUILD / "plugins" / f"{name}.so"
    return path if path.exists() else lacking(f"{path.name} was built without its library")


def mounting(script):
    """The words before a command that runs with what script mounts, where that is allowed."""
    unshare = ["unshare", "-rm", "sh", "-c"]
    if not shutil.which("unshare") or run(*unshare, "mount -t tmpfs none /proc").returncode:
        raise Skip("mount namespaces are not to be had here")
    return [*unshare, f'{script} && exec "$@"', "sh"]
