# SPDX-License-Identifier: MIT
"""The table: what is compared with what, and what is promised of it."""
import dataclasses
import statistics

LOWER, HIGHER = "lower", "higher"


@dataclasses.dataclass
class Row:
    what: str
    trial: str
    metric: str
    peer: str = ""  # none: the figure itself is judged
    gate: float = None
    ambition: float = None
    better: str = LOWER
    own: str = "arun"
    difference: bool = False  # is judged, not the ratio


def against(what, trial, metric, *peers, better=LOWER):
    """A row a peer: (peer, gate, ambition)."""
    return [Row(what, trial, metric, peer, gate, ambition, better) for peer, gate, ambition in peers]


ROWS = [
    *against("pair of yields", "yield", "cpu", ("libdill", 0.35, 0.2), ("Go", 0.15, 0.08),
        ("boost.context", 1.6, 1.0)),
    *against("yield, 100,000 runnable", "crowd", "cpu", ("array of pointers", 2.5, 1.3)),
    *against("channel ping-pong", "channel", "cpu", ("Go", 0.15, 0.05)),
    *against("spawn and join", "spawn", "cpu", ("libdill", 1.0, 0.8), ("Go", 0.15, 0.1),
        ("asyncio", 0.01, 0.006), ("asyncio, tuned malloc", None, None)),
    *against("spawn and join, 1,000 alive", "batch", "cpu", ("libdill", 0.8, 0.6),
        ("Go", 0.15, 0.11)),
    Row("idle task, of 100,000", "idle-100000", "bytes", gate=4400, ambition=4200),
    Row("their mappings", "idle-100000", "mappings", gate=1000),
    Row("idle task, of 1,000,000", "idle-1000000", "bytes", gate=4400, ambition=4200),
    Row("their mappings", "idle-1000000", "mappings", gate=1000),
    Row("idle connection with its task", "connection", "bytes", gate=9000, ambition=4600),
    *against("echo, 50 connections: CPU", "echo-50", "cpu", ("epoll", 1.06, 1.03)),
    *against("echo, 1,000 connections: CPU", "echo-1000", "cpu", ("epoll", 1.10, 1.03)),
    *against("echo, 10,000 connections", "echo-10000", "rate", ("libev", 1.0, 1.12),
        better=HIGHER),
    *against("echo, 10,000 connections: CPU", "echo-10000", "cpu", ("libev", None, None)),
    *against("echo, 50 connections", "echo-50", "rate", ("Go", 1.15, 1.25),
        ("uvloop protocol", 1.15, 1.2), ("asyncio streams", 5, 5.5),
        ("asyncio streams, tuned malloc", None, None), better=HIGHER),
    Row("system calls per echo", "syscalls", "calls", gate=2.2, ambition=2.02),
    *against("accept, echo, close: CPU", "accept", "cpu", ("epoll", 1.12, 1.05)),
    *against("start to the first line of main", "start", "wall", ("an empty C program", 1.4, 1.25),
        ("asyncio.run()", 0.025, 0.017)),
    *against("HTTP, 200 bytes, kept alive", "http", "rate", ("nginx", 1.0, 1.2), better=HIGHER),
    *against("HTTP: CPU", "http", "cpu", ("nginx", None, None)),
    *against("RESP, SET", "resp-set", "rate", ("Redis", 0.9, 1.1), better=HIGHER),
    *against("RESP, GET", "resp-get", "rate", ("Redis", 0.9, 1.1), better=HIGHER),
    *against("RESP, SET, 16 in a packet", "resp-set-16", "rate", ("Redis", 0.9, 1.1),
        better=HIGHER),
    *against("RESP, GET, 16 in a packet", "resp-get-16", "rate", ("Redis", 0.9, 1.1),
        better=HIGHER),
    *against("RESP, SET: CPU", "resp-set", "cpu", ("Redis", None, None)),
    *against("RESP, GET, 16 in a packet: CPU", "resp-get-16", "cpu", ("Redis", None, None)),
    *against("TLS echo, 50 connections: CPU", "tls", "cpu", ("OpenSSL on epoll", 1.1, 1.03)),
    Row("--debug, spawn and join", "debug-spawn", "cpu", "arun", 2000, 500, own="arun --debug",
        difference=True),
    Row("--debug, echo, 50 connections: CPU", "debug-echo", "cpu", "arun", 1.5, 1.1,
        own="arun --debug"),
]
UNITS = {"cpu": "ns", "wall": "ns", "bytes": "B", "rate": "/s", "calls": "", "mappings": "",
         "p50": "µs", "p99": "µs"}


def unit_of(trial, metric):
    return "µs" if trial == "start" else UNITS[metric]


