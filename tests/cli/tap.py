# SPDX-License-Identifier: MIT
"""TAP for tests of the built binary: a claim is a function, its name is what it claims."""
import atexit
import contextlib
import os
import signal
import subprocess
import sys
import time
import traceback

ARUN = os.environ.get("ARUN", "arun")
DEADLINE = 60  # seconds; a test that gets there has failed

_claims = []

# What nohup(1) or a shell's "&" has ignored would stay so in arun: a test begins like a login.
for _number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, signal.SIG_DFL)


class Skip(Exception):
    """Raised with the reason: what the claim needs is not on this machine."""


def claim(function):
    _claims.append(function)
    return function


def equal(got, wanted, about=""):
    if got != wanted:
        raise AssertionError(f"{about}\n   got: {got!r}\nwanted: {wanted!r}")


def contains(text, part):
    if part not in text:
        raise AssertionError(f"{part!r} is not in: {text!r}")


def environment(**variables):
    """That of this process without $ARUN_..., and with variables."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("ARUN")}
    return {**kept, "LC_ALL": "C", **variables}


def run(*argv, env=None, **options):
    """Runs a program to its end: .returncode (negative: by signal), .stdout and .stderr as text."""
    given = dict(stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                 text=True, errors="replace", timeout=DEADLINE, env=environment(**(env or {})))
    return subprocess.run([str(word) for word in argv], **{**given, **options})


def arun(*words, **options):
    return run(ARUN, *words, **options)


def until(condition, about, deadline=DEADLINE):
    """Waits for a condition and returns what it returned."""
    end = time.monotonic() + deadline
    while not (result := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline} s: {about}")
        time.sleep(0.005)
    return result


def killed_at_exit(process):
    """The same Popen, which is killed where it still runs when the test ends."""
    def kill():
        if process.poll() is None:
            process.kill()
            process.wait(DEADLINE)
    atexit.register(kill)
    return process


def descriptors(pid):
    """What each descriptor of a process is, as /proc names it; one may be closed meanwhile."""
    folder = f"/proc/{pid}/fd"
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            yield os.readlink(os.path.join(folder, name))


def main():
    print("TAP version 13", f"1..{len(_claims)}", sep="\n", flush=True)
    failed = 0
    for number, function in enumerate(_claims, 1):
        name = function.__name__.replace("_", " ")
        try:
            function()
            print(f"ok {number} - {name}", flush=True)
        except Skip as reason:
            print(f"ok {number} - {name} # SKIP {reason}", flush=True)
        except Exception:
            failed += 1
            print(f"not ok {number} - {name}")
            print("# " + traceback.format_exc().replace("\n", "\n# "), flush=True)
    sys.exit(failed != 0)
