# SPDX-License-Identifier: MIT
"""What a run of the suite leaves: results.json, table.md and pictures; and the README's part of it."""
import json
import pathlib
import statistics

import charts
import rows

BEGIN, END = "<!-- speed: tools/bench --readme writes from here -->", "<!-- speed: to here -->"
LESS, MORE = "less is better", "more is better"

# Picture: its title, the trial, the metric, which way.
CHARTS = {
    "yield": ("Two tasks yield to each other: a pair", "yield", "cpu", LESS),
    "channel": ("An item through a channel and back, from hand to hand", "channel", "cpu", LESS),
    "spawn": ("Spawn a task and join it", "spawn", "cpu", LESS),
    "batch": ("Spawn a task and join it, 1,000 alive at once", "batch", "cpu", LESS),
    "idle": ("An idle task, of 100,000: memory", "idle-100000", "bytes", LESS),
    "connection": ("An idle connection with its task: memory of the process", "connection", "bytes",
                   LESS),
    "echo-50": ("Echo of 64 bytes over TCP, 50 connections", "echo-50", "rate", MORE),
    "echo-1000": ("Echo of 64 bytes over TCP, 1,000 connections", "echo-1000", "rate", MORE),
    "echo-10000": ("Echo of 64 bytes over TCP, 10,000 connections", "echo-10000", "rate", MORE),
    "accept": ("Accept, echo, close: the server's processor time", "accept", "cpu", LESS),
    "start": ("Start and end of a program that does nothing", "start", "wall", LESS),
    "http": ("HTTP/1.1, 200 bytes, 64 connections kept alive", "http", "rate", MORE),
    "resp": ("SET over Redis' protocol, 50 connections", "resp-set", "rate", MORE),
}
NOTES = {"cpu": "processor time", "wall": "wall time", "bytes": "resident, and page tables",
         "rate": "requests a second, the server on one processor"}


def picture(name, results):
    """The SVG; None: it was not measured."""
    title, trial, metric, better = CHARTS[name]
    figures = results["trials"].get(trial, {}).get("figures", {})
    medians = {subject: statistics.median(seen[metric]) for subject, seen in figures.items()}
    if not medians:
        return None
    unit = rows.unit_of(trial, metric)
    bars = [(subject, value, rows.digits(value, unit), subject == "arun")
            for subject, value in sorted(medians.items(), key=lambda item: item[1],
                                         reverse=better == MORE)]
    return charts.chart(title, f"{NOTES[metric]}; median; {better}", bars)


def table(results, form=rows.markdown):
    return form(rows.COLUMNS, [rows.cells(found) for found in results["rows"]])


def exact_table(results, form=rows.markdown):
    counted = results.get("exact") or {}
    return form(["counted", "arun"], [[name, "–" if value is None else f"{value:,.2f}".rstrip("0").rstrip(".")]
                                      for name, value in counted.items()])


def skipped(results):
    """Each peer that is missing, once."""
    seen = {}
    for trial in results["trials"].values():
        seen.update(trial["skipped"])
    return [f"{subject}: {reason}" for subject, reason in sorted(seen.items())]


def circumstances(results):
    about = results["machine"]
    versions = ", ".join(f"{name} {text}" for name, text in results["versions"].items())
    noise = results["noise"]
    return (f"Measured on {results['when']}, in one run of {results['minutes']:.0f} minutes, arun at "
            f"{results['commit']}, build type {results['buildtype']}. {about['processor']}, "
            f"{about['processors']} processors, {about['memory']}; {about['system']}, {about['kernel']}. "
            f"{versions}. Load average {noise['before']} before and {noise['after']} after, where the "
            f"suite alone makes up to 2; over the rounds a figure of arun's spread by "
            f"{noise['spread']:.0%} (median; the largest {noise['largest']:.0%}).")


def document(results):
    parts = [circumstances(results), table(results)]
    if results.get("exact"):
        parts.append(exact_table(results))
    missing = skipped(results)
    if missing:
        parts.append("Skipped: " + "; ".join(missing) + ".")
    return "\n\n".join(parts) + "\n"


def write(folder, results):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.svg"):
        old.unlink()
    (folder / "results.json").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    (folder / "table.md").write_text(document(results))
    for name in CHARTS:
        drawn = picture(name, results)
        if drawn:
            (folder / f"{name}.svg").write_text(drawn)


def readme(source, results):
    """Writes the README's part, and what it shows below tests/bench/results."""
    shown = source / "tests" / "bench" / "results"
    write(shown, results)
    path = source / "README.md"
    text = path.read_text()
    if BEGIN not in text or END not in text:
        raise SystemExit("README.md has no place for it")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    pictures = "\n".join(f"![{CHARTS[p.stem][0]}]({p.relative_to(source)})"
                         for p in (shown / f"{name}.svg" for name in CHARTS) if p.exists())
    path.write_text(f"{before}{BEGIN}\n{pictures}\n\n{document(results)}{END}{after}")
