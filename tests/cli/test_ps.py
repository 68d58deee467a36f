#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`arun ps`: the tasks of another process, whatever that does or is."""
import ctypes
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import string
import subprocess

import schema
from looking import FIXTURES, Open, compiled, looked, opened, plugin, refused, site, stripped, table
from needs import lacking, mounting
from plugins import FOLDER, SANITIZED, build, built, link
from tap import ARUN, Skip, arun, claim, contains, equal, main, run, until

SLOW = os.environ.get("ARUN_SLOW_TESTS") == "1"
CALLS = 10000 if SLOW else 2000
ROW = re.compile(r" *(?P<id>\d+)  (?P<state>\w+) +(?P<waited>[\d.]+[smhd]|-)  +(?P<age>[\d.]+[smhd])  "
                 r" *(?P<runs>\d+)  (?P<task>\w+) +(?P<at>\S.*?)  +(?P<made>\S+:\d+|-)")
HEAD = re.compile(r"arun (\d+) (\S+):(\w+)  up \S+ m?s  (loop idle|loop running|LOOP BLOCKED .*?)"
                  r"(?:  (.*))?")


def rows(text):
    """The rows by the names of the tasks; each must be one."""
    head, titles, *lines = text.splitlines()
    assert HEAD.fullmatch(head), head
    equal(titles.split(), "ID STATE FOR AGE RUNS TASK WAITS AT STARTED AT".split())
    for line in lines:
        assert ROW.fullmatch(line), line
    return {ROW.fullmatch(line)["task"]: ROW.fullmatch(line) for line in lines}


@claim
def every_task_is_shown_with_where_it_waits_and_was_started():
    server = opened("all").until_state("S")
    text = looked("ps", server.pid)
    head = HEAD.fullmatch(text.splitlines()[0])
    equal(head.groups()[:4], (str(server.pid), str(plugin), "all", "loop idle"))
    equal(sorted(head[5].split("  ")),
          ["1 generator", "1 group", "1 server", "1 timer", "2 connections", "8 tasks"])
    got = {name: (row["state"], row["at"], row["made"]) for name, row in rows(text).items()}
    address = re.search(r"127\.0\.0\.1:\d+", got["on_conn"][1])[0]
    sleep = r"\d+ min to go"
    for name, (state, at, made) in {
        "all": ("yield", site("serve"), "-"),
        "janitor": ("sleep", f"{site('sleep')}  {sleep}", site("spawn")),
        "joiner": ("join", site("join") + r' task "janitor" #\d+', r"open\.c:\d+"),
        "lines": ("gen_yield", site("yielded"), site("gen")),
        "member": ("sleep", f"{site('member')}  {sleep}", site("spawn-member")),
        "nested": ("sleep", f"{site('nested')}  {sleep}", r"open\.c:\d+"),
        "leader": (r"\w+", r"open\.c:\d+.*", r"open\.c:\d+"),
        "on_conn": ("read", f"{site('read')} {address}", site("listen")),
    }.items():
        for wanted, value in zip((state, at, made), got.pop(name)):
            assert re.fullmatch(wanted, value), (name, wanted, value)
    equal(got, {})
    equal(server.end(signal.SIGTERM)[0], 0)


@claim
def who_reads_only_the_beginning_ends_it_without_a_word():
    server = opened("all").until_state("S")
    for words in (["ps"], ["tree"], ["ps", "-j"], ["tree", "--html"]):
        reader, writer = os.pipe()
        os.close(reader)
        done = arun(*words, str(server.pid), stdout=writer)
        os.close(writer)
        equal((done.returncode, done.stderr), (-signal.SIGPIPE, ""), words)
    equal(server.end(signal.SIGTERM)[0], 0)


