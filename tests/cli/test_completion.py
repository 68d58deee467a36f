# SPDX-License-Identifier: MIT
"""What the shells complete after "arun": bash, zsh and fish."""
import os
import re
import shutil
import tempfile

from tap import Skip, arun, claim, contains, equal, main, run

COMPLETIONS = os.path.join(os.environ["ARUN_SOURCE"], "cli", "completions")
HELP = arun("--help").stdout
LONG = re.findall(r"--([a-z-]+)", HELP)
LETTERS = re.findall(r"-(\w), --", HELP)
ABOUT = re.findall(r"^ .{27} (\S.*)$", HELP, re.M)

folder = tempfile.TemporaryDirectory(prefix="arun-completion-")
os.chdir(folder.name)
for name in ("p.so", "one.so", "one.so.c"):
    open(name, "w").close()


def read(name):
    with open(os.path.join(COMPLETIONS, name)) as file:
        return file.read()


@claim
def the_completions_have_the_options_of_help():
    equal(len(ABOUT), 11)
    bash = read("arun.bash")
    offered = re.search(r"compgen -W '(-d[^']*)'", bash)[1].split()
    equal(offered, re.findall(r"-\w(?=,)|--[a-z-]+=?", HELP))
    zsh = read("_arun")
    zsh = zsh[zsh.index("_arguments -s"):] # after those of the commands
    equal(re.findall(r"--([a-z-]+)(?=[=}\[])", zsh), LONG)
    equal(re.findall(r"\{-(\w)", zsh), LETTERS)
    fish = read("arun.fish")
    equal(re.findall(r"^complete .*-l ([a-z-]+)", fish, re.M), LONG)
    equal(re.findall(r"^complete .*-s (\w)", fish, re.M), LETTERS)
    for text in (zsh.replace("\\:", ":"), fish):
        for about in ABOUT:
            contains(text, about)
    for text in (bash, zsh, fish):
        contains(text, "off warn error")


def bash_completes(*words):
    """What bash offers for the last of words; by default it makes three of --name=value."""
    script = """source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
                _arun; printf '%s\\n' "${COMPREPLY[@]}" """
    result = run("bash", "-c", script, "bash", os.path.join(COMPLETIONS, "arun.bash"),
                 "arun", *words)
    equal((result.returncode, result.stderr), (0, ""))
    return result.stdout.split()


@claim
def bash_completes_options_values_and_plugins():
    if not shutil.which("bash"):
        raise Skip("bash is not installed")
    equal(run("bash", "-n", os.path.join(COMPLETIONS, "arun.bash")).returncode, 0)
    equal(bash_completes("--"), ["--" + name for name in
                                 ("debug", "check", "listen=", "workers=", "reload", "grace=", "leaks=", "report=",
                                  "suppress=", "log-level=", "log-format=", "help",
                                  "version")])
    equal(bash_completes("-d", "--le"), ["--leaks="])
    for words in (["--leaks", "=", "w"], ["--leaks", "w"]):
        equal(bash_completes(*words), ["warn"])
    equal(bash_completes("--leaks", "="), ["off", "warn", "error"])
    equal(bash_completes("--leaks=e"), ["--leaks=error"])
    for words in (["./p"], ["-d", "./p"], ["-g", "3", "./p"], ["--grace", "=", "3", "./p"],
                  ["--", "./p"], ["p.s"]):
        assert "./p.so" in bash_completes(*words), words
    equal([bash_completes("./p.so", "--"), bash_completes("--report", "=", "one.so.")], [[], ["one.so.c"]])
    equal([bash_completes(word) for word in ("ps", "t")], [["ps"], ["tree"]])
    equal([bash_completes("tree", "--h"), bash_completes("ps", "--")], [["--help", "--html"], ["--json", "--help", "--ready"]])


@claim
def zsh_reads_its_completion():
    if not shutil.which("zsh"):
        raise Skip("zsh is not installed")
    equal(run("zsh", "-n", os.path.join(COMPLETIONS, "_arun")).returncode, 0)


@claim
def fish_completes_options_and_values():
    if not shutil.which("fish"):
        raise Skip("fish is not installed")

    def complete(line):
        script = f"source {COMPLETIONS}/arun.fish; complete -C '{line}'"
        result = run("fish", "--no-config", "-c", script, env={"HOME": folder.name})
        equal((result.returncode, result.stderr), (0, ""))
        return [row.split("\t")[0] for row in result.stdout.splitlines()]

    equal({word.rstrip("=") for word in complete("arun --")}, {"--" + name for name in LONG})
    equal(complete("arun --leaks="), ["--leaks=" + word for word in ("error", "off", "warn")])
    assert "./p.so" in complete("arun -g 3 ./p"), complete("arun -g 3 ./p")
    equal(complete("arun ./p.so --"), [])


main()
