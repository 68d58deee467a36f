#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Bad plugins get one line that tells the truth, and never crash arun."""
import os
import platform
import random
import shutil
import socket
import struct
import subprocess
import time

import plugins
import tap
from elf import *  # noqa: F403: names of elf(5)
from needs import mounting
from plugins import FOLDER
from tap import Skip, claim, contains, equal

HERE = {"x86_64": "x86-64"}.get(platform.machine(), platform.machine())

ENTRY = """
#include <arun.h>
static int %s(int argc, char **argv) {
	(void)argc;
	(void)argv;
	return 0;
}
"""
MAIN = ENTRY % "serve" + "ARUN_MAIN(serve)\n"
TWO = ENTRY % "one" + ENTRY % "two" + """
ARUN_MAIN(one, .name = "echo", .about = "echoes lines")
ARUN_SERVER(two, .name = "stats")
"""


def write(name, content):
    (FOLDER / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return "./" + name


def read(name):
    return (FOLDER / name).read_bytes()


def compiled(name, source, *flags, shared=True):
    """Compiles source into name; the source is no test's business afterwards."""
    write("source.c", source)
    kind = ["-shared", "-fPIC"] if shared else []
    plugins.compiled(FOLDER / name, FOLDER / "source.c", *kind, libraries=flags)
    os.unlink(FOLDER / "source.c")
    return "./" + name


def good():
    if not os.path.exists(FOLDER / "good.so"):
        compiled("good.so", TWO)
    return read("good.so")


def patched(name, offset, form, *values):
    content = bytearray(good())
    struct.pack_into(form, content, offset, *values)
    return write(name, bytes(content))


def arun(*words, **options):
    return tap.arun(*words, cwd=FOLDER, **options)


def refused(plugin, line, status=126, env=None):
    """The same line with and without --check, and nothing else."""
    for words in ([plugin], ["--check", plugin]):
        ended = arun(*words, env=env)
        equal(ended.stderr, f"arun: {line}\n", words)
        equal((ended.stdout, ended.returncode), ("", status), words)


def file_offset(content, address):
    return next(address - h[4] + h[3] for h in program_headers(content)
                if h[1] == PT_LOAD and h[4] <= address < h[4] + h[6])


def table_offset(content, number):
    """Where in the file the table is that a tag of the dynamic section points to."""
    address, = struct.unpack_from("<Q", content, tag_offset(content, number) + 8)
    return file_offset(content, address)


def whole(content):
    """The length that the ELF header speaks of."""
    return (struct.unpack_from("<Q", content, SHOFF)[0] + struct.unpack_from("<H", content, SHNUM)[0]
            * struct.unpack_from("<H", content, SHENTSIZE)[0])


@claim
def a_good_plugin_is_offered_and_found_by_path_name_and_entry():
    good()
    ended = arun("--check", "./good.so")
    equal((ended.returncode, ended.stderr), (0, ""))
    contains(ended.stdout, "echo")
    contains(ended.stdout, "stats")
    equal(arun("./good.so:echo").returncode, 0)
    equal(arun("good:echo", env={"ARUN_PATH": FOLDER}).returncode, 0)
    equal(arun("good.so:echo", env={"ARUN_PATH": f":relative:{FOLDER}"}).returncode, 0)


@claim
def no_such_file():
    refused("./missing.so", "./missing.so: no such file", 127)
    refused("./missing.so:echo", "./missing.so: no such file", 127)
    good()
    refused("./good", "./good: no such file; did you mean ./good.so?", 127)
    os.symlink("missing.so", FOLDER / "dangling.so")
    refused("./dangling.so", "./dangling.so: is a symbolic link to no file", 127)


@claim
def where_nobody_reads_the_line_the_status_tells():
    ours, theirs = os.pipe()
    os.close(ours)
    equal(subprocess.run([tap.ARUN, "./missing.so"], stderr=theirs).returncode, 127)
    os.close(theirs)


@claim
def a_name_without_a_slash_is_not_the_file_here():
    good()
    for word, said in (("good.so", "./good.so"), ("good", "./good.so"),
                       ("good.so:echo", "./good.so:echo")):
        name = word.split(":")[0]
        line = f"{name}: not in ARUN_PATH; did you mean {said}?"
        refused(word, line, 127)
        refused(word, line, 127, {"ARUN_PATH": ".::relative"})
    os.mkdir(FOLDER / "nowhere")
    ended = arun("nowhere")
    equal((ended.returncode, ended.stderr.count("\n")), (127, 1))
    contains(ended.stderr, "arun: nowhere: no such plugin in ARUN_PATH")


@claim
def a_colon_in_a_file_name_is_part_of_it():
    shutil.copy((good(), FOLDER / "good.so")[1], FOLDER / "good.so:two")
    ended = arun("--check", "./good.so:two")
    equal((ended.returncode, ended.stderr), (0, ""))
    refused("./good.so:two:none",
            './good.so:two: has no entry "none"; it declares: echo, stats')


@claim
def what_is_no_regular_file_is_named_and_never_waited_for():
    os.mkdir(FOLDER / "folder.so")
    refused("./folder.so", "./folder.so: is a folder")
    os.mkfifo(FOLDER / "fifo.so")
    refused("./fifo.so", "./fifo.so: is a FIFO")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(FOLDER / "socket.so"))
        refused("./socket.so", "./socket.so: is a socket")
    refused("/dev/null", "/dev/null: is a device")
    refused("/dev/tty", "/dev/tty: is a device")


