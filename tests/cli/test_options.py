# SPDX-License-Identifier: MIT
"""The command line of arun. Where no user can see what an option does to the run, the launcher is
linked with an arun_run() that prints what it was called with: cli/ needs arun.h and nothing else."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess

from recorder import SOURCE, build_fixtures, folder
from tap import ARUN, Skip, arun, claim, contains, equal, main, run

HELP = """\
Usage: arun [OPTION]... PLUGIN[:ENTRY] [ARG]...
       arun ps|tree [-j] PID
  -d, --debug                check more; stacks and source lines in the reports
  -t, --check                load PLUGIN, print what it offers, and exit
  -l, --listen=[NAME=]ADDR   open a socket for PLUGIN to serve (may be repeated)
  -w, --workers=N            run N processes that share the sockets (0: one per CPU)
  -r, --reload               start PLUGIN again when its file changes
  -g, --grace=SECONDS        time to end cleanly after a signal (8)
      --leaks=off|warn|error what leaks do at the end (warn); error: exit status 23
      --report=FILE          write the reports to FILE as JSON, one a line
  -s, --suppress=FILE        objects to leave out of the reports
      --log-level=LEVEL      error, warning, notice, info or debug (info)
      --log-format=FORMAT    auto, text, json or journal (auto)
  -h, --help    -V, --version