@claim
def json_is_a_dump_as_the_schema_has_it():
    server = opened("all").until_state("S")
    report = json.loads(looked("ps", "-j", server.pid))
    equal(schema.errors(report), [])
    equal((report["kind"], report["pid"], report["plugin"]["path"], report["plugin"]["entry"],
           report["loop"]["state"], report["complete"]),
          ("dump", server.pid, str(plugin), "all", "idle", True))
    equal(report["counts"],
          {"task": 8, "server": 1, "connection": 2, "generator": 1, "group": 1,
           "timer": 1})
    objects = {(o["kind"], o["name"]): o for o in report["objects"]}
    equal((len(report["objects"]), report["total"]), (14, 14))
    entry = {"kind": "task", "id": objects["task", "all"]["id"]}
    equal((objects["task", "joiner"]["owner"], objects["timer", "tick"]["owner"]), (entry, entry))
    handler, listening = objects["task", "on_conn"], objects["server", "on_conn"]
    conn = objects["connection", "on_conn"]
    equal((conn["owner"], handler["owner"]), ({"kind": "server", "id": listening["id"]},
                                              {"kind": "connection", "id": conn["id"]}))
    equal(handler["waiting"]["awaits"], {"kind": "connection", "id": conn["id"]})
    equal((handler["waiting"]["op"], conn["state"], conn["detail"]["in"]), ("arun_read", "read", 1))
    local = listening["detail"]["local"]
    peers = [o["detail"]["remote"] for o in report["objects"] if o["kind"] == "connection"]
    assert local in peers and len(set(peers)) == 2, (local, peers)
    made = objects["generator", "lines"]["created"]
    equal((f"{made['file']}:{made['line']}", made["func"]), (site("gen"), "all"))
    equal(looked("ps", "--json", server.pid)[:30], looked("tree", "-j", server.pid)[:30])
    server.end(signal.SIGTERM)


@claim
def with_debug_the_stack_of_each_task_that_waits_follows():
    (FOLDER / "debug").mkdir()
    debugged = build(FOLDER / "debug", FIXTURES / "open.c", "-g")
    server = Open(ARUN, "--debug", f"{debugged}:all").until_state("S")
    text = looked("ps", server.pid)
    if "= stack: " not in text:
        lacking("no libdw")
    lines = re.findall(r"^ *\d+  \w+ .*\n      = stack: (.*)$", text, re.M)
    marks = ("serve", "sleep", "read", "join", "yielded", "member", "nested")
    names = ("all", "janitor", "on_conn", "joiner", "lines", "member", "nested")
    for name, mark in zip(names, marks):
        assert f"{name} {site(mark)} <- task" in lines, (name, text)
    equal(len(lines), 8, text)
    def limited():
        hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
        resource.setrlimit(resource.RLIMIT_STACK, (128 << 10, hard))
    report = json.loads(looked("ps", "-j", server.pid, preexec_fn=limited))
    equal(schema.errors(report), [])
    stacks = {o["name"]: o["stack"] for o in report["objects"] if "stack" in o}
    call, = stacks["janitor"]
    equal((call["func"], f"{call['file']}:{call['line']}", call["module"]),
          ("janitor", site("sleep"), "open.so"))
    equal(len(stacks), 8)
    # Also of one that hangs, as long as nothing changes.
    server.process.send_signal(signal.SIGSTOP)
    server.until_state("T")
    equal(looked("ps", server.pid).count("= stack: "), 8)
    server.process.send_signal(signal.SIGCONT)
    equal(server.end(signal.SIGTERM)[0], 0)


def nested(levels):
    """What the linker calls int deep<P<P<...>, P<...>>>(void *), each P of two that are alike."""
    name = "IiiE"
    for number in (string.digits + string.ascii_uppercase)[1:levels + 1]:
        name = f"IS0_{name}S{number}_E"
    return f"_Z4deepI1P{name}EiPv"


def stacks_of_named(length, levels=1):
    """The functions of its tasks' innermost calls, by the tasks' names; one has a name that long."""
    (FOLDER / "named").mkdir(exist_ok=True)
    named = build(FOLDER / "named", FIXTURES / "named.c", "-g", "-Wno-overlength-strings",
                  f'-DLONG="{length * "n"}"', f'-DDEEP="{nested(levels)}"')
    server = Open(ARUN, "--debug", f"{named}:named").until_state("S")
    objects = json.loads(looked("ps", "-j", server.pid))["objects"]
    equal(server.end(signal.SIGTERM)[0], 0)
    if not any("stack" in o for o in objects):
        lacking("no libdw")
    return {o["name"]: o["stack"][0]["func"] for o in objects if "stack" in o}