def digits(value, unit=""):
    if unit == "ns" and value >= 10000:
        value, unit = value / 1000, "µs"
    if unit == "/s" and value >= 1000:
        value, unit = value / 1000, "k/s"
    places = 0 if value >= 100 or value == int(value) else 1 if value >= 10 else 2
    return f"{value:,.{places}f}" + (f" {unit}" if unit else "")


def with_sign(value):
    return ("+" if value >= 0 else "−") + digits(abs(value), "ns")


def ratio_text(value):
    return f"{value:.{3 if abs(value) < 0.1 else 2}f}"


def joined(row, own, peer):
    return own - peer if row.difference else own / peer


def judged(row, own, peer):
    """(median, least, most) of what the gate is about, one for each round.

    Each round's own ratio: what the machine does meanwhile slows both, and their medians may be of
    rounds that lie far apart.
    """
    rounds = [joined(row, *pair) for pair in zip(own, peer)] if peer else own
    return statistics.median(rounds), min(rounds), max(rounds)


def holds(row, value, limit):
    if limit is None:
        return None
    return value <= limit if row.better == LOWER else value >= limit


def result(row, trials):
    """What a row came to, as a dictionary; None: its trial did not run."""
    trial = trials.get(row.trial)
    if trial is None:
        return None
    given = dataclasses.asdict(row)
    for subject in filter(None, [row.own, row.peer]):
        if row.metric not in trial["figures"].get(subject, {}):
            return {**given, "skipped": trial["skipped"].get(subject, "not measured")}
    own = trial["figures"][row.own][row.metric]
    peer = trial["figures"][row.peer][row.metric] if row.peer else None
    value, least, most = judged(row, own, peer)
    return {
        **given,
        "own_median": statistics.median(own),
        "peer_median": statistics.median(peer) if peer else None,
        "value": value, "least": least, "most": most,
        "holds": holds(row, value, row.gate),
        "reaches": holds(row, value, row.ambition),
    }


def row_of(found):
    return Row(**{field.name: found[field.name] for field in dataclasses.fields(Row)})


def of_another(found, own, trials):
    """The same row, of another program than arun."""
    return result(dataclasses.replace(row_of(found), own=own), trials)


def by_medians(found):
    """The same row, judged by what the medians of all rounds come to."""
    if not found["peer"]:
        return found
    row = row_of(found)
    value = joined(row, found["own_median"], found["peer_median"])
    return {**found, "value": value, "holds": holds(row, value, row.gate)}


def results(trials):
    return [found for found in (result(row, trials) for row in ROWS) if found]


def limit_text(found, limit):
    if limit is None:
        return "–"
    sign = "≤" if found["better"] == LOWER else "≥"
    if found["difference"]:
        return f"{sign} +{digits(limit, 'ns')}"
    if not found["peer"]:
        return f"{sign} {digits(limit, unit_of(found['trial'], found['metric']))}"
    return f"{sign} {limit:g}"


def figure_text(found, which="value"):
    """What the gate is about: a ratio, a difference, or arun's own figure."""
    if not found["peer"]:
        return digits(found[which], unit_of(found["trial"], found["metric"]))
    return with_sign(found[which]) if found["difference"] else ratio_text(found[which])


def ratio_column(found):
    if not found["peer"]:
        return "–"
    value, least, most = (figure_text(found, which) for which in ("value", "least", "most"))
    return f"{value} ({least}–{most})"


def disturbed(found):
    """Whether the rounds differ by so much that something else had the processors."""
    return bool(found["peer"]) and not found["difference"] and found["most"] > 1.5 * found["least"]


def verdict(found):
    if found["holds"] is None:
        return "–"
    said = "**no**" if not found["holds"] else "yes, and the ambition" if found["reaches"] else "yes"
    return said + (", disturbed" if disturbed(found) else "")


COLUMNS = ["what", "arun", "peer", "ratio (rounds)", "gate", "ambition", "holds"]


def cells(found):
    unit = unit_of(found["trial"], found["metric"])
    if "skipped" in found:
        peer, rest = found["peer"] or "–", f"skipped: {found['skipped']}"
        return [found["what"], "–", peer, rest, limit_text(found, found["gate"]),
            limit_text(found, found["ambition"]), "–"]
    peer = f"{found['peer']} {digits(found['peer_median'], unit)}" if found["peer"] else "–"
    return [found["what"], digits(found["own_median"], unit), peer, ratio_column(found),
        limit_text(found, found["gate"]), limit_text(found, found["ambition"]), verdict(found)]


def markdown(head, lines):
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *lines])


def aligned(head, lines):
    """The same for a terminal."""
    widths = [max(len(line[i]) for line in [head, *lines]) for i in range(len(head))]
    return markdown([c.ljust(w) for c, w in zip(head, widths)],
        [[c.ljust(w) for c, w in zip(line, widths)] for line in lines])
