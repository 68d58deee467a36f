#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The public header: compiles alone, and every name in it is exported, documented and tested."""
import os
import pathlib
import re
import shlex
import subprocess

import house

INCLUDE = house.SOURCE / "include"
HEADER = (INCLUDE / "arun.h").read_text()
CODE = re.sub(r"/\*.*?\*/", " ", HEADER, flags=re.S)
STRICT = "-Wall -Wextra -Wpedantic -Werror -fsyntax-only".split()
# A user's file: both entries, and each declaration and macro that makes code in the caller.
USER = r"""
#include <arun.h>
static int task(void *arg) { (void)arg; return arun_sleep(0); }
static int handler(arun_conn *conn, void *arg) { (void)arg; return arun_write(conn, "x", 1); }
static int first(int argc, char **argv) {
	(void)argc; (void)argv;
	ARUN_TIMEOUT(1);
	ARUN_SHIELD(1);
	ARUN_GROUP(group);
	return arun_group_spawn(group, task, NULL) < 0 ? -1 : arun_group_wait(group);
}
static int second(int argc, char **argv) {
	arun_server *server = arun_listen(argc > 1 ? argv[1] : "tcp:127.0.0.1:0", handler, NULL);
	return server && arun_yield() >= 0 ? arun_server_close(server) : -1;
}
ARUN_MAIN(first)
ARUN_SERVER(second, .name = "second", .about = "serves", .stack_size = 128 * 1024)
"""
# Any number of scopes on a line, as a macro has them; in blocks that are in one another, too.
SCOPES = r"""
#include <arun.h>
#define WITHIN(seconds) ARUN_TIMEOUT(seconds); ARUN_TIMEOUT(2 * (seconds)); ARUN_SHIELD(seconds)
#define TWICE(call) do { WITHIN(1); { WITHIN(arun_now()); call; break; } } while (0)
int twice(int times);
int twice(int times) {
	TWICE(times += arun_sleep(0)); { ARUN_SHIELD(1); { ARUN_SHIELD(1); { ARUN_TIMEOUT(1); } } }
	for (int i = 0; i < times; i++) { ARUN_TIMEOUT(1); if (i > 2) { ARUN_TIMEOUT(2); return i; } }
	return times;
}
"""


def functions():
    """Exported functions a user calls: not what only a macro calls for them."""
    names = set(re.findall(r"ARUN_API[^;(]*?\b(arun_\w+)\(", CODE))
    assert len(names) > 20, f"found only {names}"
    macros = "\n".join(re.findall(r"#define(?:.*\\\n)*.*", CODE))
    return names, {n for n in names if n in set(re.findall(r"\barun_\w+", re.sub(
        r"#define\s+arun_\w+", "", macros)))}


def macros():
    """Macros that the header explains, in a comment right above."""
    return set(re.findall(r"\*/\n#define (ARUN_[A-Z]+)\(", HEADER)) - {"ARUN_SITE"}


def compiles(compiler, language, *options, texts=("#include <arun.h>\n", USER)):
    command = [*compiler, "-x", language, *STRICT, *options, f"-I{INCLUDE}", "-"]
    for text in texts:
        done = subprocess.run(command, input=text, capture_output=True, text=True)
        assert done.returncode == 0, f"{shlex.join(command)}\n{done.stderr}"


def it_compiles_alone_as_C11_without_a_warning():
    compiles(shlex.split(os.environ.get("CC", "cc")), "c", "-std=c11", "-D_GNU_SOURCE")
    compiles(shlex.split(os.environ.get("CC", "cc")), "c", "-std=c11")


def it_compiles_alone_as_C_plus_plus_20_without_a_warning():
    compiles([house.tool("g++", "clang++", "c++")], "c++", "-std=c++20")


def scopes_share_a_line_without_a_warning():
    for standard in ("c11", "c17", "c2x"):
        compiles(shlex.split(os.environ.get("CC", "cc")), "c", f"-std={standard}", "-Wshadow",
                 texts=[SCOPES])
    for standard in ("c++17", "c++20"):
        compiles([house.tool("g++", "clang++", "c++")], "c++", f"-std={standard}", "-Wshadow",
                 texts=[SCOPES])


def words(*patterns):
    text = "".join(p.read_text() for pattern in patterns for p in house.SOURCE.glob(pattern))
    return set(re.findall(r"\b(?:arun|ARUN)_\w+", text.replace("\\-", "-").replace("\\_", "_")))


def every_name_is_in_a_manual_page():
    names, inner = functions()
    wanted = (names - inner) | macros()
    house.none(f"{n}: in no page of man/" for n in sorted(wanted - words("man/*.3", "man/*.7")))


def every_name_is_used_in_a_test_of_the_interface():
    names, inner = functions()
    wanted = (names - inner) | (macros() - {"ARUN_MAIN", "ARUN_SERVER"})
    house.none(f"{n}: not in tests/api" for n in sorted(wanted - words("tests/api/*.c")))


def the_library_exports_these_names_and_no_others():
    library = pathlib.Path(os.environ["ARUN_BUILD"]) / "libarun.so"
    listing = subprocess.run(
        [house.tool("nm"), "-D", "--defined-only", library],
        capture_output=True, text=True, check=True,
    )
    exported = {line.split()[-1].split("@")[0] for line in listing.stdout.splitlines()}
    names, _ = functions()
    house.none(f"{n}: declared, not exported" for n in sorted(names - exported))
    # "__": the marks of a sanitizer's build
    house.none(f"{n}: exported" for n in sorted(exported) if not n.startswith(("arun_", "__")))


def arun_starts_with_libc_and_libev_alone():
    listing = subprocess.run(
        [house.tool("readelf"), "-d", os.environ["ARUN"]], capture_output=True, text=True, check=True
    )
    needed = re.findall(r"\(NEEDED\).*\[(.*?)\.so", listing.stdout)
    # Older versions of glibc have these in files of their own.
    libc = {"libc", "libpthread", "libdl", "ld-linux-x86-64", "ld-linux-aarch64"}
    assert "libev" in needed, needed
    house.none(f"arun needs {name}" for name in needed if name not in libc | {"libev"})


house.run(
    it_compiles_alone_as_C11_without_a_warning,
    it_compiles_alone_as_C_plus_plus_20_without_a_warning,
    scopes_share_a_line_without_a_warning,
    every_name_is_in_a_manual_page,
    every_name_is_used_in_a_test_of_the_interface,
    the_library_exports_these_names_and_no_others,
    arun_starts_with_libc_and_libev_alone,
)