@claim
def names_of_functions_of_CXX_are_those_of_the_source():
    found = stacks_of_named(1)
    try:
        ctypes.CDLL("libstdc++.so.6")
    except OSError:
        raise Skip("no libstdc++")
    equal(found["worker"], "int shop::Cart::total<int>(void*)")
    equal(found["deep"], "int deep<P<P<int, int>, P<int, int> > >(void*)")


@claim
def a_name_of_CXX_that_is_short_for_a_huge_one_is_left_as_it_is():
    equal(stacks_of_named(1, 30)["deep"], nested(30))


@claim
def a_name_of_a_function_may_be_of_any_length():
    for length in 1, 1000, 100000:
        found = stacks_of_named(length)["lengthy"]
        assert len(found) >= min(3 * length, 4000) and set(found) == {"n"}, (length, found[:40])


@claim
def a_loop_that_hangs_is_told_with_its_task():
    busy = opened("busy")
    line = rf'LOOP BLOCKED [\d.]+ m?s in task 2 "crunch" since its wait at {site("before")}  '

    def blocked():
        return re.search(line, looked("ps", busy.pid))
    until(blocked, "it is blocked")
    row = rows(looked("ps", busy.pid))["crunch"]
    equal((row["state"], row["at"]), ("running", "-"))
    loop = json.loads(looked("ps", "-j", busy.pid))["loop"]
    equal((loop["state"], loop["task"]), ("blocked", 2))
    busy.process.kill()


@claim
def a_stopped_process_answers():
    server = opened("all").until_state("S")
    server.process.send_signal(signal.SIGSTOP)
    server.until_state("T")
    text = looked("ps", server.pid)
    contains(text.splitlines()[0], "loop idle  STOPPED by a signal")
    equal(len(rows(text)), 8)
    equal(json.loads(looked("ps", "-j", server.pid))["loop"]["stopped"], True)
    server.process.send_signal(signal.SIGCONT)
    equal(server.end(signal.SIGTERM)[0], 0)


@claim
def a_process_blocked_in_a_system_call_answers():
    blocked = opened("blocked").until_state("S")
    until(lambda: "LOOP BLOCKED" in looked("ps", blocked.pid), "it is blocked")
    contains(looked("ps", blocked.pid), 'in task 1 "blocked" since its start at -')
    blocked.process.kill()


@claim
def what_cannot_be_listed_is_told_in_one_line():
    gone = subprocess.Popen(["true"])
    gone.wait()
    equal(refused("ps", gone.pid), f"{gone.pid}: no such process")
    sleep = shutil.which("sleep")
    with subprocess.Popen([sleep, "600"]) as other:
        exe = os.path.realpath(sleep)
        until(lambda: os.readlink(f"/proc/{other.pid}/exe") == exe, "it runs sleep")
        equal(refused("ps", other.pid), f"{other.pid}: not a process of arun (it runs {exe})")
        other.kill()
    zombie = subprocess.Popen(["true"])
    state = lambda: pathlib.Path(f"/proc/{zombie.pid}/stat").read_text().rsplit(")", 1)[1][1]
    until(lambda: state() == "Z", "it has ended")
    equal(refused("ps", zombie.pid), f"{zombie.pid}: not a process of arun (it has ended)")
    zombie.wait()
    own = Open(ARUN, f"{plugin}:all")
    pid = str(own.pid)
    for words, line in (
        (["ps"], "ps: no PID given"),
        (["tree", "x"], "tree: 'x' is not the number of a process"),
        (["ps", "0"], "ps: '0' is not the number of a process"),
        (["ps", "-1"], "ps: unknown option '-1'"),
        (["ps", "99999999999"], "ps: '99999999999' is not the number of a process"),
        (["ps", "--html", pid], "ps: unknown option '--html'"),
        (["tree", "-j", "--html", pid], "tree: either --json or --html"),
        (["ps", pid, pid], "ps: one PID at a time"),
    ):
        done = arun(*words)
        equal((done.returncode, done.stdout, done.stderr),
              (125, "", f"arun: {line} (see arun {words[0]} --help)\n"), words)
    own.end(signal.SIGTERM)