@claim
def no_permission():
    compiled("secret.so", MAIN)
    os.chmod(FOLDER / "secret.so", 0)
    options = {}
    if os.geteuid() == 0:
        os.chmod(FOLDER, 0o711)
        options = {"user": 65534, "extra_groups": []}
    try:
        ended = arun("./secret.so", **options)
    except PermissionError:
        raise Skip("root may read everything, and nobody may not run arun") from None
    equal((ended.returncode, ended.stderr), (126, "arun: ./secret.so: "
          "cannot open shared object file: Permission denied\n"))


@claim
def source_is_to_be_built():
    write("srv.c", MAIN)
    flags = "$(pkg-config --cflags arun)"
    refused("./srv.c", "./srv.c: is C source, not a plugin; "
            f"build it with: cc -shared -fPIC -o srv.so srv.c {flags}")
    write("srv.cpp", MAIN)
    refused("./srv.cpp", "./srv.cpp: is C++ source, not a plugin; "
            f"build it with: c++ -shared -fPIC -o srv.so srv.cpp {flags}")


@claim
def what_is_not_elf():
    refused(write("empty.so", ""), "./empty.so: is empty")
    refused(write("short.so", "hello\n"), "./short.so: is not an ELF file")
    refused(write("text.so", "hello\n" * 50), "./text.so: is not an ELF file")
    refused(write("archive.so", "!<arch>\nhello"),
            "./archive.so: is a static library, not a shared one")


@claim
def another_kind_of_elf_file():
    refused(compiled("x.o", MAIN, "-c", shared=False),
            "./x.o: is an object file, not a shared one: link it with -shared")
    program = "int main(void) { return 0; }\n"
    refused(compiled("pie", program, "-pie", "-fPIE", shared=False),
            "./pie: is a program, not a plugin")
    refused(compiled("no-pie", program, "-no-pie", shared=False),
            "./no-pie: is a program, not a plugin")
    refused(patched("core.so", TYPE, "<H", 4), "./core.so: is a core dump, not a plugin")


@claim
def another_machine():
    other, name = (183, "aarch64") if HERE == "x86-64" else (62, "x86-64")
    for number, machine in ((other, name), (243, "RISC-V"), (4711, "machine number 4711")):
        refused(patched("machine.so", MACHINE, "<H", number),
                f"./machine.so: built for {machine}, this machine is {HERE}")


