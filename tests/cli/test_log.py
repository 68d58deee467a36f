#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""arun_log() as a user sees it: on a terminal, in a pipe, as JSON, at each level."""
import fcntl
import json
import os
import pty
import re
import subprocess
import signal
import struct
import termios

from plugins import FOLDER, written
from tap import (ARUN, DEADLINE, arun, claim, contains, environment, equal, killed_at_exit,
                 main, until)

SOURCE = """#include <arun.h>
#include <stdlib.h>
static int talk(int argc, char **argv) {
	(void)argc;
	(void)argv;
	arun_log(ARUN_ERROR, "one");
	arun_log(ARUN_INFO, "two");
	arun_log(ARUN_DEBUG, "three");
	return 0;
}
ARUN_MAIN(talk)
static int misuse(int argc, char **argv) {
	arun_mutex mutex = ARUN_MUTEX_INIT;
	(void)argc;
	(void)argv;
	arun_mutex_unlock(&mutex);
	return 0;
}
ARUN_MAIN(misuse)
static int fails(int argc, char **argv) {
	return argc > 1 && arun_connect(argv[1]) ? 0 : -1;
}
ARUN_MAIN(fails)
static int counts(int argc, char **argv) {
	(void)argc;
	for (int i = 0; i < atoi(argv[1]); i++) {
		arun_log(ARUN_INFO, "%d", i);
	}
	return 0;
}
ARUN_MAIN(counts)
"""
SO = written("talk", SOURCE)
TALK = f"{SO}:talk"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"


def on_a_terminal(*options, **variables):
    """What arun writes where stderr is a terminal."""
    master, slave = pty.openpty()
    done = subprocess.run([ARUN, *options, TALK], stderr=slave, env={**environment(), **variables},
                          timeout=DEADLINE, check=True)
    equal(done.returncode, 0)
    os.close(slave)
    text = os.read(master, 4096).decode()
    os.close(master)
    return text.replace("\r\n", "\n")


@claim
def in_a_pipe_a_line_has_time_and_level():
    text = arun(TALK).stderr
    assert re.fullmatch(f"{TIME} error: one\n{TIME} info: two\n", text), text


@claim
def on_a_terminal_it_is_short_and_coloured():
    equal(on_a_terminal(TERM="xterm"), "\x1b[31merror:\x1b[0m one\n\x1b[32minfo:\x1b[0m two\n")


@claim
def NO_COLOR_and_a_dumb_terminal_have_no_colours():
    for variables in ({"TERM": "xterm", "NO_COLOR": "1"}, {"TERM": "dumb"}):
        equal(on_a_terminal(**variables), "error: one\ninfo: two\n")


@claim
def the_level_of_the_command_line_wins():
    equal(arun("--log-level=error", "--log-format=journal", TALK).stderr, "<3>one\n")
    text = arun("--log-level=debug", "--log-format=journal", TALK).stderr
    equal(text, "<3>one\n<6>two\n<7>three\n")


def unread(blocks, count):
    """A run that writes lines into a small pipe, which is full now; and the pipe."""
    reader, writer = os.pipe()
    size = fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writer, blocks)
    run = killed_at_exit(subprocess.Popen([ARUN, "--grace=0.2", f"{SO}:counts", str(count)],
                                          stderr=writer, env=environment()))
    os.close(writer)
    until(lambda: struct.unpack("i", fcntl.ioctl(reader, termios.FIONREAD, bytes(4)))[0] >
          size - 64, "it is full")
    return run, reader


@claim
def no_line_is_lost_where_the_reader_is_late():
    for blocks in True, False:
        run, reader = unread(blocks, 3000)
        with open(reader, encoding="utf-8") as file:
            equal([line.split()[-1] for line in file], [str(i) for i in range(3000)])
        equal(run.wait(DEADLINE), 0)


@claim
def one_that_waits_for_it_is_stopped_in_time():
    for blocks in True, False:
        run, reader = unread(blocks, 3000)
        run.send_signal(signal.SIGTERM)
        equal(run.wait(DEADLINE), 124)
        os.close(reader)


@claim
def as_JSON_each_line_is_an_object():
    lines = [json.loads(line) for line in arun("--log-format=json", TALK).stderr.splitlines()]
    equal([(line["level"], line["message"]) for line in lines], [("error", "one"), ("info", "two")])
    equal(lines[0]["task"], {"id": 1, "name": "talk"})
    equal((lines[0]["line"], lines[0]["function"], lines[0]["from"]), (6, "talk", "plugin"))
    assert re.fullmatch(TIME, lines[0]["time"]), lines[0]


@claim
def so_is_what_arun_itself_says():
    for word, part in (f"{SO}:misuse", "misuse: "), (f"{SO}:none", "no entry"):
        text = arun("--log-format=text", word).stderr.splitlines()[0]
        assert part in text and text[0] != "<", text
        equal(arun("--log-format=journal", word).stderr.splitlines()[0], f"<3>{text}")
        line = json.loads(arun("--log-format=json", word).stderr.splitlines()[0])
        equal((line["message"], line["level"], line["from"]),
              (text.removeprefix("arun: "), "error", "arun"))
        assert re.fullmatch(TIME, line["time"]) and line["pid"] > 0, line


@claim
def the_name_of_a_plugin_is_escaped_where_its_entry_has_failed():
    strange = FOLDER / "a\nb\x1b[31m.so"
    strange.write_bytes(SO.read_bytes())
    ended = arun(f"{strange}:fails", "unix:/no\nsuch/x.sock")
    equal(ended.stderr, "arun: a\\x0ab\\x1b[31m.so: fails failed: connect "
                        "unix:/no\\x0asuch/x.sock: No such file or directory\n")


@claim
def what_a_terminal_takes_for_controls_is_escaped():
    for value, shown in (("\x1b[2J", "\\x1b[2J"), ("\udc9b2J", "\\x9b2J"),
                         ("\u202etxt", "\\xe2\\x80\\xaetxt"), ("\udce9", "\\xe9"),
                         ("\xe9\t", "\xe9\\t")):
        ended = arun(f"--leaks={value}")
        contains(ended.stderr, f"'{shown}' is not one of")


main()
