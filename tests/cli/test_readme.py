# SPDX-License-Identifier: MIT
"""README.md: its code compiles and runs, its commands are there, its links lead somewhere."""
import os
import re
import shlex
import signal
import subprocess

from installed import Installed, skip_where_sanitized
from plugins import FOLDER, SOURCE, serving
from tap import DEADLINE, claim, contains, descriptors, equal, main, until

TEXT = (SOURCE / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.M | re.S)
USER = Installed(FOLDER)
HERE = USER.root


def blocks(language):
    return [text for kind, text in BLOCKS if kind == language]


def block(language, part):
    found = [text for text in blocks(language) if part in text]
    equal(len(found), 1, f"{language} blocks with {part!r}")
    return found[0]


def shell(command):
    return USER.shell(
        re.sub(r"^cc\b", f"{os.environ['CC']} -Wall -Wextra -Wpedantic -Werror", command)
    )


def unpack():
    """The code blocks, under the names in their first lines, and the plugins beside them."""
    for text in blocks("c"):
        (HERE / re.match(r"/\* (\w+\.c) \*/\n", text)[1]).write_text(text)
    (HERE / "plugins").symlink_to(SOURCE / "plugins")


@claim
def every_block_is_of_a_kind_that_is_tested():
    equal({kind for kind, _ in BLOCKS}, {"c", "sh", "console"})
    equal(len(re.findall(r"^```", TEXT, re.M)), 2 * len(BLOCKS), "fences")


@claim
def the_first_commands_are_there():
    lines = block("sh", "tools/quickstart").splitlines()
    first, install, last = (" ".join(shlex.split(line, comments=True)) for line in lines)
    equal((first, last), ("tools/quickstart", "tools/check"))
    for command in first, last:
        assert os.access(SOURCE / command, os.X_OK), command
    # What the first one has built.
    contains((SOURCE / first).read_text(), f"\n{install}\n")
    equal(install, "sudo meson install -C build")


@claim
def the_server_builds_and_serves_as_shown():
    compile_line, run_line = block("sh", "echo.so").splitlines()
    shell(compile_line)
    program, plugin, endpoint = shlex.split(run_line)
    equal((program, endpoint), ("arun", "127.0.0.1:7777"))
    with serving(HERE / plugin) as server:
        client = server.client()
        client.send(b"hello\n")
        equal(client.line(), b"hello\n")
        client.close()
        equal(server.stop(), (0, ""))


def masked(report):
    report = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", report)
    report = re.sub(r"\bfd \d+", "fd N", report)
    return re.sub(r"\d+ (ms|s|min) old", "N s old", report)


@claim
def the_report_is_as_shown():
    lines = block("console", "./leaky.so").splitlines()
    equal([lines[0][:4], lines[1:3]], ["$ cc", ["$ arun ./leaky.so", "^C"]])
    shell(lines[0][2:])
    process = subprocess.Popen(
        ["arun", "./leaky.so", "127.0.0.1:0"], cwd=HERE, env=USER.environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )

    def last_is_open():
        return "/etc/passwd" in descriptors(process.pid)

    try:
        until(lambda: process.poll() is not None or last_is_open(), "leaky is set up")
        process.send_signal(signal.SIGINT)
        output, report = process.communicate(timeout=DEADLINE)
    finally:
        process.kill()
    equal((process.returncode, output), (-signal.SIGINT, ""))
    equal(masked(report), masked("\n".join(lines[3:]) + "\n"))


@claim
def a_program_of_ones_own_links_and_runs_as_shown():
    skip_where_sanitized()
    shell(block("sh", "-o own ").strip())
    equal(subprocess.run([HERE / "own", "a", "b"], env=USER.environment).returncode, 3)


@claim
def a_plugin_says_what_it_offers():
    contains(TEXT, "`arun --check ./echo.so`")
    contains(shell("arun --check ./echo.so"), "serve  server  (echo.c:")


@claim
def the_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert len(links) > 10, links
    missing = [l for l in links if "://" not in l and not (SOURCE / l).exists()]
    equal(missing, [])


unpack()
main()
