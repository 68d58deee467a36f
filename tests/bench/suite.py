#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures arun beside its peers, in turns on one processor. Figures, not assertions.

	suite.py [--quick] [--rounds=N] [--libdill=FOLDER] [--readme] BUILD [ROW...]

BUILD is a build folder, a ROW one of --list. tools/bench installs the peers, builds, and calls this.
"""
import argparse
import contextlib
import datetime
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

SOURCE = pathlib.Path(__file__).parents[2]


def options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], prog="bench")
    parser.add_argument("build", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("rows", nargs="*", metavar="ROW", help="all of them")
    parser.add_argument("--quick", action="store_true", help="a minute or two, less exact")
    parser.add_argument("--rounds", type=int, metavar="N", help="7; of --quick 2")
    parser.add_argument("--libdill", metavar="FOLDER", help="with libdill.h and libdill.a")
    parser.add_argument("--readme", action="store_true",
                        help="writes the README's part from the last whole run, measures nothing")
    parser.add_argument("--list", action="store_true", help="prints the ROWs")
    given = parser.parse_intermixed_args()
    if given.libdill:
        given.libdill = os.path.join(os.environ.get("BENCH_FROM", "."), given.libdill)
    return given


def load_average():
    return os.getloadavg()[0]


def commit():
    done = subprocess.run(["git", "-C", SOURCE, "describe", "--always", "--dirty", "--abbrev=12"],
                          capture_output=True, text=True)
    return done.stdout.strip() or "no commit"


def build_option(build, name):
    done = subprocess.run(["meson", "introspect", "--buildoptions", build], capture_output=True,
                          text=True)
    with contextlib.suppress(ValueError):
        return next(o["value"] for o in json.loads(done.stdout) if o["name"] == name)
    return "?"


def spreads(trials):
    """How far arun's own figures lie apart over the rounds, relative to their medians."""
    for trial in trials.values():
        for seen in (f for name, f in trial["figures"].items() if name.startswith("arun")):
            for metric in {"cpu", "rate"} & set(seen):
                if len(seen[metric]) > 1:
                    middle = statistics.median(seen[metric])
                    yield (max(seen[metric]) - min(seen[metric])) / middle


def measure(context, chosen, run):
    """run: name to trial. {name: figures and what was skipped}"""
    found = {}
    for name in chosen:
        begin = time.monotonic()
        print(f"{name}: ", end="", file=sys.stderr, flush=True)
        figures, skipped = run[name](context)
        for subject in {**figures, **skipped}:
            if subject.startswith("arun") and subject in skipped:
                print(f"{subject}: {skipped[subject]}; ", end="", file=sys.stderr)
        print(f"{time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)
        found[name] = {"figures": figures, "skipped": skipped}
    return found


def whole(given):
    return not given.quick and not given.rows


def main():
    given = options()
    os.environ["ARUN"] = str(given.build.absolute() / "arun")
    import exact
    import machine
    import peers
    import report
    import rows
    import trials
    if given.list:
        print("\n".join(trials.TRIALS))
        return
    kept = given.build / "results"
    if given.readme:
        if not (kept / "results.json").exists():
            sys.exit("there was no whole run yet: tools/bench")
        report.readme(SOURCE, json.loads((kept / "results.json").read_text()))
        return
    unknown = set(given.rows) - set(trials.TRIALS) - {"exact"}
    if unknown:
        sys.exit(f"no such row: {', '.join(sorted(unknown))}; see --list")
    programs = given.build.absolute() / "tests" / "bench"
    for program in [os.environ["ARUN"], *given.build.glob("**/*.so")]:
        machine.settle(program)
    there = peers.Peers(programs, programs / "peers", given.libdill)
    context = trials.Context(there, programs, given.build.absolute() / "plugins", given.quick)
    context.rounds = given.rounds or context.rounds
    chosen = [name for name in trials.TRIALS if not given.rows or name in given.rows]
    before, begin = load_average(), time.monotonic()
    counted = exact.measured(programs) if not given.rows or "exact" in given.rows else {}
    found = measure(context, chosen, trials.TRIALS)
    apart = sorted(spreads(found)) or [0]
    results = {
        "when": f"{datetime.date.today():%Y-%m-%d}",
        "minutes": max(1, (time.monotonic() - begin) / 60),
        "commit": commit(),
        "buildtype": build_option(given.build, "buildtype"),
        "machine": machine.described(),
        "versions": there.versions(),
        "noise": {"before": round(before, 2), "after": round(load_average(), 2),
                  "spread": statistics.median(apart), "largest": apart[-1]},
        "rows": rows.results(found),
        "exact": counted,
        "trials": found,
    }
    report.write(kept if whole(given) else given.build / "results-part", results)
    print(report.circumstances(results), end="\n\n")
    if found:
        print(report.table(results, rows.aligned), end="\n\n")
    if counted:
        print(report.exact_table(results, rows.aligned), end="\n\n")
    for line in report.skipped(results):
        print(f"skipped: {line}")


if __name__ == "__main__":
    main()
