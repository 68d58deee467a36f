# SPDX-License-Identifier: MIT
"""The shipped units under a real systemd: test_systemd.py runs this inside."""
import json
import pathlib
import re
import shutil
import socket
import sys
import threading
import time

sys.path.insert(0, "/keep")

from tap import claim, contains, equal, main, run, until  # noqa: E402

KEEP = pathlib.Path("/keep")
UNITS = pathlib.Path("/run/systemd/system")
SERVICE = (KEEP / "arun@.service").read_text()
PROGRAM = re.search(r"^ExecStart=(\S+)", SERVICE, re.M)[1]
RESTARTS, REQUESTS = 20, 5000


def install():
    for folder in (pathlib.Path(PROGRAM).parent, UNITS, pathlib.Path("/etc/arun")):
        folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(KEEP / "arun", PROGRAM)
    shutil.copy(KEEP / "arun@.service", UNITS)
    drop_in("arun@.service", "[Service]\nEnvironment=ARUN_PATH=/keep\n")


def drop_in(unit, text):
    folder = UNITS / f"{unit}.d"
    folder.mkdir(exist_ok=True)
    # A file of the same name would hide that of the template.
    (folder / f"{unit}-{len(list(folder.iterdir()))}.conf").write_text(text)


def systemctl(*words, status=0):
    done = run("systemctl", *words)
    if status is not None:
        equal(done.returncode, status, f"systemctl {' '.join(words)}: {done.stderr}")
    return done


def service(entry, text="", arguments=""):
    """The unit of an entry of the plugin, with what is added to the shipped one."""
    unit = f"arun@{entry}.service"
    pathlib.Path(f"/etc/arun/{entry}.conf").write_text(
        f"ARUN_PLUGIN=service:{entry}\nARUN_ARGS={arguments}\n")
    drop_in(unit, "[Service]\n" + text)
    systemctl("daemon-reload")
    return unit


def show(unit, *properties):
    out = systemctl("show", unit, "-p", ",".join(properties)).stdout
    found = dict(line.split("=", 1) for line in out.splitlines())
    return found[properties[0]] if len(properties) == 1 else [found[p] for p in properties]


def journal(unit, *words):
    run("journalctl", "--sync")
    match = [unit] if "=" in unit else ["-u", unit, "-o", "cat"]
    return run("journalctl", *match, *words).stdout


def echoes(address, word=b"word", kind=socket.SOCK_STREAM):
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family, kind) as client:
        client.settimeout(60)
        client.connect(address)
        client.sendall(word)
        return client.recv(100) == word


def listening(unit, text):
    """A socket unit for a service."""
    (UNITS / unit).write_text(f"[Socket]\n{text}")
    systemctl("daemon-reload")
    systemctl("start", unit)


def stopped_well(unit):
    systemctl("stop", unit)
    equal(show(unit, "ActiveState", "Result"), ["inactive", "success"])


@claim
def a_start_waits_until_it_is_ready_and_may_take_longer_when_it_says_so():
    unit = service("starts_slowly", "TimeoutStartSec=1\n", "15")
    began = time.monotonic()
    systemctl("start", unit)
    assert time.monotonic() - began >= 3, "it was active before it was ready"
    equal(show(unit, "ActiveState", "SubState"), ["active", "running"])
    stopped_well(unit)


@claim
def a_start_that_says_nothing_is_ended():
    unit = service("never_ready", "TimeoutStartSec=1\nRestart=no\n")
    systemctl("start", unit, status=1)
    equal(show(unit, "ActiveState", "Result"), ["failed", "timeout"])


@claim
def a_start_that_fails_fails_the_unit_and_says_why():
    unit = service("fails", "Restart=no\n")
    systemctl("start", unit, status=1)
    equal(show(unit, "ActiveState", "Result", "StatusErrno", "StatusText"),
          ["failed", "exit-code", "20", "failed: Not a directory"])
    contains(journal(unit), "service.so: fails failed: Not a directory")