"""
LONG = re.findall(r"--([a-z-]+)", HELP)
LETTERS = re.findall(r"-(\w), --", HELP)
VARIABLES = {"ARUN_" + name.upper().replace("-", "_") for name in LONG if name not in ("help", "version", "check")}


def record(*words, **options):
    """What arun_run() was called with, as a dictionary of text."""
    result = run("./recorder", *words, **options)
    equal((result.returncode, result.stderr), (0, ""), "the recorder")
    return dict(re.findall(r"(\w+)=(\S*)", result.stdout)), result.stdout


def refused(result, line, status=125):
    equal((result.returncode, result.stdout, result.stderr), (status, "", f"arun: {line}\n"))


def usage(result, line):
    refused(result, f"{line} (see arun --help)")


def read(*path):
    with open(os.path.join(SOURCE, *path)) as file:
        return file.read()


@claim
def help_is_the_text_of_the_design():
    for word in ("-h", "--help"):
        result = arun(word, "--no-such", env={"ARUN_GRACE": "bad"})
        equal((result.returncode, result.stdout, result.stderr), (0, HELP, ""))


@claim
def version_is_one_line():
    for word in ("-V", "--version"):
        result = arun(word)
        equal((result.returncode, result.stderr), (0, ""))
        assert re.fullmatch(r"arun \d+\.\d+\.\d+\n", result.stdout), result.stdout


@claim
def an_unknown_option_is_a_usage_error():
    for word in ("--x", "--deb", "--work", "--log"):
        usage(arun(word + "=1", "./p.so"), f"unknown option '{word}'")
        usage(arun(word, "./p.so"), f"unknown option '{word}'")
    for letter in "xD":
        usage(arun("-" + letter, "./p.so"), f"unknown option '-{letter}'")
        usage(arun("-d" + letter, "./p.so"), f"unknown option '-{letter}'")
    usage(arun("--a\nb\x1b[31m"), r"unknown option '--a\nb\x1b[31m'")


@claim
def a_misspelt_option_is_told_which_was_meant():
    for word, meant in (("grcae", "grace"), ("log_level", "log-level"), ("listn=x", "listen"), ("Check", "check"),
                        ("logformat=text", "log-format"), ("versions", "version"), ("supres", "suppress")):
        usage(arun("--" + word, "./p.so"), f"unknown option '--{word.split('=')[0]}'; did you mean --{meant}?")


@claim
def a_misspelt_variable_is_warned_of_and_a_plugins_own_is_not():
    def warned(env, *words):
        result = run("./recorder", *words, "./p.so:words", env=env)
        equal(result.returncode, 0)
        return result.stderr
    for name, meant in (("GRCAE", "GRACE"), ("LOGLEVEL", "LOG_LEVEL"), ("log_level", "LOG_LEVEL"), ("LOG_FROMATS", "LOG_FORMAT"),
                        ("LISTENS", "LISTEN"), ("WORKER", "WORKERS"), ("PAHT", "PATH"), ("SUPRES", "SUPPRESS")):
        line = f"$ARUN_{name}: arun does not read it; did you mean $ARUN_{meant}?"
        equal(warned({"ARUN_" + name: "1"}), f"arun: {line}\n")
        equal(warned({"ARUN_" + name: "1"}, "--log-level=error"), "")
        equal(warned({"ARUN_" + name: ""}), "")
        equal(json.loads(warned({"ARUN_" + name: "1"}, "--log-format=json"))["level"], "warning")
    contains(warned({"ARUN_DEBGU": "1"}, "--log-format=journal"), "<4>arun: $ARUN_DEBGU: ")
    for name in ("PLUGIN", "ARGS", "BROKER", "PORT", "PORT_80_TCP", "SERVICE_HOST", "GROUP", "HELP", "X", "GRACEFUL_RESTART"):
        equal(warned({"ARUN_" + name: "1"}), "")
    # What is a fault tells of it, and not of the warning.
    contains(arun("./none.so", env={"ARUN_GRCAE": "1"}).stderr.splitlines()[-1], "./none.so: no such file")


@claim
def without_a_plugin_it_is_a_usage_error():
    for words in ((), ("-d",), ("--",), ("--grace", "1")):
        usage(arun(*words), "no PLUGIN given")


@claim
def an_option_takes_a_value_or_does_not():
    usage(arun("--grace"), "option '--grace' needs a value, --grace=SECONDS")
    usage(arun("-dg"), "option '--grace' needs a value, --grace=SECONDS")
    usage(arun("--report"), "option '--report' needs a value, --report=FILE")
    usage(arun("--debug=1", "./p.so"), "option '--debug' takes no value")


@claim
def the_defaults_are_those_of_arun_run():
    got, text = record("./p.so:words", "a", "b")
    equal(text.split("\n")[0], "main name=words argv0=./p.so argc=3")
    equal((got["grace"], got["leaks"], got["debug"]), ("8", "warn", "0"))
    equal((got["size"], got["stack"], got["reload"], got["signals"]), ("1", "0", "0", "1"))
    equal((got["plugin"], got["path"], got["suppress"], got["loop"]), ("1", "./p.so", "0", "0"))
    assert "report" not in got, text


@claim
def a_server_runs_forever_with_what_it_declared():
    got, text = record("./p.so:echo")
    equal(text.split("\n")[0], "server name=echo argv0=./p.so argc=1")
    equal((got["stack"], got["reload"]), ("65536", "1"))


@claim
def debug_is_a_flag():
    for words in (["-d"], ["--debug"], ["-dd"]):
        equal(record(*words, "./p.so:words")[0]["debug"], "1")
    for value, debug in (("1", "1"), ("yes", "1"), ("0", "0"), ("no", "0"), ("", "0")):
        equal(record("./p.so:words", env={"ARUN_DEBUG": value})[0]["debug"], debug)
    equal(record("-d", "./p.so:words", env={"ARUN_DEBUG": "0"})[0]["debug"], "1")
    for value in ("2", "true", "YES", " 1", "on"):
        usage(arun("./p.so:words", env={"ARUN_DEBUG": value}),
              f"$ARUN_DEBUG: '{value}' is not 1, 0, yes or no")


@claim
def listen_may_be_repeated_and_its_variable_is_a_list():
    def given(*words, **options):
        return re.findall(r"^listen (.*)$", record(*words, "./p.so:words", **options)[1], re.M)

    equal(given(), [])
    equal(given("-l", "a=:1", "-lb c", "--listen=unix:/x", "--listen", "d"),
          ["a=:1", "b c", "unix:/x", "d"])
    equal(given(env={"ARUN_LISTEN": "  http=127.0.0.1:80\tunix:/x\n"}),
          ["http=127.0.0.1:80", "unix:/x"])
    equal(given("-l", "a", env={"ARUN_LISTEN": "b c"}), ["a"])
    usage(arun("--listen=", "./p.so"), "--listen: '' is not the address of a socket")


@claim
def grace_is_a_number_of_seconds():
    for words in (["-g", "2.5"], ["-g2.5"], ["-dg2.5"], ["--grace=2.5"], ["--grace", "2.5"],
                  ["--grace=9", "--grace=2.5"]):
        equal(record(*words, "./p.so:words")[0]["grace"], "2.5", words)
    equal(record("./p.so:words", env={"ARUN_GRACE": "3"})[0]["grace"], "3")
    equal(record("./p.so:words", env={"ARUN_GRACE": ""})[0]["grace"], "8")
    equal(record("-g", "4", "./p.so:words", env={"ARUN_GRACE": "bad"})[0]["grace"], "4")
    for value, grace in (("0", "0.001"), ("1e-9", "0.001"), ("1000000", "1e+06")):
        equal(record("--grace=" + value, "./p.so:words")[0]["grace"], grace)
    for value in ("-1", "1000001", "nan", "inf", "1s", " 1", "1 ", "x", "1e999", "0x10", "0x1p3"):
        expected = f"'{value}' is not a number of seconds from 0 to 1000000"
        usage(arun("--grace", value, "./p.so"), f"--grace: {expected}")
        usage(arun("./p.so", env={"ARUN_GRACE": value}), f"$ARUN_GRACE: {expected}")
    usage(arun("--grace=", "./p.so"),
          "--grace: '' is not a number of seconds from 0 to 1000000")


@claim
def leaks_is_one_of_three_words():
    for value in ("off", "warn", "error"):
        equal(record("--leaks=" + value, "./p.so:words")[0]["leaks"], value)
        equal(record("--leaks", value, "./p.so:words")[0]["leaks"], value)
        equal(record("./p.so:words", env={"ARUN_LEAKS": value})[0]["leaks"], value)
        got = record("--leaks=" + value, "./p.so:words", env={"ARUN_LEAKS": "bad"})[0]
        equal(got["leaks"], value)
    for value in ("Off", "of", "off|warn", "0"):
        expected = f"'{value}' is not one of off|warn|error"
        usage(arun("--leaks=" + value, "./p.so"), f"--leaks: {expected}")
        usage(arun("./p.so", env={"ARUN_LEAKS": value}), f"$ARUN_LEAKS: {expected}")


@claim
def log_level_and_log_format_are_words():
    for option, words in (("log-level", "error warning notice info debug"),
                          ("log-format", "auto text json journal")):
        name, variable = option.replace("-", "_"), "ARUN_" + option.upper().replace("-", "_")
        expected = "not one of " + ", ".join(words.split())
        for value in words.split():
            equal(record(f"--{option}={value}", "./p.so:words")[0][name], value)
            equal(record("./p.so:words", env={variable: value})[0][name], value)
        usage(arun(f"--{option}=loud", "./p.so"), f"--{option}: 'loud' is {expected}")
        usage(arun("./p.so", env={variable: "1"}), f"${variable}: '1' is {expected}")


@claim
def a_bad_value_is_one_line_that_begins_with_where_it_stands():
    bad = {"--log-level": "loud", "--log-format": "loud", "--listen": "unix:/missing/socket"}
    for variable in VARIABLES:
        option = "--" + variable[5:].lower().replace("_", "-")
        value = bad.get(option, "/missing/file")
        cases = [("$" + variable, [], {variable: value})]
        if not re.search(option + " ", HELP): # is no flag
            cases.append((option, [option, value], {variable: "unused"}))
        for source, words, env in cases:
            result = arun(*words, "./one.so", env=env)
            equal((result.returncode, result.stdout, result.stderr.count("\n")), (125, "", 1))
            assert result.stderr.startswith(f"arun: {source}: "), (source, result.stderr)


@claim
def help_version_and_check_are_not_in_the_environment():
    env = {"ARUN_HELP": "1", "ARUN_VERSION": "bad", "ARUN_CHECK": "1"}
    equal(record("./p.so:words", env=env)[1].split()[0], "main")


@claim
def report_appends_to_a_file_of_mode_0600():
    for count in (1, 2):
        got, _ = record("--report=r.json", "./p.so:words")
        equal((got["cloexec"], got["append"], got["mode"]), ("1", "1", "100600"))
        assert int(got["report"]) > 2, got
        with open("r.json") as file:
            equal(file.read(), "report\n" * count)
    record("./p.so:words", env={"ARUN_REPORT": "e.json"})
    record("--report=c.json", "./p.so:words", env={"ARUN_REPORT": "unused.json"})
    equal([os.path.exists(name) for name in ("e.json", "c.json", "unused.json")],
          [True, True, False])


@claim
def report_names_the_process_in_the_file():
    with subprocess.Popen(["./recorder", "--report=%p-%p.json", "./p.so:words"],
                          stdout=subprocess.DEVNULL) as process:
        equal(process.wait(60), 0)
    assert os.path.exists(f"{process.pid}-{process.pid}.json"), os.listdir()


@claim
def report_takes_a_descriptor():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        fd = theirs.fileno()
        got, _ = record(f"--report=fd:{fd}", "./p.so:words", pass_fds=[fd])
        equal((got["report"], got["cloexec"]), (str(fd), "1"))
        equal(ours.recv(100), b"report\n")
    result = run("./recorder", "--report=fd:2", "./p.so:words")
    assert int(re.search(r"report=(\d+) cloexec=1", result.stdout)[1]) > 2, result.stdout
    equal(result.stderr, "report\n")


@claim
def report_refuses_what_is_no_descriptor():
    for name in ("fd:", "fd:x", "fd:-1", "fd:3x", "fd:99999999999", "fd:4294967297"):
        refused(arun("--report", name, "./p.so:words"), f"--report: {name}: not fd:NUMBER")
    refused(arun("--report=fd:99", "./p.so:words"),
            "--report: fd:99: not an open descriptor")
    with open("/dev/null") as null:
        refused(arun("--report=fd:0", "./p.so:words", stdin=null),
                "--report: fd:0: not open for writing")


@claim
def report_refuses_all_but_regular_files():
    os.mkdir("folder")
    os.mkfifo("fifo")
    os.symlink("target.json", "link")
    os.symlink("/dev/null", "null")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("socket")
    for name, why in (*((name, "not a regular file") for name in ("folder", "fifo", "socket", "/dev/null")),
                      ("link", "a symbolic link, which is not followed"),
                      ("null", "a symbolic link, which is not followed"),
                      ("-", "no name of a file: fd:1 is standard output"),
                      ("missing/r.json", "No such file or directory")):
        refused(arun("--report", name, "./p.so:words"), f"--report: {name}: {why}")
    reader = os.open("fifo", os.O_RDONLY | os.O_NONBLOCK)
    refused(arun("--report=fifo", "./p.so:words"), "--report: fifo: not a regular file")
    os.close(reader)
    listener.close()
    refused(arun("./p.so", env={"ARUN_REPORT": "folder"}), "$ARUN_REPORT: folder: not a regular file")
    usage(arun("--report=", "./p.so"), "--report: '' is not the name of a file")
    assert not os.path.exists("target.json") and not os.path.exists("-")


@claim
def options_end_at_plugin():
    result = arun("./p.so:words", "--help", "-d", "--", "--no-such", "", "a b")
    equal((result.returncode, result.stdout, result.stderr),
          (6, "<./p.so><--help><-d><--><--no-such><><a b>", ""))
    result = arun("-d", "--", "./p.so:words", "-x")
    equal((result.returncode, result.stdout), (1, "<./p.so><-x>"))


@claim
def a_plugin_without_a_slash_is_found_in_folders():
    os.makedirs("path", exist_ok=True)
    shutil.copy("one.so", "path/named.so")
    env = {"ARUN_PATH": f"::relative:{folder.name}/path"}
    for word in ("named", "named:only"):
        result = arun(word, env=env)
        equal((result.returncode, result.stdout, result.stderr), (0, "named\n", ""))
    equal(arun("named").returncode, 127)
    got, text = record("lone")
    equal((got["path"], got["argv0"]), (f"{folder.name}/library/lone.so", "lone"), text)


@claim
def the_last_colon_separates_unless_a_file_has_the_name():
    shutil.copy("one.so", "odd:one.so")
    for word, first in (("./odd:one.so", "./odd:one.so"), ("./odd:one.so:only", "./odd:one.so"),
                        ("./one.so:only", "./one.so"), ("./one.so", "./one.so")):
        result = arun(word)
        equal((result.returncode, result.stdout, result.stderr), (0, first + "\n", ""))
    shutil.copy("one.so", "./one.so:only")
    equal(arun("./one.so:only").stdout, "./one.so:only\n")
    os.unlink("./one.so:only")


@claim
def check_prints_the_entries_in_their_order():
    result = arun("--check", "./p.so")
    equal((result.returncode, result.stderr), (0, ""))
    lines = [re.sub(r":\d+\)$", ":N)", line) for line in result.stdout.splitlines()]
    equal(lines, [
        r"words  main  prints its words\x1b[31m  (p.so.c:N)",
        "echo  server  echoes lines  (p.so.c:N)",
        "streams  main  (p.so.c:N)",
        "hello  main  (p.so.c:N)",
        "forks  main  (p.so.c:N)",
    ])
    numbers = [int(n) for n in re.findall(r":(\d+)\)", result.stdout)]
    equal(numbers, sorted(numbers))


@claim
def check_of_an_entry_says_whether_it_exists():
    result = arun("-t", "./p.so:echo")
    equal((result.returncode, result.stderr), (0, ""))
    assert re.fullmatch(r"echo  server  echoes lines  \(p\.so\.c:\d+\)\n", result.stdout)
    result = arun("-t", "./p.so:nothing")
    equal((result.returncode, result.stdout, result.stderr.count("\n")), (126, "", 1))
    contains(result.stderr, "nothing")
    contains(result.stderr, "words, echo")


@claim
def check_opens_no_report():
    equal(arun("-t", "--report=check.json", "./p.so").returncode, 0)
    assert not os.path.exists("check.json")


@claim
def closed_standard_streams_are_opened():
    result = run("sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-', ARUN, "./p.so:streams")
    equal(result.returncode, 7)


@claim
def output_that_cannot_be_written_is_a_failure():
    with open("/dev/full", "w") as full:
        for words in (["--help"], ["--version"], ["-t", "./p.so"], ["./p.so:hello"]):
            result = arun(*words, stdout=full)
            equal((result.returncode, result.stderr),
                  (1, "arun: standard output: No space left on device\n"), words)
        equal(arun("./p.so:hello", "3", stdout=full).returncode, 3)
        equal(arun("./p.so:streams", stdout=full).returncode, 7)


@claim
def a_pipe_that_nobody_reads_is_a_failure():
    reader, writer = os.pipe()
    os.close(reader)
    result = arun("./p.so:hello", stdout=writer)
    os.close(writer)
    equal((result.returncode, result.stderr), (1, "arun: standard output: Broken pipe\n"))


@claim
def a_run_that_cannot_start_is_125():
    env = {"RECORD_ERRNO": "24"}
    result = run("./recorder", "./p.so:words", env=env)
    equal((result.returncode, result.stderr),
          (125, "arun: ./p.so: cannot run: Too many open files\n"))


@claim
def arun_dies_of_the_signal_that_ended_the_run():
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        result = run("./recorder", "./p.so:hello",
                     env={"RECORD_SIGNAL": str(int(signum)), "RECORD_CALL": "1"},
                     preexec_fn=lambda: signal.pthread_sigmask(
                         signal.SIG_BLOCK, {signum}))
        equal((result.returncode, result.stderr), (-signum, ""))
        contains(result.stdout, "hello")


@claim
def process_1_of_a_namespace_exits_with_128_and_the_signal():
    if not shutil.which("unshare") or run("unshare", "-pf", "true").returncode != 0:
        raise Skip("no namespace of processes can be made here")
    result = run("unshare", "-pf", "./recorder", "./p.so:hello", env={"RECORD_SIGNAL": "15"})
    equal((result.returncode, result.stderr), (128 + 15, ""))


@claim
def a_child_forked_at_the_end_does_not_die_of_the_signal():
    result = run("./recorder", "./p.so:forks", env={"RECORD_SIGNAL": "15", "RECORD_CALL": "1"})
    equal(result.returncode, -15)
    contains(result.stdout, "child exited")


@claim
def privileges_are_refused():
    if os.geteuid() != 0:
        raise Skip("only root can start a program with those of another user")
    # An effective user that is not the real one makes the kernel set AT_SECURE.
    try:
        result = arun("--version", preexec_fn=lambda: os.setresuid(0, 65534, 0))
    except PermissionError:
        raise Skip("another user cannot reach the built arun")
    if result.returncode == 127:
        raise Skip("the dynamic linker refuses: " + result.stderr.strip())
    line = "refusing to run with set-uid, set-gid or file capabilities"
    if "LeakSanitizer" in result.stderr: # cannot look into such a process, and says so
        equal(result.stderr.split("\n")[0], f"arun: {line}")
    else:
        refused(result, line)


def man_section(name):
    text = read("man", "arun.1").replace("\\-", "-")
    return re.search(rf"^\.SH {name}\n(.*?)(?=^\.SH )", text, re.M | re.S)[1]


@claim
def the_man_page_has_the_options_of_help():
    text = man_section("OPTIONS")
    heads = "\n".join(re.findall(r"^\.TP\n(.*)$", text, re.M))
    equal(sorted(re.findall(r"--([a-z-]+)", heads)), sorted(LONG))
    equal(sorted(re.findall(r"(?<![\w-])-(\w)\b", heads)), sorted(LETTERS))
    equal(set(re.findall(r"--([a-z-]+)", text)) - set(LONG), set())
    contains(heads, "--grace=\\fISECONDS")
    contains(heads.replace(" ", ""), "--leaks=off|warn|error")
    heads = "\n".join(re.findall(r"^\.TP\n(.*)$", man_section("ENVIRONMENT"), re.M))
    equal(set(re.findall(r"ARUN_\w+", heads)), VARIABLES | {"ARUN_PATH"})

build_fixtures()
main()
