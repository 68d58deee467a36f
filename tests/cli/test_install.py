# SPDX-License-Identifier: MIT
"""What `meson install` puts where, and that it is enough to build a plugin and a program."""
import os
import pathlib
import re

from installed import Installed, skip_where_sanitized
from plugins import BUILD, FOLDER, SOURCE, built_with
from tap import claim, contains, equal, main, run

USER = Installed(FOLDER)
ROOT, PREFIX, shell = USER.root, USER.prefix, USER.shell


@claim
def it_installs_what_the_manual_says_and_no_internals():
    found = {str(p.relative_to(PREFIX)) for p in PREFIX.rglob("*") if not p.is_dir()}
    manual = {n for n in found if n.startswith(built_with("mandir"))}
    completions = {n for n in found if "completion" in n or "site-functions" in n}
    libdir = built_with("libdir")
    version = re.search(r"version: '([\d.]+)'", (SOURCE / "meson.build").read_text())[1]
    modules = {p.name for p in (SOURCE / "cli" / "gdb" / "arun_gdb").glob("*.py")}
    scripts = f"share/gdb/auto-load{built_with('prefix')}"
    equal(found - manual - completions - {f"share/arun/gdb/arun_gdb/{n}" for n in modules}, {
        f"{scripts}/bin/arun-gdb.py", f"{scripts}/{libdir}/libarun.so.{version}-gdb.py",
        "bin/arun", "include/arun.h", f"{libdir}/pkgconfig/arun.pc", f"{libdir}/libarun.so",
        f"{libdir}/libarun.so.0", f"{libdir}/libarun.so.{version}",
        "lib/systemd/system/arun@.service", "lib/systemd/system/arun@.socket",
    })
    equal(len(completions), 3, completions)
    equal({pathlib.Path(n).name for n in found if n.startswith("share/arun/")}, modules)
    for page in ("man1/arun.1", "man3/arun.3", "man3/arun_spawn.3", "man7/arun-plugin.7"):
        assert (PREFIX / built_with("mandir") / page).exists(), page


@claim
def a_plugin_needs_nothing_but_the_flags_of_pkg_config():
    contains(shell("pkg-config --cflags arun"), "-fstack-clash-protection")
    source = SOURCE / "plugins" / "01-hello.c"
    shell(f"{os.environ['CC']} -shared -fPIC -o hello.so {source} $(pkg-config --cflags arun)")
    equal(shell("arun ./hello.so you"), "hello, you\nand good-bye\n")


@claim
def without_installing_there_are_flags_too():
    there = f"unset PKG_CONFIG_SYSROOT_DIR; PKG_CONFIG_PATH={BUILD}/meson-uninstalled"
    flags = f"$({there} pkg-config --cflags arun)"
    source = SOURCE / "plugins" / "01-hello.c"
    shell(f"{os.environ['CC']} -shared -fPIC -o there.so {source} {flags}")
    equal(shell("arun ./there.so you"), "hello, you\nand good-bye\n")


@claim
def a_plugin_in_the_path_is_found_by_its_name():
    equal(shell(f"ARUN_PATH={ROOT} arun hello"), "hello, world\nand good-bye\n")


@claim
def a_program_of_ones_own_links_with_the_library():
    skip_where_sanitized()
    (ROOT / "own.c").write_text(
        "#include <arun.h>\n"
        "int main(void) {\n\tputs(arun_version());\n\treturn 0;\n}\n"
    )
    shell(f"{os.environ['CC']} -o own own.c $(pkg-config --cflags --libs arun)")
    equal(shell("./own"), shell("arun --version").split()[-1] + "\n")


@claim
def the_dynamic_linker_is_told_of_the_library():
    """Else such a program cannot start after `meson install` to /usr/local, the default.

    Of the libraries alone: trying it of the manual takes one that is installed.
    """
    command = ["meson", "install", "-C", BUILD, "--no-rebuild", "--dry-run", "--tags", "runtime"]
    runs = re.compile("^Running .*ldconfig", re.M)
    assert runs.search(run(*command).stdout)
    packed = run(*command, "--destdir", FOLDER)
    equal((packed.returncode, runs.findall(packed.stdout)), (0, []), packed.stderr)


main()
