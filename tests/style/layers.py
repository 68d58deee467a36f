#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who may include whom. CONTRIBUTING.md shows this table."""
import pathlib
import re

import house

# A file of runtime/ sees the lines above its own, and in its line what stands before it.
LAYERS = """
base list ratelimit utf8 text text_within plain_name peek
journal_stream fdpass same_file second_signal monotonic sockopt standard variable
log broker_message broker threads reserve libdw build_id
context stack backtrace origins opened registry quarantine local symbols trace
sched task why spawn message
poller
loop
grace notify orphan handler
scope group queue sync chan select gen
job pool blocking post timer waitfd watcher
resolve endpoint socket_file inherit listen preopen
conn close idle stream stream_frames sendfile
openssl tls tls_none tls_context tls_alpn tls_bio tls_greet tls_stream starttls
race connect udp_ahead udp udp_open
launch process exec child reaper signals
accept server
suppress rawfd closeup snapshot lines source notes journal snapshot_text snapshot_json
report report_tasks unjoined scene dump crash hog
run_state stop driver reload yield leave observe inspect layout run
interpose
""".split("\n")
ORDER = [name for line in LAYERS for name in line.split()]
# Of runtime/, but all they know is the system: cli/ and loader/ may include them.
SHARED = ["../runtime/libdw.h", "../runtime/journal_stream.h", "../runtime/broker_message.h",
          "../runtime/fdpass.h", "../runtime/monotonic.h", "../runtime/same_file.h",
          "../runtime/second_signal.h", "../runtime/utf8.h", "../runtime/variable.h"]
SYSTEM = {"ev.h": "loop", "sys/epoll.h": "poller"}
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([\w/.-]+)[">]', re.M)


def CONTRIBUTING_has_the_same_table():
    text = (house.SOURCE / "CONTRIBUTING.md").read_text()
    rows = re.findall(r"^\| ([a-z0-9_ ]+) \|", text, re.M)
    wanted = [line for line in LAYERS if line]
    house.none(f"{a!r} there, {b!r} here" for a, b in zip(rows, wanted) if a != b)
    assert len(rows) == len(wanted), rows


def includes(folder):
    for path in house.files(".c", ".h", folders=[folder]):
        text = path.read_text()
        for match in INCLUDE.finditer(text):
            line = text.count("\n", 0, match.start(2)) + 1
            yield path, f"{house.short(path)}:{line}", match[1], match[2]


def every_file_of_the_runtime_has_a_layer():
    known = set(ORDER)
    house.none(
        f"{house.short(p)}: not in the table of tests/style/layers.py"
        for p in house.files(".c", ".h", ".S", folders=["runtime"])
        if p.stem.split("_x86")[0].split("_aarch")[0] not in known
    )


def the_runtime_includes_downward():
    bad = []
    for path, where, mark, header in includes("runtime"):
        own, other = path.stem, pathlib.Path(header).stem
        if mark != '"' or own == other or own not in ORDER:
            continue
        if other not in ORDER:
            bad.append(f"{where}: {header} is in no layer")
        elif ORDER.index(other) > ORDER.index(own):
            bad.append(f"{where}: {own} must not include {header}, which is above it")
    house.none(bad)


def libev_and_epoll_are_known_to_one_file_each():
    house.none(
        f"{where}: only runtime/{SYSTEM[header]} may include <{header}>"
        for path, where, _, header in includes("runtime")
        if header in SYSTEM and path.stem != SYSTEM[header]
    )


def what_cli_shares_with_the_runtime_knows_the_system_alone():
    names = {pathlib.Path(header).stem for header in SHARED}
    house.none(
        f"{where}: {path.stem} is shared with cli/ and loader/, and must not include {header}"
        for path, where, mark, header in includes("runtime")
        if path.stem in names and (mark == '"' and header != f"{path.stem}.h" or header == "arun.h")
    )


def CONTRIBUTING_names_what_is_shared():
    text = (house.SOURCE / "CONTRIBUTING.md").read_text()
    named = re.findall(r'`"(\.\./[\w/.]+)"`', text)
    assert named == SHARED, named


def everything_else_sees_the_public_header_alone():
    own = {
        folder: {p.name for p in house.files(".h", folders=[folder])}
        for folder in ("loader", "cli", "plugins", "tests/api")
    }
    own["cli"].add("loader.h")
    own["tests/api"].add("suite.h")
    # An embedder may bring a loop of its own, a plugin a library that wants ours.
    host = {"tests/api": {"ev.h"}, "plugins": {"ev.h"}}
    inside = {p.name for p in house.files(".h", folders=["runtime"])}
    bad = []
    for folder, allowed in own.items():
        for path, where, mark, header in includes(folder):
            name = pathlib.Path(header).name
            if folder in ("cli", "loader") and header in SHARED:
                continue
            foreign = header in SYSTEM and header not in host.get(folder, ())
            if "/" in header and mark == '"' or foreign:
                bad.append(f"{where}: {folder}/ must not include {header}")
            elif mark == '"' and name not in allowed and name != "arun.h":
                what = "runtime/" if name in inside else ""
                bad.append(f"{where}: {folder}/ must not include {what}{header}")
    house.none(bad)


house.run(
    CONTRIBUTING_has_the_same_table,
    every_file_of_the_runtime_has_a_layer,
    the_runtime_includes_downward,
    libev_and_epoll_are_known_to_one_file_each,
    what_cli_shares_with_the_runtime_knows_the_system_alone,
    CONTRIBUTING_names_what_is_shared,
    everything_else_sees_the_public_header_alone,
)
