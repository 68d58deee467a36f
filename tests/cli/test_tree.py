#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`arun tree`: what is open below what owns it, as text, JSON and a page."""
import html.parser
import json
import re
import shutil
import signal
import tempfile

import schema
from looking import Open, folder, looked, opened, plugin, refused, site
from tap import ARUN, Skip, claim, contains, equal, environment, main, run, until

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
    equal(name.encode("latin-1"), b"\x1b[31m\n</script>\xe2\x80\xae\xff")
    server.end(signal.SIGTERM)


@claim
def the_page_shows_the_reports_of_a_file():
    report = folder / "report.json"
    for _ in range(2):
        server = opened_with_report(report)
        server.end(signal.SIGTERM)
    page = Page(looked("tree", "--html", report))
    lines = page.reports.strip().splitlines()
    equal([json.loads(line) for line in lines],
          [json.loads(line) for line in report.read_text().splitlines()])
    equal(len(lines), 2)
    for name, text in (("x.json", '{"schema": "other"}'), ("y.json", "[]"), ("z.json", "")):
        (folder / name).write_text(text)
        equal(refused("tree", "--html", folder / name), f"{folder / name}: not a report of arun")
    equal(refused("tree", "--html", folder / "none"), f"{folder / 'none'}: No such file or directory")


def opened_with_report(report):
    return Open(ARUN, f"--report={report}", f"{plugin}:all")


@claim
def a_browser_draws_the_tree():
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not browser:
        raise Skip("there is no Chromium")
    server = opened("all").until_state("S")
    page = folder / "tree.html"
    page.write_text(looked("tree", "--html", server.pid))
    with tempfile.TemporaryDirectory() as profile:
        done = run(browser, "--headless", "--disable-gpu", "--no-sandbox", "--dump-dom",
                   f"--user-data-dir={profile}", page.as_uri(), env=environment(HOME=profile))
    dom = re.sub(r"<[^>]*>", "", done.stdout.split("<noscript>")[0])
    for part in ("server on_conn", "generator lines", "suspended at " + site("yielded"),
                 "waits in arun_read at " + site("read"), "for task janitor"):
        contains(dom, part)
    server.end(signal.SIGTERM)


main()