@claim
def a_plugin_that_is_not_there_is_not_started_again():
    unit = "arun@no-such-plugin.service"
    systemctl("start", unit, status=1)
    until(lambda: show(unit, "ActiveState") == "failed", "it has failed")
    equal(show(unit, "NRestarts", "ExecMainStatus"), ["0", "127"])


@claim
def a_stop_leaves_it_inactive_and_not_failed():
    unit = service("serve", "", "127.0.0.1:8001")
    systemctl("start", unit)
    assert echoes(("127.0.0.1", 8001))
    equal(show(unit, "StatusText")[-6:], "1 task")
    stopped_well(unit)


@claim
def a_reload_runs_the_plugins_own_and_leaves_it_serving():
    unit = service("serve", "", "127.0.0.1:8001")
    systemctl("start", unit)
    process = show(unit, "MainPID")
    systemctl("reload", unit)
    until(lambda: "reloads" in journal(unit), "the plugin was asked")
    until(lambda: show(unit, "ActiveState") == "active", "it is active again")
    equal(show(unit, "MainPID"), process)
    assert echoes(("127.0.0.1", 8001))
    stopped_well(unit)


@claim
def a_reload_of_nothing_leaves_it_serving():
    unit = service("plain", "", "127.0.0.1:8002")
    systemctl("start", unit)
    systemctl("reload", unit)
    until(lambda: "has nothing to reload" in journal(unit), "it says so")
    until(lambda: show(unit, "ActiveState") == "active", "it is active again")
    assert echoes(("127.0.0.1", 8002))
    stopped_well(unit)


@claim
def a_hang_is_ended_by_the_watchdog_named_and_started_again():
    unit = service("blocks", "WatchdogSec=1\nRestartSec=0\nLimitCORE=0\n")
    systemctl("start", unit)
    until(lambda: show(unit, "NRestarts") != "0", "systemd starts it again")
    text = journal(unit)
    contains(text, 'in task "blocked" (#2; spawned at service.c:')
    contains(journal(unit, "_PID=1"), "Watchdog timeout")
    systemctl("kill", "-s", "KILL", unit)
    systemctl("stop", unit)
    systemctl("reset-failed", unit, status=None)


@claim
def what_is_stored_comes_back_after_a_restart():
    unit = service("counts")
    systemctl("start", unit)
    for start in (1, 2, 3):
        until(lambda: show(unit, "StatusText") == f"start {start}", f"start {start}")
        equal(show(unit, "NFileDescriptorStore"), "1")
        systemctl("restart", unit)
    systemctl("kill", "-s", "KILL", unit)
    until(lambda: show(unit, "StatusText") == "start 5", "after a crash, too")
    stopped_well(unit)


@claim
def a_socket_unit_starts_it_at_the_first_connection():
    unit = service("serve", "", "systemd:http unix:/run/arun-test.sock 0.0.0.0:8004")
    listening("arun@serve.socket",
              "ListenStream=127.0.0.1:8003\nFileDescriptorName=http\n"
              "Service=arun@serve.service\n")
    listening("second.socket", "ListenStream=/run/arun-test.sock\nFileDescriptorName=admin\n"
              f"Service={unit}\n")
    listening("third.socket", f"ListenStream=8004\nService={unit}\n")
    drop_in(unit, "[Service]\nSockets=arun@serve.socket second.socket third.socket\n")
    systemctl("daemon-reload")
    equal(show(unit, "ActiveState"), "inactive")
    assert echoes(("127.0.0.1", 8003))
    assert echoes("/run/arun-test.sock")
    assert echoes(("127.0.0.1", 8004))
    equal(show(unit, "ActiveState"), "active")
    user = run("ps", "-o", "uid=", "-p", show(unit, "MainPID")).stdout.strip()
    assert user not in ("", "0"), f"it runs as {user!r}"
    systemctl("stop", "arun@serve.socket", "second.socket", "third.socket")
    stopped_well(unit)
    equal(journal(unit).count("leak"), 0)