@claim
def help_tells_of_each_option():
    for words in (["ps", "--help"], ["tree", "-h"], ["ps", "1", "--help"]):
        done = arun(*words)
        equal((done.returncode, done.stderr), (0, ""), words)
        for part in ("arun ps [-j|--ready] PID\n", "arun tree [-j|--html] PID\n", "\n  -j, --json ",
                     "\n      --html ", "\n      --ready ", "\n  -h, --help "):
            contains(done.stdout, part)


@claim
def who_may_not_look_is_told_so():
    if os.geteuid() != 0:
        raise Skip("only root can become somebody else")
    server = opened("all")

    def become_nobody():
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
    try:
        done = arun("ps", server.pid, preexec_fn=become_nobody)
    except PermissionError:
        raise Skip("another user cannot reach the built arun")
    if done.returncode in (126, 127) or "error while loading" in done.stderr:
        raise Skip("another user cannot run the built arun")
    equal((done.returncode, done.stdout), (1, ""))
    contains(done.stderr, f"arun: {server.pid}: not permitted; be its user or root")
    server.end(signal.SIGTERM)


@claim
def root_without_the_capability_is_told_of_it():
    if os.geteuid() != 0:
        raise Skip("only root has capabilities to lose")
    drop, ptrace = 24, 19  # PR_CAPBSET_DROP, CAP_SYS_PTRACE; execve(2) takes it from root, too
    server = opened("all")
    done = arun("ps", server.pid,
                preexec_fn=lambda: ctypes.CDLL(None).prctl(drop, ptrace, 0, 0, 0))
    server.end(signal.SIGTERM)
    if done.returncode == 0:
        raise Skip("it cannot be dropped, or the process does not have it either")
    equal((done.returncode, done.stdout, done.stderr),
          (1, "", f"arun: {server.pid}: not permitted; root needs CAP_SYS_PTRACE for it\n"))


@claim
def a_process_in_a_namespace_of_processes_is_read_from_outside():
    if not shutil.which("unshare") or run("unshare", "-pf", "true").returncode != 0:
        raise Skip("no namespace of processes can be made here")
    inside = Open("unshare", "-pf", "--kill-child", ARUN, f"{plugin}:all")
    child = pathlib.Path(f"/proc/{inside.pid}/task/{inside.pid}/children").read_text().split()[0]
    equal(len(rows(looked("ps", child))), 8)
    inside.end(signal.SIGKILL)


@claim
def a_stripped_and_deleted_arun_is_read():
    copy = stripped()
    server = Open(copy, f"{plugin}:all").until_state("S")
    copy.unlink()
    equal(len(rows(looked("ps", server.pid))), 8)
    equal(server.end(signal.SIGTERM)[0], 0)


@claim
def a_program_of_ones_own_is_read():
    own = link(FIXTURES / "own.c")
    program = Open(own).until_state("S")
    contains(looked("ps", program.pid).splitlines()[0], f"arun {program.pid} {own}:waits  up ")
    row = rows(looked("ps", program.pid))["waits"]
    assert re.fullmatch(r"own\.c:\d+  60 min to go", row["at"]), row
    program.process.kill()


@claim
def control_characters_are_escaped():
    server = opened("forged").until_state("S")
    for words in (["ps"], ["tree"]):
        text = looked(*words, server.pid)
        contains(text, r"\x1b[31m\x0a</script>\xe2\x80\xae\xff")
        assert not re.search(r"[^\n\x20-\x7e]", text), text
    names = [o["name"] for o in json.loads(looked("ps", "-j", server.pid))["objects"]]
    equal(names[1], "\x1b[31m\n</script>\u202e\xff")
    server.end(signal.SIGTERM)


def list_of_names(text):
    return [ROW.fullmatch(line)["task"] for line in text.splitlines()[2:]]


