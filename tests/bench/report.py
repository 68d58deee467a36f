# SPDX-License-Identifier: MIT
"""What a run of the suite leaves: results.json, table.md and pictures; and the README's part of it."""
import json
import pathlib
import statistics

import charts
import rows

BEGIN, END = "<!-- speed: tools/bench --readme writes from here -->", "<!-- speed: to here -->"
SHOWN = ["yield", "spawn", "idle", "echo-50", "accept", "http"]  # the rest is folded away
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
    "start": ("Start to the first line of main", "start", "wall", LESS),
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


METRICS = {"cpu": "processor time", "wall": "wall time", "rate": "a second", "p50": "50 % within",
           "p99": "99 % within", "bytes": "bytes", "mappings": "mappings", "calls": "system calls"}


def spread(values, unit):
    """The median, and the least and the most."""
    middle = rows.digits(statistics.median(values), unit)
    if len(values) < 2:
        return middle
    return f"{middle} ({rows.digits(min(values), unit)}–{rows.digits(max(values), unit)})"


def trial_table(name, trial):
    seen = [m for m in METRICS if any(m in figures for figures in trial["figures"].values())]
    head = [name, *(METRICS[m] for m in seen)]
    return rows.markdown(head, [
        [subject, *(spread(figures[m], rows.unit_of(name, m)) if m in figures else "–" for m in seen)]
        for subject, figures in trial["figures"].items()])


def everything(results):
    """Every subject: medians, and over the rounds the least and the most."""
    return "\n\n".join(trial_table(name, trial) for name, trial in results["trials"].items()
                       if trial["figures"]) + "\n"


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


def bare(results, row):
    """What a server on epoll alone comes to against the same peer, where it was in the trial."""
    found = row["peer"] and rows.of_another(row, "epoll", results["trials"])
    if not found or "skipped" in found or row["peer"] == "epoll":
        return ""
    return f", epoll itself {rows.figure_text(found)}"


def named(results, found):
    """Each row with its figure, its gate, and what bears on both."""
    return "; ".join(
        f"{row['what']} ({row['peer'] + ': ' if row['peer'] else ''}{rows.figure_text(row)}, "
        f"gate {rows.limit_text(row, row['gate'])}{bare(results, row)}"
        f"{', disturbed' if rows.disturbed(row) else ''})" for row in found)


def gates(results):
    """What came of them, in a sentence that names each one that is missed; and in one more those of
    which the ratio of the medians would say otherwise."""
    judged = [row for row in results["rows"] if row.get("holds") is not None]
    missed = [row for row in judged if not row["holds"]]
    other = [again for row, again in zip(judged, map(rows.by_medians, judged))
             if again["holds"] != row["holds"]]
    said = f"Of {len(judged)} gates {len(judged) - len(missed)} hold"
    said += f"; missed: {named(results, missed)}." if missed else "."
    if other:
        said += f" The ratio of the medians says otherwise of: {named(results, other)}."
    return said


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
    (folder / "table.md").write_text(document(results) + "\n" + everything(results))
    for name in CHARTS:
        drawn = picture(name, results)
        if drawn:
            (folder / f"{name}.svg").write_text(drawn)


def pictures(names, folder, source):
    return "\n".join(f"![{CHARTS[name][0]}]({(folder / f'{name}.svg').relative_to(source)})"
                     for name in names if (folder / f"{name}.svg").exists())


def folded(title, text):
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>"


def section(results, folder, source):
    rest = [name for name in CHARTS if name not in SHOWN]
    return "\n\n".join([
        pictures(SHOWN, folder, source),
        gates(results),
        folded("More pictures", pictures(rest, folder, source)),
        folded("Each figure, and on what it was measured", document(results).strip()),
        f"[Every subject]({(folder / 'table.md').relative_to(source)}), with processor time, wall time "
        "and spread.\n"])


def readme(source, results):
    """Writes the README's part, and what it shows below tests/bench/results."""
    shown = source / "tests" / "bench" / "results"
    path = source / "README.md"
    text = path.read_text()
    if BEGIN not in text or END not in text:
        raise SystemExit("README.md has no place for it")
    write(shown, results)
    before, rest = text.split(BEGIN)
    path.write_text(f"{before}{BEGIN}\n{section(results, shown, source)}{END}{rest.split(END)[1]}")
