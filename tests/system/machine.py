# SPDX-License-Identifier: MIT
"""What the services_....py share, which test_systemd.py runs under a real systemd: the shipped
units installed, and a service manager to ask."""
import pathlib
import re
import shutil
import socket
import sys
import threading

sys.path.insert(0, "/keep")

from tap import equal, run, until  # noqa: E402

KEEP = pathlib.Path("/keep")
UNITS = pathlib.Path("/run/systemd/system")
SERVICE = (KEEP / "arun@.service").read_text()
PROGRAM = re.search(r"^ExecStart=(\S+)", SERVICE, re.M)[1]


def drop_in(unit, text):
    folder = UNITS / f"{unit}.d"
    folder.mkdir(exist_ok=True)
    # A file of the same name would hide that of the template.
    (folder / f"{unit}-{len(list(folder.iterdir()))}.conf").write_text(text)


def template(name, text):
    """Installs a unit, with what this build of arun needs beyond what is shipped."""
    (UNITS / name).write_text(text)
    for addition in KEEP.glob("*.conf"):
        drop_in(name, addition.read_text())


def install():
    for folder in (pathlib.Path(PROGRAM).parent, UNITS, pathlib.Path("/etc/arun")):
        folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(KEEP / "arun", PROGRAM)
    template("arun@.service", SERVICE)


def systemctl(*words, status=0):
    done = run("systemctl", *words)
    if status is not None:
        equal(done.returncode, status, f"systemctl {' '.join(words)}: {done.stderr}")
    return done


def service(entry, text="", arguments="", plugin="service", options=""):
    """The unit of an entry of a plugin, with what is added to the shipped one."""
    unit = f"arun@{entry}.service"
    pathlib.Path(f"/etc/arun/{entry}.conf").write_text(
        f"ARUN_PLUGIN={plugin}:{entry}\nARUN_ARGS={arguments}\n{options}")
    shutil.rmtree(UNITS / f"{unit}.d", ignore_errors=True)
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


def ask(address, word=b"word", kind=socket.SOCK_STREAM):
    """The answer to a word, on a connection of its own."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family, kind) as client:
        client.settimeout(60)
        client.connect(address)
        client.sendall(word)
        return client.recv(100)


def echoes(address, word=b"word", kind=socket.SOCK_STREAM):
    return ask(address, word, kind) == word


def listening(unit, text):
    """A socket unit for a service."""
    (UNITS / unit).write_text(f"[Socket]\n{text}")
    systemctl("daemon-reload")
    systemctl("start", unit)


def is_active(unit):
    return show(unit, "ActiveState") == "active"


def reload(unit):
    """systemd 252 does not wait for the end of a reload."""
    systemctl("reload", unit)
    until(lambda: is_active(unit), f"{unit} is active again")


def stopped_well(unit):
    systemctl("stop", unit)
    equal(show(unit, "ActiveState", "Result"), ["inactive", "success"])


class Load:
    """Clients that ask on a connection of its own each time, until the end of the block."""

    def __init__(self, address, clients=4):
        self.address, self.over = address, threading.Event()
        self.answered, self.lost = [0] * clients, []
        self.threads = [threading.Thread(target=self.ask, args=(i,)) for i in range(clients)]

    def ask(self, index):
        while not self.over.is_set():
            try:
                if ask(self.address):
                    self.answered[index] += 1
                else:
                    self.lost.append("no answer")
            except OSError as error:
                self.lost.append(error)

    def count(self):
        return sum(self.answered)

    def goes_on(self, requests):
        """Waits for so many more."""
        wanted = self.count() + requests
        until(lambda: self.count() >= wanted or self.lost, f"{requests} answers")

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()
