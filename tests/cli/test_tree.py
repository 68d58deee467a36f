#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`arun tree`: what is open below what owns it, as text, JSON and a page."""
import collections
import html.parser
import json
import re
import shutil
import signal
import tempfile
import urllib.parse

import schema
from looking import Open, looked, opened, plugin, refused, site
from plugins import FOLDER
from tap import ARUN, Skip, claim, contains, equal, main, run, until

BROWSERS = "chromium chromium-browser google-chrome chrome headless_shell".split()


def branches(text):
    """The lines below the first, without times, by their depth."""
    for line in text.splitlines()[1:]:
        branch = re.match(r"(?:[|`] *|[│├└─ ]|-- |    )*", line)[0]
        what = re.sub(r", [\d.]+ m?s$|, [\d.]+ min to go$", "", line[len(branch):])
        yield len(branch) // 4, re.sub(r"#\d+", "#N", re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", what))


TREE = [
    (1, f"all #N waits in arun_yield at {site('serve')}"),
    (2, "server on_conn #N ADDRESS"),
    (3, f"on_conn #N ADDRESS waits in arun_read at {site('read')}"),
    (2, f"janitor #N waits in arun_sleep at {site('sleep')}"),
    (2, f"generator lines #N suspended at {site('yielded')}"),
    (2, "timer tick #N every 60.0 s, next in 60 min"),
    (2, "connection #N ADDRESS"),
    (2, f'joiner #N waits in arun_join at {site("join")} for task "janitor" #N'),
]


@claim
def everything_is_shown_below_its_owner():
    server = opened("all").until_state("S")
    text = looked("tree", server.pid)
    assert re.fullmatch(rf"arun {server.pid} {plugin}:all  up \S+ m?s  loop idle", text.splitlines()[0])
    got = list(branches(text))
    for line in TREE:
        assert line in got, (line, got)
        got.remove(line)
    equal(got.pop(), (3, f"nested #N waits in arun_sleep at {site('nested')}"))
    (group, member), leader = got[-2:], got[0]
    equal(len(got), 3)
    equal((leader[0], group[0], member), (
        2, 3, (4, f"member #N waits in arun_sleep at {site('member')}")))
    assert leader[1].startswith("leader #N waits in ") and group[1].startswith("group leader #N"), got
    server.end(signal.SIGTERM)


@claim
def branches_are_those_that_the_terminal_can_show():
    server = opened("all").until_state("S")
    text = looked("tree", server.pid)
    assert text.isascii() and "|-- " in text and "`-- " in text, text
    locales = run("locale", "-a").stdout.split() if shutil.which("locale") else []
    if "C.utf8" in locales or "C.UTF-8" in locales:
        fancy = looked("tree", server.pid, env={"LC_ALL": "C.UTF-8"}, encoding="utf-8")
        assert "├── " in fancy and "└── " in fancy, fancy
        equal(list(branches(fancy)), list(branches(text)))
    server.end(signal.SIGTERM)


@claim
def a_task_that_blocks_the_loop_stands_out():
    busy = opened("busy")
    until(lambda: re.search(r"`-- crunch #2 RUNNING for [\d.]+ m?s\n", looked("tree", busy.pid)),
          "it is blocked")
    contains(looked("tree", busy.pid).splitlines()[0], "LOOP BLOCKED")
    busy.process.kill()