@claim
def under_load_what_stays_is_always_listed_and_the_process_does_not_notice():
    server = opened("load", f"unix:{FOLDER}/churn.sock")
    for _ in range(CALLS):
        done = subprocess.run([ARUN, "ps", str(server.pid)], capture_output=True, text=True)
        equal((done.returncode, done.stderr), (0, ""))
        head, _, *lines = done.stdout.splitlines()
        found = [ROW.fullmatch(line) for line in lines]
        assert HEAD.fullmatch(head) and all(found), done.stdout
        names = [row["task"] for row in found]
        equal((names[0], names.count("janitor"), names.count("churn")), ("load", 10, 1), names)
        assert set(names) <= {"load", "janitor", "churn", "brief", "on_conn"}, names
        ids = [int(row["id"]) for row in found]
        equal(ids, sorted(set(ids)))
    status, out, err = server.end(signal.SIGTERM)
    equal((status, out, err), (0, "ends well\n", ""))


@claim
def among_many_that_come_and_go_what_stays_is_always_listed():
    server = opened("crowd")
    for _ in range(CALLS // 5):
        names = list_of_names(looked("ps", server.pid))
        equal((names[0], names.count("janitor"), names.count("crowds")), ("crowd", 10, 1), names)
    equal(server.end(signal.SIGTERM), (0, "ends well\n", ""))


def lied_to(program, words, *commands):
    """Each command ends in time, without a crash; returns what they print."""
    target = Open(program, *words)
    texts = []
    for command in commands:
        done = arun(*command, target.pid, timeout=60)
        assert done.returncode in (0, 1), done
        assert not re.search(r"[^\n\x20-\x7e]", done.stdout + done.stderr), done
        texts.append(done.stdout + done.stderr)
    target.process.kill()
    return texts


@claim
def a_process_that_lies_does_no_harm():
    program, entries = compiled("hostile"), list(table())
    commands = ["ps"], ["tree"], ["ps", "-j"], ["tree", "--html"]
    for word in ("task", "connection", "server", "generator", "group", "failed", "\033]0;\a"):
        texts = lied_to(program, [word, *entries], *commands)
        contains(texts[0], "changing while read: not all that it has is listed")
        schema.errors(json.loads(texts[2].splitlines()[0]))
    text, = lied_to(program, ["task", *entries], ["tree"])
    contains(text, "(a cycle: #")
    assert re.search(r"( or .{,200}){4} or others", text), text


@claim
def without_memory_nothing_is_listed_as_if_it_were_all():
    if SANITIZED:
        raise Skip("a sanitizer has an allocator of its own")
    if not hasattr(ctypes.CDLL(None), "__libc_calloc"):
        raise Skip("not glibc")
    library = built(FIXTURES / "scarce.c")
    server = opened("all").until_state("S")
    for words in (["ps"], ["ps", "-j"], ["tree"]):
        for call in ("calloc", "realloc"):
            done = arun(*words, server.pid, env={"LD_PRELOAD": library, "SCARCE": call})
            equal((done.returncode, done.stdout, done.stderr),
                  (125, "", "arun: Cannot allocate memory\n"), (words, call))
    server.end(signal.SIGTERM)


@claim
def where_proc_is_not_mounted_that_is_told():
    if SANITIZED:
        raise Skip("a sanitizer itself reads /proc")
    without_proc = mounting("mount -t tmpfs none /proc")
    server = opened("all").until_state("S")
    done = run(*without_proc, ARUN, "ps", server.pid)
    equal((done.returncode, done.stdout, done.stderr), (1, "", f"arun: {server.pid}: not in "
          "/proc, which is not mounted here, or hides it (hidepid)\n"))
    server.end(signal.SIGTERM)


@claim
def another_version_is_told_so():
    program, entries = compiled("hostile"), list(table())
    version = arun("--version").stdout.split()[1]
    line = f"another version of arun (6.6.6; this is {version})"
    for name, change in (("task.op", "task.op 8 4"), ("task.op", "task.op 4294967290 8"),
                         ("task.", "task. 0 1000000"), ("kind.help", "x.x 0 8")):
        lies = [change if e.split()[0] == name else e for e in entries]
        if name == "kind.help":
            lies.append("kind.help 0 4")
        target = Open(program, "task", *lies)
        equal(refused("ps", target.pid), f"{target.pid}: {line}", change)
        target.process.kill()


main()
