# SPDX-License-Identifier: MIT
"""The files of a group of workers: of its sockets, for its reports, and the plugin's."""
import errno
import os
import re
import socket
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from group import PLUGIN, group, lines, plugin
from load import build
from service import Manager
from tap import ARUN, arun, claim, contains, equal, main


def is_served(path):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.sendall(b"x")
        return client.recv(64) != b""


@claim
def the_file_of_a_relative_path_is_removed_at_the_end():
    with TemporaryDirectory() as place:
        path = os.path.join(place, "socket")
        with group("-w", "2", plugin(), "unix:socket", cwd=place) as process:
            lines(process, 2)
            assert is_served(path)
            equal((process.stop()[0], os.listdir(place)), (0, []))
        with group("-w", "2", "-l", "unix:socket", f"{plugin()}:leaks", cwd=place) as process:
            lines(process, 2)
            assert os.path.exists(path)
            equal((process.stop()[0], os.listdir(place)), (0, []))


@claim
def the_file_is_removed_also_where_the_workers_have_gone_elsewhere():
    with TemporaryDirectory() as place:
        with group("-w", "2", f"{plugin()}:moves", place, "unix:./socket") as process:
            lines(process, 2)
            assert is_served(os.path.join(place, "socket"))
            equal((process.stop()[0], os.listdir(place)), (0, []))


@claim
def a_file_that_has_taken_the_place_of_the_sockets_stays():
    with TemporaryDirectory() as place:
        with group("-w", "2", plugin(), "unix:socket", cwd=place) as process:
            lines(process, 2)
            os.rename(os.path.join(place, "socket"), os.path.join(place, "other"))
            with open(os.path.join(place, "socket"), "w"):
                pass
            equal((process.stop()[0], sorted(os.listdir(place))), (0, ["other", "socket"]))


@claim
def a_report_file_that_cannot_be_had_is_one_line():
    with TemporaryDirectory() as place:
        for name, why in ((place, "not a regular file"),
                          (f"{place}/missing/%p", "No such file or directory"),
                          ("fd:99", "not an open descriptor"), ("fd:x", "not fd:NUMBER")):
            for source, words, env in (("--report", ["--report", name], {}),
                                       ("$ARUN_REPORT", [], {"ARUN_REPORT": name})):
                for option in (["-w", "3"], ["--reload"]):
                    done = arun(*option, *words, f"{plugin()}:returns", env=env)
                    said = re.sub(r"missing/\d+", "missing/%p", done.stderr)
                    equal((done.returncode, said), (125, f"arun: {source}: {name}: {why}\n"))


@claim
def a_report_with_the_number_of_the_process_is_each_workers_own():
    with TemporaryDirectory() as place:
        with subprocess.Popen([ARUN, "-w", "2", "--report=%p.json", f"{plugin()}:returns"],
                              cwd=place) as process:
            equal(process.wait(60), 0)
        names = os.listdir(place)
        equal((len(names), f"{process.pid}.json" in names), (2, False), names)


@claim
def a_report_file_that_was_there_is_kept():
    with TemporaryDirectory() as place:
        path = os.path.join(place, "report.json")
        with open(path, "w") as file:
            file.write("before\n")
        equal(arun("-w", "2", f"--report={path}", f"{plugin()}:returns").returncode, 0)
        with open(path) as file:
            equal(file.read(), "before\n")


def told(manager):
    """What the service manager was told, line by line, but that it stops."""
    lines = "\n".join(manager.messages()).split("\n")
    manager.told.clear()
    return [line for line in lines if "=stopping" not in line]


@claim
def what_keeps_all_from_listening_is_said_once():
    manager = Manager()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        why = f"listen {address}: Address already in use"
        for _ in range(5):
            done = arun("-w", "6", plugin(), address, env={"NOTIFY_SOCKET": manager.address})
            equal((done.returncode, done.stderr),
                  (1, f"arun: serve.so: serve failed: {why}\n"))
            equal(told(manager), ["EXIT_STATUS=1", f"ERRNO={errno.EADDRINUSE}",
                                  f"STATUS=failed: {why}", "STOPPING=1"])


@claim
def an_option_that_all_refuse_is_said_once():
    manager = Manager()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        options = ((f"--listen={address}", f"--listen: listen {address}: Address already in use"),
                   ("--suppress=/nonexistent", "--suppress: /nonexistent: No such file or directory"))
        for option, line in 5 * options:
            done = arun("-w", "6", option, plugin(), env={"NOTIFY_SOCKET": manager.address})
            equal((done.returncode, done.stderr), (125, f"arun: {line}\n"))
            equal(told(manager)[1:], [f"STATUS=failed: {line}", "STOPPING=1"])


def broken(folder):
    """Files that cannot be loaded, each with its status and a part of its line."""
    (folder / "text.so").write_text("no plugin\n")
    (folder / "lacks.c").write_text("#include <arun.h>\nint lacking(int argc, char **argv);\n"
                                    "ARUN_SERVER(lacking)\n")
    return (("text.so", 126, "is not an ELF file"), ("missing.so", 127, "no such file"),
            (build(folder / "lacks.c", *PLUGIN, to="lacks.so"), 126, "undefined symbol: lacking"),
            (f"{plugin()}:nobody", 126, "nobody"))


@claim
def what_keeps_all_from_being_loaded_is_said_once():
    manager = Manager()
    env = {"NOTIFY_SOCKET": manager.address}
    with TemporaryDirectory() as folder:
        for name, status, words in broken(Path(folder)):
            for _ in range(5):
                done = arun("-w", "6", os.path.join(folder, name), env=env)
                equal((done.returncode, done.stderr.count("\n")), (status, 1), done.stderr)
                contains(done.stderr, words)
                equal(told(manager),
                      [f"EXIT_STATUS={status}", f"STATUS=failed: {done.stderr[6:-1]}", "STOPPING=1"])


main()