class Page(html.parser.HTMLParser):
    """Its elements, and the text of those of type application/json."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.reports, self.inside = [], "", False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside = ("type", "application/json") in attrs

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        self.reports += data if self.inside else ""


@claim
def the_page_needs_nothing_but_itself():
    server = opened("forged").until_state("S")
    text = looked("tree", "--html", server.pid)
    page = Page(text)
    equal([tag for tag, attrs in page.tags if {"src", "href", "action"} & set(attrs)], [])
    assert not re.search(r"https?://|@import|url\(|fetch\(|XMLHttp", text)
    policy, = [a["content"] for t, a in page.tags if a.get("http-equiv")]
    contains(policy, "default-src 'none'")
    assert "innerHTML" not in text and "document.write" not in text
    equal(text.count("</script>"), 2)
    equal(schema.errors(json.loads(page.reports)), [])
    name, = [o["name"] for o in json.loads(page.reports)["objects"] if "script" in o["name"]]
    equal(name, "\x1b[31m\n</script>\u202e\xff")
    server.end(signal.SIGTERM)


@claim
def the_page_shows_the_reports_of_a_file():
    report = FOLDER / "report.json"
    for _ in range(2):
        server = opened_with_report(report)
        server.end(signal.SIGTERM)
    page = Page(looked("tree", "--html", report))
    lines = page.reports.strip().splitlines()
    equal([json.loads(line) for line in lines],
          [json.loads(line) for line in report.read_text().splitlines()])
    equal(len(lines), 2)
    for name, text in (("x.json", '{"schema": "other"}'), ("y.json", "[]"), ("z.json", "")):
        (FOLDER / name).write_text(text)
        equal(refused("tree", "--html", FOLDER / name), f"{FOLDER / name}: not a report of arun")
    equal(refused("tree", "--html", FOLDER / "none"), f"{FOLDER / 'none'}: No such file or directory")


def opened_with_report(report):
    return Open(ARUN, f"--report={report}", f"{plugin}:all")


class Rows(html.parser.HTMLParser):
    """What a page shows: the text of each row, its depth, and whether it is dimmed or lit."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.items, self.inside, self.depth = [], [], False, 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        names = (dict(attrs).get("class") or "").split()
        self.depth += tag == "ul"
        if tag == "li":
            self.items.append("dim" in names)
        if tag == "div" and "row" in names:
            self.inside = True
            self.rows.append({"text": "", "depth": self.depth, "dim": self.items[-1],
                              "lit": "lit" in names, "id": dict(attrs)["id"], "links": []})
        if tag == "a" and self.inside:
            self.rows[-1]["links"].append(urllib.parse.unquote(dict(attrs)["href"])[1:])

    def handle_endtag(self, tag):
        self.depth -= tag == "ul"
        if tag == "li":
            self.items.pop()
        self.inside = self.inside and tag != "div"

    def handle_data(self, data):
        if self.inside:
            self.rows[-1]["text"] += data

    def of(self, start):
        row, = [row for row in self.rows if row["text"].startswith(start)]
        return row


def browsed(page, then=""):
    """The rows that a browser makes of a page, after what then does in it."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not browser:
        raise Skip("there is no Chromium")
    file = FOLDER / "tree.html"
    file.write_text(page.replace("</body>", f"<script>{then}</script></body>"))
    with tempfile.TemporaryDirectory() as profile:
        done = run(browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-sync",
                   "--disable-background-networking", "--no-first-run", "--dump-dom",
                   f"--user-data-dir={profile}", file.as_uri(), env={"HOME": profile})
    contains(done.stdout, 'id="tree"')
    shown = Rows(done.stdout.split('<div id="tree">')[1].split("<noscript>")[0])
    about = done.stdout.split('<div id="about">')[1].split("</div>")[0]
    shown.about = re.sub("<.*?>", "", about)
    return shown


def untick(*kinds):
    return "".join(f"""
for (const label of document.querySelectorAll("#filter label")) {{
if (label.textContent.trim().startsWith("{kind} ")) {{ label.querySelector("input").click(); }}
}}""" for kind in kinds)


@claim
def a_browser_draws_the_tree_and_who_waits_for_whom():
    server = opened("all").until_state("S")
    page = looked("tree", "--html", server.pid)
    server.end(signal.SIGTERM)
    shown = browsed(page)
    equal([row["dim"] for row in shown.rows], [False] * 12)
    entry, listening = shown.of("task all "), shown.of("server on_conn ")
    served, = [row for row in shown.rows if row["text"].startswith("connection on_conn ")]
    equal((entry["depth"], listening["depth"], served["depth"]), (1, 2, 3))
    contains(served["text"], f" waits in arun_read at {site('read')}")
    contains(shown.of("generator lines ")["text"], f" suspended at {site('yielded')}")
    joiner, janitor = shown.of("task joiner "), shown.of("task janitor ")
    contains(joiner["text"], f" waits in arun_join at {site('join')} for task janitor #")
    equal(joiner["links"], [janitor["id"]])
    contains(shown.of("task member ")["text"], " old")
    clicked = browsed(page, f"""document.getElementById("{joiner['id']}").querySelector("a").click();""")
    equal([row["id"] for row in clicked.rows if row["lit"]], [janitor["id"]])


@claim
def a_browser_filters_by_kind_and_by_word():
    server = opened("all").until_state("S")
    page = looked("tree", "--html", server.pid)
    server.end(signal.SIGTERM)
    kinds = [row["id"].split("-")[0] for row in browsed(page).rows]
    for kind in ("timer", "generator", "server"):
        contains(kinds, kind)
    rows = browsed(page, untick("timer", "generator", "server")).rows
    equal([row["id"].split("-")[0] for row in rows if not row["dim"]],
          [kind for kind in kinds if kind not in ("timer", "generator", "server")])
    # Dimmed, as what it owns is shown.
    equal([row["id"].split("-")[0] for row in rows if row["dim"]], ["server"])
    again = browsed(page, untick("timer") + untick("timer")).rows
    equal([row["id"].split("-")[0] for row in again], kinds)
    word = """const word = document.querySelector("#filter input[type=search]");