@claim
def a_datagram_starts_it():
    unit = service("answers", "", "systemd:dns")
    listening("arun@answers.socket", "ListenDatagram=127.0.0.1:8005\n"
              f"FileDescriptorName=dns\nService={unit}\n")
    assert echoes(("127.0.0.1", 8005), kind=socket.SOCK_DGRAM)
    equal(show(unit, "ActiveState"), "active")
    systemctl("stop", "arun@answers.socket")
    stopped_well(unit)


@claim
def a_connection_of_its_own_is_served_and_then_it_ends():
    one = SERVICE.replace("arun $ARUN_PLUGIN $ARUN_ARGS", "arun service:serve systemd:connection")
    (UNITS / "one@.service").write_text(one)
    drop_in("one@.service", "[Service]\nEnvironment=ARUN_PATH=/keep\nStateDirectory=\n"
            "RuntimeDirectory=\n")
    listening("one.socket", "ListenStream=127.0.0.1:8006\nAccept=yes\n")
    for number in range(3):
        assert echoes(("127.0.0.1", 8006), f"connection {number}".encode())
    until(lambda: show("one.socket", "NConnections") == "0", "all have ended")
    failed = run("systemctl", "--failed", "--plain", "--no-legend").stdout
    assert "one@" not in failed, failed
    equal(show("one.socket", "NAccepted"), "3")
    systemctl("stop", "one.socket")


@claim
def leaks_are_in_the_journal_with_fields_of_their_own():
    unit = service("leaks")
    systemctl("start", unit)
    systemctl("stop", unit)
    until(lambda: "leak" in journal(unit), "the report")
    entry = json.loads(journal("ARUN_KIND=task", "-o", "json"))
    line = entry["CODE_LINE"]
    contains(entry["MESSAGE"], f"service.c:{line}: leak: task \"sleeper\" (#")
    wanted = {"PRIORITY": "4", "CODE_FILE": "service.c", "CODE_FUNC": "leaks", "ARUN_COUNT": "1",
              "ARUN_NAME": "sleeper", "ARUN_PLUGIN": "service.so", "_SYSTEMD_UNIT": unit,
              "SYSLOG_IDENTIFIER": "arun"}
    equal({name: entry.get(name) for name in wanted}, wanted)
    equal(journal(unit).count("leak: task"), 1)
    contains(journal(unit), "service.so: 1 leak: 1 task")
    warning = journal(unit, "-p", "warning")
    contains(warning, "1 leak: 1 task")


@claim
def restarts_behind_a_socket_unit_lose_no_connection():
    unit = service("plain", "", "systemd:http")
    drop_in(unit, "[Unit]\nStartLimitIntervalSec=0\n")
    listening("arun@plain.socket", "ListenStream=127.0.0.1:8007\n"
              f"FileDescriptorName=http\nService={unit}\n")
    answered, lost, over = [0] * 4, [], threading.Event()

    def load(index):
        while not over.is_set():
            try:
                answered[index] += 1 if echoes(("127.0.0.1", 8007)) else lost.append("wrong")
            except (OSError, TypeError) as error:
                lost.append(error)

    clients = [threading.Thread(target=load, args=(i,)) for i in range(4)]
    for client in clients:
        client.start()
    try:
        for number in range(RESTARTS):
            before = sum(answered)
            until(lambda: sum(answered) > before + REQUESTS / RESTARTS / 2, "it serves")
            systemctl("restart", unit)
        until(lambda: sum(answered) >= REQUESTS, "requests")
    finally:
        over.set()
        for client in clients:
            client.join()
    equal(lost, [])
    print(f"# {sum(answered)} connections over {RESTARTS} restarts, none lost")
    systemctl("stop", "arun@plain.socket")
    stopped_well(unit)


install()
main()