@claim
def another_class_or_byte_order():
    content = bytearray(good())
    content[CLASS] = 1
    struct.pack_into("<H", content, MACHINE, 3)
    refused(write("i386.so", bytes(content)),
            f"./i386.so: built for 32-bit x86, this machine is {HERE}")
    content[DATA] = 2
    struct.pack_into(">H", content, MACHINE, 8)
    refused(write("mips.so", bytes(content)),
            f"./mips.so: built for big-endian 32-bit MIPS, this machine is {HERE}")
    refused(patched("bsd.so", OSABI, "B", 9),
            "./bsd.so: built for another system (FreeBSD, ELF OS ABI 9), this is Linux")


@claim
def a_file_cut_short_at_20_lengths():
    content = good()
    lengths = {19, 63, 64, 200, len(content) - 1}
    lengths |= {len(content) * i // 16 for i in range(1, 16)}
    equal(len(lengths), 20)
    for length in lengths:
        needed = 64 if length < 64 else whole(content)
        refused(write("cut.so", content[:length]),
                f"./cut.so: is cut short: {length} bytes of {needed}")


@claim
def a_stripped_file_cut_short():
    compiled("stripped.so", TWO, "-s")
    content = bytearray(read("stripped.so"))
    struct.pack_into("<Q", content, SHOFF, 0)
    struct.pack_into("<HH", content, SHNUM, 0, 0)
    loaded = max(h[3] + h[6] for h in program_headers(content) if h[1] == PT_LOAD)
    refused(write("cut.so", bytes(content[:loaded - 1])),
            f"./cut.so: is cut short: {loaded - 1} bytes of {loaded}")
    write("headless.so", bytes(content[:loaded]))
    for words in (["./headless.so:stats", "--check"][::-1], ["./headless.so:echo"]):
        ended = arun(*words)
        equal((ended.returncode, ended.stderr), (0, ""), words)


@claim
def a_file_with_only_a_sysv_hash_table():
    compiled("sysv.so", TWO, "-Wl,--hash-style=sysv")
    equal(arun("./sysv.so:echo").stderr, "")
    refused("./sysv.so:none", './sysv.so: has no entry "none"; it declares: echo, stats')


@claim
def a_missing_library():
    compiled("libarunfoo.so", "int foo(void);\nint foo(void) { return 0; }\n")
    compiled("needy.so", MAIN, "-Wl,--no-as-needed", "-L.", "-larunfoo")
    compiled("libarunbar.so", "int bar(void);\nint bar(void) { return 0; }\n",
             "-Wl,--no-as-needed", "-L.", "-larunfoo")
    compiled("needier.so", MAIN, "-Wl,--no-as-needed,-rpath,$ORIGIN", "-L.", "-larunbar",
             "-Wl,--unresolved-symbols=ignore-all")
    os.unlink(FOLDER / "libarunfoo.so")
    refused("./needy.so", "./needy.so needs libarunfoo.so, which is not found")
    refused("./needier.so", "./needier.so needs libarunfoo.so (through another library), "
            "which is not found")


@claim
def a_library_cut_short_kills_a_child_at_most():
    compiled("libarundep.so", "int foo(void);\nint foo(void) { return 0; }\n")
    compiled("depends.so", MAIN, "-Wl,--no-as-needed,-rpath,$ORIGIN", "-L.", "-larundep")
    library = read("libarundep.so")
    write("libarundep.so", library[:len(library) // 3])
    ended = arun("--check", "./depends.so")
    equal((ended.returncode, ended.stderr.count("\n")), (126, 1), ended)
    contains(ended.stderr, "arun: ./depends.so: ")


@claim
def what_the_dynamic_linker_says_well_is_kept():
    refused(compiled("closed.so", MAIN, "-Wl,-z,nodlopen"),
            "./closed.so: shared object cannot be dlopen()ed")


@claim
def an_undefined_symbol():
    source = MAIN + "int %s(void);\nint use(void);\nint use(void) { return %s(); }\n"
    refused(compiled("open.so", source % ("missing_fn", "missing_fn")),
            "./open.so: undefined symbol: missing_fn (is a library missing at the link?)")
    refused(compiled("newer.so", source % ("arun_of_2031", "arun_of_2031")),
            "./newer.so: undefined symbol: arun_of_2031 (it was built for a newer arun)")


@claim
def no_entry():
    refused(compiled("bare.so", "int nothing;\n"), "./bare.so: has no ARUN_MAIN or ARUN_SERVER")
    good()
    refused("./good.so:none", './good.so: has no entry "none"; it declares: echo, stats')
    ended = arun("./good.so")
    equal((ended.returncode, ended.stderr), (126, "arun: ./good.so: which entry? "
          "It declares: echo, stats; say PLUGIN:ENTRY\n"))


@claim
def without_a_name_main_or_the_one_like_the_file_runs():
    for name, entry in (("three.so", "main"), ("echo.so", "echo")):
        compiled(name, (ENTRY % "a").replace("return 0", "return 3") + ENTRY % "b"
                 + f'ARUN_MAIN(a, .name = "{entry}")\nARUN_MAIN(b, .name = "other")\n')
        ended = arun("./" + name)
        equal((ended.returncode, ended.stderr), (3, ""), name)


def descriptor(**members):
    """A plugin whose descriptor says something else than ARUN_MAIN would."""
    given = {"abi": "ARUN_ABI", "size": "sizeof(struct arun_entry)", "kind": "ARUN_ENTRY_MAIN",
             "function": "serve", "identifier": '"serve"', "file": '"srv.c"', "line": "7",
             **members}
    fields = ", ".join(f".{name} = {value}" for name, value in given.items())
    return (ENTRY % "serve" + "extern ARUN_API const struct arun_entry arun_entry_serve;\n"
            f"const struct arun_entry arun_entry_serve = {{{fields}}};\n")


@claim
def another_abi():
    refused(compiled("abi.so", descriptor(abi="2")),
            "./abi.so: was built for arun ABI 2, this is 1")


@claim
def a_broken_descriptor():
    line = './broken.so: its entry "serve" is damaged'
    broken = "./broken.so"
    for member in ({"kind": "7"}, {"function": "NULL"}, {"identifier": "NULL"},
                   {"name": "(const char *)1"}, {"about": "(const char *)-9L"},
                   {"reload": "(int (*)(void))4096"}):
        compiled("broken.so", descriptor(**member), "-Wno-pedantic")
        refused(broken, line)
    for size in (12, 1 << 30):
        compiled("broken.so", descriptor(size=str(size)))
        refused(broken, f"{line}: a descriptor of {size} bytes")


@claim
def an_older_shorter_descriptor_is_completed():
    compiled("older.so", descriptor(size="offsetof(struct arun_entry, name)",
                                    name='"beyond"', reload="(int (*)(void))4096"))
    ended = arun("./older.so:serve")
    equal((ended.returncode, ended.stderr), (0, ""))


@claim
def a_file_system_mounted_noexec():
    good()
    os.mkdir(FOLDER / "noexec")
    noexec = mounting("mount -t tmpfs -o noexec none noexec && cp good.so noexec")
    ended = tap.run(*noexec, tap.ARUN, "./noexec/good.so:echo", cwd=FOLDER)
    equal((ended.returncode, ended.stderr), (126, "arun: ./noexec/good.so: "
          "is on a file system mounted noexec\n"))


@claim
def damage_is_named_and_kills_a_child_at_most():
    content = good()
    for name, number in DT.items():
        try:
            at = tag_offset(content, number) + 8
        except StopIteration:
            continue
        patched("damaged.so", at, "<Q", 0x7ffffff0000)
        for words in (["./damaged.so:echo"], ["--check", "./damaged.so"]):
            ended = arun(*words)
            equal((ended.returncode, ended.stderr.count("\n")), (126, 1), (name, ended))
            contains(ended.stderr, "arun: ./damaged.so: ")
    patched("damaged.so", tag_offset(content, DT["SYMTAB"]) + 8, "<Q", 0x7ffffff0000)
    refused("./damaged.so", "./damaged.so: is damaged: the dynamic linker died of SIGSEGV "
            "on it (its symbol table is not in it)")


@claim
def a_constructor_that_fails_is_told_from_damage():
    body = MAIN + "#include <signal.h>\n#include <unistd.h>\n__attribute__((constructor)) " \
        "static void start(void) { %s; }\n"
    for act, said in (("raise(SIGSEGV)", "died of SIGSEGV while it was loaded, "
                       "in a constructor or destructor of it"),
                      ("_exit(3)", "ended the process with exit status 3 while it was loaded")):
        compiled("ctor.so", body % act)
        ended = arun("--check", "./ctor.so")
        equal((ended.returncode, ended.stderr), (126, f"arun: ./ctor.so: {said}\n"))


@claim
def a_trial_prints_nothing_twice():
    compiled("loud.so", MAIN + "__attribute__((constructor)) static void start(void) "
             '{ fprintf(stderr, "loud\\n"); }\n')
    equal(arun("--check", "./loud.so").stderr, "loud\n")


@claim
def a_constructor_that_crashes_is_told_of():
    compiled("dies.so", MAIN + "__attribute__((constructor)) static void c(void) { abort(); }",
             "-include", "stdlib.h")
    ended = arun("./dies.so")
    line = "crashed while it was loaded, in a constructor of it, or it is damaged"
    equal((ended.returncode, ended.stderr), (-6, f"arun: ./dies.so: {line}\n"))


@claim
def a_constructor_that_hangs_is_given_up_on():
    compiled("hang.so", MAIN + "#include <unistd.h>\n__attribute__((constructor)) "
             "static void start(void) { for (;;) { pause(); } }\n")
    ended = arun("--check", "./hang.so", timeout=20)
    equal((ended.returncode, ended.stderr), (126, "arun: ./hang.so: is damaged, or its "
          "constructor hangs: not loaded within 10 s\n"))


@claim
def control_characters_in_names_are_escaped():
    for name, shown in (("a\nb\x1b[31m\t", "a\\x0ab\\x1b[31m\\x09"), ("\x9b", "\\xc2\\x9b"),
                        ("\udcff\udc80", "\\xff\\x80"), ("\xe4\u20ac", "\xe4\u20ac")):
        refused(f"./{name}.so", f"./{shown}.so: no such file", 127)


@claim
def a_very_long_path_leaves_room_for_the_cause():
    ended = arun("./" + "y" * 3000)
    equal((ended.returncode, ended.stderr.count("\n")), (126, 1))
    contains(ended.stderr, "yyy: cannot open shared object file: File name too long")


def flippable(content):
    """The places in headers and dynamic tables, each byte once."""
    regions = [(0, 64), (struct.unpack_from("<Q", content, PHOFF)[0], 56 * len(
        program_headers(content))), dynamic_section(content)]
    sizes = {"STRTAB": DT["STRSZ"], "RELA": DT["RELASZ"], "JMPREL": 2}
    for name in ("STRTAB", "SYMTAB", "GNU_HASH", "RELA", "JMPREL", "VERNEED"):
        try:
            start = table_offset(content, DT[name])
            size = struct.unpack_from("<Q", content, tag_offset(content, sizes[name]) + 8)[0] \
                if name in sizes else 96
        except StopIteration:
            continue
        regions.append((start, size))
    return sorted({at for start, size in regions for at in range(start, start + size)})


def flip_ends_well(content, at, bit):
    content = bytearray(content)
    content[at] ^= 1 << bit
    plugin = write("flipped.so", bytes(content))
    start = time.monotonic()
    ended = arun("--check", plugin, timeout=20)
    about = (f"bit {bit} at {at}, {time.monotonic() - start:.1f} s", ended)
    if ended.returncode == 0:
        equal(ended.stderr, "", about)
        return False
    equal((ended.returncode, ended.stdout, ended.stderr.count("\n")), (126, "", 1), about)
    equal(ended.stderr.startswith("arun: ./flipped.so"), True, about)
    return True


@claim
def a_thousand_flipped_bits_in_headers_and_tables_never_crash_arun():
    content = good()
    places = flippable(content)
    chance = random.Random(20161111)
    start = time.monotonic()
    bad = sum(flip_ends_well(content, chance.choice(places), chance.randrange(8))
              for _ in range(1000))
    print(f"# {bad} of 1000 were refused, in {time.monotonic() - start:.1f} s")
    equal(bad > 300, True, "flips must matter")


if __name__ == "__main__":
    tap.main()
