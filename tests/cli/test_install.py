# SPDX-License-Identifier: MIT
"""What `meson install` puts where, and that it is enough to build a plugin and a program."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from plugins import BUILD, SOURCE
from tap import DEADLINE, Skip, claim, contains, environment, equal, main

FOLDER = tempfile.TemporaryDirectory()
ROOT = pathlib.Path(FOLDER.name)


def built_with(name):
    options = json.loads((BUILD / "meson-info" / "intro-buildoptions.json").read_text())
    return next(option["value"] for option in options if option["name"] == name)


PREFIX = ROOT / built_with("prefix").lstrip("/")
LIBRARIES = PREFIX / built_with("libdir")
MANUAL = PREFIX / built_with("mandir")


def shell(command):
    variables = environment(
        PATH=f"{PREFIX / 'bin'}:{os.environ['PATH']}",
        PKG_CONFIG_PATH=str(LIBRARIES / "pkgconfig"),
        PKG_CONFIG_SYSROOT_DIR=str(ROOT),
        LD_LIBRARY_PATH=str(LIBRARIES),
    )
    done = subprocess.run(["sh", "-ec", command], cwd=ROOT, env=variables, text=True,
                          capture_output=True, timeout=DEADLINE)
    equal((done.returncode, done.stderr), (0, ""), command)
    return done.stdout


def install():
    if not shutil.which("meson"):
        raise Skip("meson is not installed")
    command = ["meson", "install", "-C", BUILD, "--destdir", ROOT, "--no-rebuild", "--quiet"]
    done = subprocess.run(command, text=True, capture_output=True, timeout=DEADLINE)
    equal(done.returncode, 0, done.stdout + done.stderr)


@claim
def it_installs_what_the_manual_says_and_no_internals():
    install()
    found = {str(p.relative_to(PREFIX)) for p in PREFIX.rglob("*") if not p.is_dir()}
    manual = {n for n in found if n.startswith(built_with("mandir"))}
    completions = {n for n in found if "completion" in n or "site-functions" in n}
    libdir = built_with("libdir")
    version = re.search(r"version: '([\d.]+)'", (SOURCE / "meson.build").read_text())[1]
    equal(found - manual - completions, {
        "bin/arun", "include/arun.h", f"{libdir}/pkgconfig/arun.pc", f"{libdir}/libarun.so",
        f"{libdir}/libarun.so.0", f"{libdir}/libarun.so.{version}",
    })
    equal(len(completions), 3, completions)
    for page in ("man1/arun.1", "man3/arun.3", "man3/arun_spawn.3", "man7/arun-plugin.7"):
        assert (MANUAL / page).exists(), page


@claim
def a_plugin_needs_nothing_but_the_flags_of_pkg_config():
    contains(shell("pkg-config --cflags arun"), "-fstack-clash-protection")
    source = SOURCE / "plugins" / "01-hello.c"
    shell(f"{os.environ['CC']} -shared -fPIC -o hello.so {source} $(pkg-config --cflags arun)")
    equal(shell("arun ./hello.so you"), "hello, you\nand good-bye\n")


@claim
def a_plugin_in_the_path_is_found_by_its_name():
    equal(shell(f"ARUN_PATH={ROOT} arun hello"), "hello, world\nand good-bye\n")


@claim
def a_program_of_ones_own_links_with_the_library():
    (ROOT / "own.c").write_text(
        "#include <arun.h>\n"
        "int main(void) {\n\tputs(arun_version());\n\treturn 0;\n}\n"
    )
    shell(f"{os.environ['CC']} -o own own.c $(pkg-config --cflags --libs arun)")
    equal(shell("./own"), shell("arun --version").split()[-1] + "\n")


main()
