#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the suite makes of its figures: verdicts, pictures, and the README's part."""
import json
import pathlib
import sys
import tempfile
from xml.etree import ElementTree

import charts
import report
import rows
import trials

SOURCE = pathlib.Path(__file__).parents[2]
sys.path.append(str(SOURCE / "tests" / "cli"))
import tap  # noqa: E402

RESULTS = {
    "when": "2026-01-02", "minutes": 3, "commit": "abc", "buildtype": "release",
    "machine": {"processor": "P", "processors": 2, "memory": "4 GiB", "system": "S", "kernel": "K"},
    "versions": {"Go": "1.19"}, "exact": {"system calls per echo": 2.0},
    "noise": {"before": 0.1, "after": 1.2, "spread": 0.02, "largest": 0.1},
    "trials": {
        "yield": {"figures": {"arun": {"cpu": [10, 24, 11], "wall": [10, 24, 11]},
                              "Go": {"cpu": [100, 200, 88], "wall": [100, 200, 88]},
                              "boost.context": {"cpu": [5, 11, 5], "wall": [5, 11, 5]}},
                  "skipped": {"libdill": "no --libdill=FOLDER was given"}},
        "http": {"figures": {"arun": {"rate": [120000], "cpu": [7000]},
                             "nginx": {"rate": [100000], "cpu": [7100]}}, "skipped": {}},
    },
}
RESULTS["rows"] = rows.results(RESULTS["trials"])


def row(what, peer):
    return next(r for r in RESULTS["rows"] if (r["what"], r["peer"]) == (what, peer))


@tap.claim
def a_ratio_is_the_median_of_those_of_the_rounds():
    found = row("pair of yields", "Go")
    tap.equal([found["own_median"], found["peer_median"]], [11, 100])
    tap.equal([found["least"], found["value"], found["most"]], [0.1, 0.12, 0.125])
    assert found["holds"] and not found["reaches"], found
    tap.equal(rows.cells(found)[-1], "yes")


@tap.claim
def each_second_round_goes_backwards_without_those_that_cannot_run():
    turns = []

    def subject(name):
        def measure():
            turns.append(name)
            if name == "B":
                raise trials.Unable("no B")
            return {"cpu": len(turns)}
        return measure

    seen, skipped = trials.interleaved(3, {name: subject(name) for name in "ABC"})
    tap.equal("".join(turns), "ABCCAAC")
    tap.equal(seen, {"A": {"cpu": [1, 5, 6]}, "C": {"cpu": [3, 4, 7]}})
    tap.equal(skipped, {"B": "no B"})


@tap.claim
def a_gate_that_is_missed_says_no():
    tap.equal(rows.cells(row("pair of yields", "boost.context"))[-1], "**no**")


@tap.claim
def rounds_that_differ_by_half_are_called_disturbed():
    noisy = {"figures": {"arun": {"rate": [1, 2, 2]}, "nginx": {"rate": [1, 1, 1]}}, "skipped": {}}
    found = next(r for r in rows.results({"http": noisy}) if r["metric"] == "rate")
    tap.equal(rows.cells(found)[-1], "yes, and the ambition, disturbed")


@tap.claim
def of_a_rate_more_is_better():
    found = row("HTTP, 200 bytes, kept alive", "nginx")
    tap.equal(rows.cells(found)[-1], "yes, and the ambition")


@tap.claim
def a_peer_that_is_missing_is_named_with_the_reason():
    tap.contains(" ".join(rows.cells(row("pair of yields", "libdill"))), "no --libdill=FOLDER")
    tap.contains(report.document(RESULTS), "Skipped: libdill: no --libdill=FOLDER was given.")


@tap.claim
def trials_that_did_not_run_have_no_rows():
    tap.equal({r["trial"] for r in RESULTS["rows"]}, {"yield", "http"})


@tap.claim
def pictures_are_XML_with_a_bar_each_and_cut_those_that_are_too_long():
    drawn = ElementTree.fromstring(charts.chart("T & T", "n", [
        ("arun", 1, "1 ns", True), ("a<b", 5, "5 ns", False), ("slow", 500, "500 ns", False)]))
    name = "{http://www.w3.org/2000/svg}"
    widths = [float(bar.get("width")) for bar in drawn.iter(f"{name}rect")]
    tap.equal(len(widths), 3)
    assert widths[0] < widths[1] < widths[2], widths
    tap.equal(len(list(drawn.iter(f"{name}path"))), 2, "the marks of the cut")
    tap.contains([text.text for text in drawn.iter(f"{name}text")], "a<b")


@tap.claim
def gates_are_counted_and_those_that_are_missed_are_named():
    tap.equal(report.gates(RESULTS), "Of 3 gates 2 hold; missed: pair of yields (boost.context: 2.18, gate ≤ 1.6).")
    tap.equal(report.gates({"rows": []}), "Of 0 gates 0 hold.")


@tap.claim
def where_the_ratio_of_the_medians_says_otherwise_that_is_told():
    rates = {"arun": [10, 21, 30], "nginx": [20, 20, 29]}
    http = {"figures": {name: {"rate": rate} for name, rate in rates.items()}, "skipped": {}}
    found = {"trials": {"http": http}, "rows": rows.results({"http": http})}
    tap.equal(report.gates(found), "Of 1 gates 1 hold.")
    rates["nginx"][:] = [20, 40, 29]
    http["figures"]["arun"]["rate"][:] = [21, 41, 28]
    found["rows"] = rows.results({"http": http})
    tap.equal(report.gates(found), "Of 1 gates 1 hold. The ratio of the medians says otherwise of: "
              "HTTP, 200 bytes, kept alive (nginx: 0.97, gate ≥ 1).")


@tap.claim
def with_a_missed_gate_goes_what_epoll_alone_comes_to():
    rates = {"arun": [10, 22], "epoll": [11, 24], "uvloop protocol": [10, 20]}
    echo = {"figures": {name: {"rate": rate} for name, rate in rates.items()}, "skipped": {}}
    found = {"trials": {"echo-50": echo}, "rows": rows.results({"echo-50": echo})}
    tap.contains(report.gates(found), "(uvloop protocol: 1.05, gate ≥ 1.15, epoll itself 1.15)")


@tap.claim
def the_README_is_written_twice_with_the_same_result():
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder)
        readme = source / "README.md"
        readme.write_text(f"before\n{report.BEGIN}\nstale words\n{report.END}\nafter\n")
        report.readme(source, RESULTS)
        once = readme.read_text()
        report.readme(source, RESULTS)
        tap.equal(readme.read_text(), once)
        assert once.startswith("before\n") and once.endswith("after\n") and "stale" not in once, once
        for path in ("results/yield.svg", "results/results.json", "results/table.md"):
            assert (source / "tests" / "bench" / path).exists(), path


@tap.claim
def the_README_shows_the_results_that_are_kept_beside_it():
    shown = SOURCE / "tests" / "bench" / "results"
    results = json.loads((shown / "results.json").read_text())
    tap.contains((SOURCE / "README.md").read_text(), report.section(results, shown, SOURCE))


tap.main()
