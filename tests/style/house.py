# SPDX-License-Identifier: MIT
"""What the tests of style share: the sources, and the tools that look at them."""
import os
import pathlib
import shutil
import sys

SOURCE = pathlib.Path(os.environ.get("ARUN_SOURCE", pathlib.Path(__file__).parents[2]))
FOLDERS = "runtime loader cli include plugins tests".split()

sys.path.append(str(SOURCE / "tests" / "cli"))
import tap  # noqa: E402


def tool(*names):
    """The path of the first of these programs; skips where there is none, fails where CI=true."""
    for name in names:
        path = shutil.which(name)
        if path:
            return path
    reason = " or ".join(names) + " is not installed"
    if os.environ.get("CI") == "true":
        raise AssertionError(reason)
    raise tap.Skip(reason)


def files(*suffixes, folders=FOLDERS):
    """The sources below folders whose names end so, in order."""
    found = (p for f in folders for p in (SOURCE / f).rglob("*") if p.name.endswith(suffixes))
    return sorted(p for p in found if p.is_file() and "__pycache__" not in p.parts)


def short(path):
    return str(path.relative_to(SOURCE))


def none(findings):
    """Asserts that there are no findings; shows them otherwise."""
    findings = [str(finding) for finding in findings]
    if findings:
        raise AssertionError("\n".join([f"{len(findings)} findings", *findings]))


def run(*claims):
    for claim in claims:
        tap.claim(claim)
    tap.main()
