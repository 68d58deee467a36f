#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Files made to be looked at for hours are judged at once; names made to forge lines do not."""
import array
import shutil
import struct

import tap
from elf import *  # noqa: F403: names of elf(5)
from plugins import FOLDER, written
from tap import claim, contains, equal

SECONDS = 30  # less than a fraction of what looking at everything each time would take
DT_NEEDED, DT_VERNEEDNUM = 1, 0x6fffffff
SOURCE = """
#include <arun.h>
#include <stdio.h>
static int serve(int argc, char **argv) {
	return argc && printf("%s\\n", argv[0]) < 0;
}
ARUN_MAIN(serve)
"""


def good():
    """A sound plugin, without section headers: what they say of the tables would not fit."""
    content = bytearray(written("good", SOURCE).read_bytes())
    struct.pack_into("<Q", content, SHOFF, 0)
    struct.pack_into("<HH", content, SHNUM, 0, 0)
    return content


def header_offset(content, kind):
    return next(h[0] for h in program_headers(content) if h[1] == kind)


def value(content, number):
    return struct.unpack_from("<Q", content, tag_offset(content, number) + 8)[0]


def point(content, number, address):
    struct.pack_into("<Q", content, tag_offset(content, number) + 8, address)


def bytes_at(content, address, size):
    offset = next(address - h[4] + h[3] for h in program_headers(content)
                  if h[1] == PT_LOAD and h[4] <= address < h[4] + h[6])
    return bytes(content[offset:offset + size])


def loaded(content, addition):
    """Appends addition, to be loaded behind the rest in place of a note; returns its address."""
    last = max(h[4] + h[6] for h in program_headers(content) if h[1] == PT_LOAD)
    address = (last + 0x1ffff) & ~0xffff
    content.extend(bytes(-len(content) % 0x10000))
    struct.pack_into("<IIQQQQQQ", content, header_offset(content, PT_NOTE), PT_LOAD, 4,
                     len(content), address, address, len(addition), len(addition), 0x10000)
    content.extend(addition)
    return address


def tags_first(content, tags, table=b""):
    """Puts tags before those of the dynamic section; returns where table is loaded."""
    offset, size = dynamic_section(content)
    tags += bytes(content[offset:offset + size])
    address = loaded(content, table + tags)
    struct.pack_into("<QQQQQ", content, header_offset(content, PT_DYNAMIC) + 8,
                     len(content) - len(tags), address + len(table), address + len(table),
                     len(tags), len(tags))
    return address


def judged(content):
    (FOLDER / "large.so").write_bytes(content)
    ended = tap.arun("--check", "./large.so", cwd=FOLDER, timeout=SECONDS)
    equal((ended.returncode, ended.stderr.count("\n")), (126, 1), ended)
    contains(ended.stderr, "arun: ./large.so")
    return ended.stderr


@claim
def the_versions_that_many_libraries_share_are_counted():
    count = 60000
    content = good()
    libraries = b"".join(struct.pack("<HHIII", 1, count, 1, 16 * (count - i), 16 * (i < count - 1))
                         for i in range(count))
    versions = struct.pack("<IHHII", 0, 0, 2, 1, 16) * (count - 1)
    versions += struct.pack("<IHHII", 0, 0, 2, 1, 0)
    point(content, DT["VERNEED"], loaded(content, libraries + versions))
    point(content, DT_VERNEEDNUM, count)
    judged(content)


@claim
def a_million_tags_are_not_compared_with_each_other():
    content = good()
    tags = array.array("Q", bytes(16 << 20))
    tags[::2] = array.array("Q", range(1 << 40, (1 << 40) + (1 << 20)))
    tags_first(content, tags.tobytes())
    judged(content)


@claim
def tags_are_not_sought_for_each_relocation():
    content = good()
    size = value(content, DT["RELASZ"])
    table = bytes_at(content, value(content, DT["RELA"]), size)
    table += table[:24] * 400000
    point(content, DT["RELASZ"], len(table))
    # The place of the table is known once it is loaded.
    probe = bytearray(content)
    point(content, DT["RELA"], loaded(probe, table))
    tags_first(content, struct.pack("<QQ", DT_NEEDED, 1) * 400000, table)
    judged(content)


@claim
def what_is_made_read_only_is_the_plugins_own():
    """The dynamic linker would take the right to write, or to run, from whatever else is there."""
    for member, bit in ((16, 21), (16, 63), (40, 40)):  # p_vaddr, p_memsz
        content = good()
        at = header_offset(content, PT_GNU_RELRO) + member
        number, = struct.unpack_from("<Q", content, at)
        struct.pack_into("<Q", content, at, number ^ 1 << bit)
        contains(judged(content), "is damaged: what is to be read-only is not in it")


@claim
def a_name_does_not_forge_a_line_where_the_plugin_crashes():
    crashes = written("crashes", SOURCE + "#include <stdlib.h>\n"
                      "__attribute__((constructor)) static void start(void) { abort(); }\n")
    for name, shown in (("\u202egpj", r"\xe2\x80\xaegpj"), ("\u2028", r"\xe2\x80\xa8"),
                        ("\udced\udca0\udc80", r"\xed\xa0\x80"), ("\udcf0\udc82\udc82\udcac",
                        r"\xf0\x82\x82\xac"), ("a\x1b\n", r"a\x1b\x0a"), ("\xe4\u20ac", "\xe4\u20ac")):
        shutil.copy(crashes, FOLDER / f"{name}.so")
        ended = tap.arun(f"./{name}.so", cwd=FOLDER)
        equal((ended.returncode, ended.stderr), (-6, f"arun: ./{shown}.so: crashed while it was "
              "loaded, in a constructor of it, or it is damaged\n"))


@claim
def a_constructor_that_ends_the_process_is_told_of():
    for act in "exit(0)", "exit(3)", "pthread_exit(NULL)":
        written("leaves", SOURCE + "#include <pthread.h>\n#include <stdlib.h>\n"
                f"__attribute__((constructor)) static void start(void) {{ {act}; }}\n", "-pthread")
        ended = tap.arun("./leaves.so", cwd=FOLDER)
        equal((ended.returncode, ended.stderr), (126, "arun: ./leaves.so: ended the process while "
              "it was loaded, in a constructor of it\n"), act)


if __name__ == "__main__":
    tap.main()
