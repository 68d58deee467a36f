# SPDX-License-Identifier: MIT
"""tools/packages, with a package manager that knows some names and not others."""
import pathlib
import shutil
import tempfile

from load import SOURCE
from tap import claim, contains, equal, main, run

# pacman's, of a system where some names are gone: then it installs none of those it was given.
MANAGER = """#!/bin/sh
for word; do
	case $word in
	-*) ;;
	UNKNOWN) echo "error: target not found: $word" >&2; exit 1 ;;
	esac
done
echo "$*" >>CALLS
"""


def installed(unknown, *kinds):
    """What the run of packages says, and what each call that succeeded has installed."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        calls = folder / "calls"
        text = MANAGER.replace("UNKNOWN", "|".join(unknown) or "''").replace("CALLS", str(calls))
        for name, script in ("pacman", text), ("sudo", '#!/bin/sh\nexec "$@"\n'):
            (folder / name).write_text(script)
            (folder / name).chmod(0o755)
        for name in "sh id mktemp rm cat".split():
            (folder / name).symlink_to(shutil.which(name))
        done = run("/bin/sh", SOURCE / "tools" / "packages", *kinds, env={"PATH": str(folder)})
        lines = calls.read_text().splitlines() if calls.exists() else []
        return done, [[w for w in line.split() if w[0] != "-"] for line in lines]


@claim
def all_of_a_kind_are_installed_in_one_go():
    done, calls = installed([], "lint", "services")
    equal((done.returncode, done.stderr), (0, ""))
    equal([len(calls), calls[0][0], calls[1][0]], [2, "mandoc", "curl"])


@claim
def a_name_that_is_not_known_costs_only_itself():
    done, calls = installed(["shellcheck"], "lint")
    equal(done.returncode, 0, done.stderr)
    equal(calls, [["mandoc"], ["qemu-user"], ["aarch64-linux-gnu-gcc"]])
    contains(done.stderr, "target not found: shellcheck")
    contains(done.stderr, "going on without shellcheck")


@claim
def what_a_build_cannot_do_without_is_a_failure():
    done, calls = installed(["libev"], "build", "lint")
    equal((done.returncode, calls), (1, []))
    contains(done.stderr, "target not found: libev")


main()
