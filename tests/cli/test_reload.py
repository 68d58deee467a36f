# SPDX-License-Identifier: MIT
"""arun --reload: a new version of the plugin's file takes over from the old one."""
import os
import pathlib
import shutil
import signal
import tempfile

from group import Load, all_workers, ask, descriptors, group, lines, plugin, workers
from load import SOURCE, build, connect, echoes, listening_port
from tap import arun, claim, contains, equal, main, until

ANY = "tcp:127.0.0.1:0"


def port_of(process):
    return int(lines(process, 1)[0].rpartition(":")[2])


def answers(port, version):
    until(lambda: (ask(port) or ("",))[0] == version, f"version {version} answers")


def put(version, place):
    """Builds a version, and moves it into its place."""
    shutil.move(plugin(version, to="next.so"), place)


class Place:
    """A folder with a plugin that is served, and replaced."""

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name) / "serve.so"
        put("1", self.path)
        return self.path

    def __exit__(self, *_):
        self.folder.cleanup()


@claim
def twenty_new_versions_under_load_lose_no_connection():
    with Place() as place, group("-r", place, ANY) as process:
        port = port_of(process)
        before = descriptors(process)
        with Load(port) as load:
            for number in range(2, 22):
                put(str(number), place)
                answers(port, str(number))
                load.goes_on(250)
        equal(load.lost, 0)
        assert load.count() >= 5000, load.count()
        equal({version for version, _ in load.answers}, {str(n) for n in range(1, 22)})
        until(lambda: len(all_workers(process)) == 1, "one is left")
        until(lambda: descriptors(process) == before, "the last one is reaped")
        equal(process.stop(), (0, process.stdout, ""))


@claim
def a_version_that_a_compiler_writes_in_place_is_taken():
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder) / "serve.so"
        shutil.move(plugin("1"), place)
        with group("-r", place, ANY) as process:
            port = port_of(process)
            plugin("2", to=place)
            answers(port, "2")
            equal(process.stop(), (0, process.stdout, ""))


@claim
def all_workers_are_replaced():
    with Place() as place, group("-r", "-w", "3", place, ANY) as process:
        lines(process, 3)
        old = all_workers(process)
        put("2", place)
        lines(process, 6)
        until(lambda: len(all_workers(process)) == 3 and not all_workers(process) & old, "all new")
        equal([line[0] for line in process.stdout.splitlines()], ["1"] * 3 + ["2"] * 3)
        equal(process.stop(), (0, process.stdout, ""))


@claim
def a_broken_version_is_told_in_a_line_and_the_old_one_serves_on():
    with Place() as place, group("-r", place, ANY) as process:
        port = port_of(process)
        pid = ask(port)
        whole = plugin("2", to="broken.so").read_bytes()
        broken = place.with_name("broken.so")
        for content, line in ((b"", "is empty"), (whole[:len(whole) // 2], "cut short"),
                              (b"int x;\n", "")):
            told = len(process.stderr.splitlines())
            broken.write_bytes(content)
            broken.rename(place)
            process.until(lambda: len(process.stderr.splitlines()) > told, "a line")
            contains(process.stderr.splitlines()[-1], "; the old version serves on")
            contains(process.stderr.splitlines()[-1], line)
            equal(ask(port), pid)
        equal(len(process.stderr.splitlines()), 3, process.stderr)
        put("3", place)
        answers(port, "3")
        equal(process.stop()[0], 0)


@claim
def a_file_that_is_gone_or_the_same_changes_nothing():
    with Place() as place, group("-r", place, ANY) as process:
        port = port_of(process)
        pid = ask(port)
        kept = place.with_name("kept.so")
        place.rename(kept)
        place.with_name("other.so").write_bytes(b"x")
        kept.rename(place)
        process.signal(signal.SIGUSR1)
        process.until(lambda: "end of dump" in process.stderr, "it is alive")
        equal(ask(port), pid)
        put("2", place)
        answers(port, "2")
        equal(len(lines(process, 2)), 2)
        process.stop()


@claim
def a_link_that_leads_elsewhere_is_a_new_version():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for version in ("1", "2"):
            (folder / version).mkdir()
            put(version, folder / version / "serve.so")
        link = folder / "serve.so"
        link.symlink_to("1/serve.so")
        with group("-r", link, ANY) as process:
            port = port_of(process)
            (folder / "next").symlink_to("2/serve.so")
            os.replace(folder / "next", link)
            answers(port, "2")
            put("3", folder / "2" / "serve.so")
            answers(port, "3")
            equal(process.stop(), (0, process.stdout, ""))


@claim
def a_link_in_the_middle_of_the_path_is_seen_too():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for version in ("1", "2"):
            (folder / version).mkdir()
            put(version, folder / version / "serve.so")
        (folder / "current").symlink_to("1")
        with group("-r", folder / "current" / "serve.so", ANY) as process:
            port = port_of(process)
            (folder / "next").symlink_to("2")
            os.replace(folder / "next", folder / "current")
            answers(port, "2")
            equal(process.stop()[0], 0)


@claim
def a_first_version_that_is_broken_ends_it():
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder) / "serve.so"
        place.write_bytes(b"")
        done = arun("-r", place)
        equal((done.returncode, done.stderr.count("\n")), (126, 1), done.stderr)


@claim
def a_main_that_has_ended_runs_again_when_there_is_a_new_version():
    with Place() as place, group("-r", f"{place}:says") as process:
        lines(process, 1)
        until(lambda: not all_workers(process), "it has ended")
        put("2", place)
        lines(process, 2)
        until(lambda: not all_workers(process), "it has ended again")
        equal(process.stop()[0], 0)


@claim
def the_old_one_does_not_wait_for_idle_clients():
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder) / "echo.so"
        shutil.move(build(SOURCE / "plugins" / "02-echo.c", to="next.so"), place)
        with group("-r", "--grace=600", place, ANY) as process:
            until(lambda: arun("ps", "--ready", process.pid).returncode == 0, "it serves")
            old = workers(process)
            client = connect(listening_port(process))
            echoes(client)
            shutil.move(build(SOURCE / "plugins" / "02-echo.c", to="next.so"), place)
            equal(client.recv(1), b"")
            until(lambda: not any(pathlib.Path(f"/proc/{pid}").exists() for pid in old), "its end")
            client.close()
            equal(process.stop()[0], 0)


main()