word.value = "JANITOR"; word.dispatchEvent(new Event("input"));"""
    equal([(row["text"].split(" #")[0], row["dim"]) for row in browsed(page, word).rows],
          [("task all", True), ("task janitor", False)])


def drawn(objects, then="", **members):
    """A report of these objects: the first is the entry."""
    report = FOLDER / "drawn.json"
    counts = collections.Counter(o["kind"] for o in objects)
    report.write_text(json.dumps({
        "schema": "arun-report/1", "kind": "dump", "pid": 7, "time": "2026-01-02T03:04:05Z",
        "plugin": {"path": "x.so", "entry": "serve"}, "total": len(objects), "counts": counts,
        "objects": objects, **members}))
    return browsed(looked("tree", "--html", report), then)


def task(number, owner=None, **members):
    return {"kind": "task", "id": number, "name": f"t{number}", "state": "waits", "age_ms": number,
            "owner": owner and {"kind": "task", "id": owner}, **members}


@claim
def a_browser_draws_the_first_of_many():
    rows = drawn([task(1)] + [task(number, 1) for number in range(2, 2000)]).rows
    equal([(row["text"].split()[1], row["depth"]) for row in rows],
          [("t1", 1)] + [(f"t{number}", 2) for number in range(2, 202)])
    # Not all there is: whoever made each of these many has more.
    rows = drawn([task(1)] + [task(number, 1 if number < 102 else number % 100 + 2)
                              for number in range(2, 20000)]).rows
    assert 500 < len(rows) < 5000, len(rows)
    equal(len([row for row in rows if row["depth"] == 2]), 100)


@claim
def a_link_to_what_is_not_drawn_yet_draws_it():
    deep = [task(number, number - 1 or None) for number in range(1, 61)]
    wide = [task(number, 1) for number in range(1000, 1900)]
    waits = [task(61, 1, waiting={"op": "arun_join", "awaits": {"kind": "task", "id": 60},
                                  "or": [{"kind": "task", "id": 1899}]})]
    for which, name in enumerate(("t60", "t1899")):
        click = f"document.querySelectorAll('a')[{which}].click();"
        rows = drawn(deep + waits + wide, click).rows
        equal([row["text"].split()[1] for row in rows if row["lit"]], [name])
        equal(len({row["id"] for row in rows}), len(rows))


@claim
def a_browser_shows_what_a_name_would_do():
    row, = drawn([task(1, name="a\x1b[31m\n\u202eb <b>&amp;\u00e9")]).rows
    contains(row["text"], "a\\x1b[31m\\x0a\\u202eb <b>&amp;\u00e9 #1")


@claim
def a_browser_tells_how_it_ended_and_in_which_task():
    end = {"reason": "crash", "signal": "SIGSEGV", "status": 139}
    about = drawn([task(1), task(2, 1)], end=end, crash={"task": 2}).about
    contains(about, "2 objects \u00b7 crash SIGSEGV, status 139 in task t2 #2")
    folded = task(2, 1, count=2, also=[{"id": 3, "name": "t3"}])
    about = drawn([task(1), folded], end=end, crash={"task": 3},
                  then="document.querySelector('#about a').click();")
    contains(about.about, "status 139 in task t3 #3")
    equal([row["text"].split()[1] for row in about.rows if row["lit"]], ["t3"])
    about = drawn([task(1)], end={"reason": "return", "status": 0}).about
    assert about.endswith("1 object \u00b7 return, status 0"), about


main()
