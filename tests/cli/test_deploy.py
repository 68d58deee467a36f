# SPDX-License-Identifier: MIT
"""cli/deploy: what can be said of the Containerfile and the manifest without a cluster."""
import pathlib
import re
import shlex
import tempfile

from load import SOURCE, listening_port, running
from plugins import CC
from tap import ARUN, Skip, arun, claim, contains, environment, equal, main, run, until

DEPLOY = SOURCE / "cli" / "deploy"
FLOW = re.compile(r"\s*([][{},]|\"[^\"]*\"|[^][{},:\"]+(?=:\s)|[^][{},\"]+?(?=\s*[],}]|$))\s*(:(?=\s))?")


def flow(text):
    """A value on one line: {a: [b, "c"]}, or a scalar."""
    if text[0] not in "[{\"":
        return int(text) if text.isdigit() else {"true": True, "false": False}.get(text, text)
    tokens = [(m[1], m[2]) for m in FLOW.finditer(text) if m[0]]

    def value():
        token, _ = tokens.pop(0)
        if token not in ("[", "{"):
            return flow(token) if token[0] != '"' else token[1:-1]
        found = [] if token == "[" else {}
        while tokens[0][0] not in ("]", "}"):
            if isinstance(found, list):
                found.append(value())
            else:
                name, colon = tokens.pop(0)
                assert colon, text
                found[name] = value()
            if tokens[0][0] == ",":
                tokens.pop(0)
        tokens.pop(0)
        return found
    result = value()
    equal(tokens, [], text)
    return result


def block(lines):
    """The lines of one indentation, taken from the front: a mapping or a list."""
    depth = len(lines[0]) - len(lines[0].lstrip())
    found = [] if lines[0].lstrip().startswith("- ") else {}
    while lines and len(lines[0]) - len(lines[0].lstrip()) == depth:
        line = lines[0].strip()
        if isinstance(found, list):
            assert line.startswith("- "), line
            lines[0] = " " * (depth + 2) + line[2:]
            found.append(block(lines))
            continue
        name, colon, rest = lines.pop(0).strip().partition(":")
        assert colon and name not in found and rest[:1] in ("", " "), line
        found[name] = flow(rest.strip()) if rest else block(lines)
    assert not lines or len(lines[0]) - len(lines[0].lstrip()) < depth, lines[0]
    return found


def documents():
    """Those of the manifest, by kind: of YAML as much as it uses."""
    found = {}
    for part in (DEPLOY / "kubernetes.yaml").read_text().split("\n---\n"):
        assert "\t" not in part
        lines = [line for line in part.splitlines() if line.strip() and line.lstrip()[0] != "#"]
        document = block(lines)
        equal(lines, [])
        found[document["kind"]] = document
    return found


def instructions():
    """Those of the Containerfile: (name, words)."""
    text = re.sub(r"(?m)^#.*\n", "", (DEPLOY / "Containerfile").read_text()).replace("\\\n", " ")
    return [line.split(None, 1) for line in text.splitlines() if line]


def of_image(name):
    """The last one of that name, which is the image's."""
    return [rest for word, rest in instructions() if word == name][-1]


MANIFEST = documents()
POD = MANIFEST["Deployment"]["spec"]["template"]["spec"]
CONTAINER, = POD["containers"]
PROBES = [CONTAINER[name]["exec"]["command"]
          for name in ("startupProbe", "readinessProbe", "livenessProbe")]


@claim
def the_manifest_reads_the_same_to_a_parser_of_yaml():
    try:
        import yaml
    except ImportError:
        raise Skip("python3-yaml is not installed")
    text = (DEPLOY / "kubernetes.yaml").read_text()
    equal({d["kind"]: d for d in yaml.safe_load_all(text)}, MANIFEST)


@claim
def labels_and_ports_agree():
    labels = MANIFEST["Deployment"]["spec"]["template"].get("metadata", {}).get("labels")
    equal(labels, {"app": "echo"})
    equal(MANIFEST["Deployment"]["spec"]["selector"]["matchLabels"], labels)
    equal(MANIFEST["Service"]["spec"]["selector"], labels)
    port = int(CONTAINER["args"][-1].rpartition(":")[2])
    equal(CONTAINER["ports"], [{"containerPort": port}])
    equal(MANIFEST["Service"]["spec"]["ports"], [{"port": port}])
    equal(flow(of_image("CMD"))[-1], CONTAINER["args"][-1])
    contains((DEPLOY / "Containerfile").read_text(), f"-p {port}:{port}")


@claim
def the_times_fit_together():
    grace, = (int(word.partition("=")[2]) for word in CONTAINER["args"] if "--grace" in word)
    command = CONTAINER["lifecycle"]["preStop"]["exec"]["command"]
    equal(command[0], "/bin/sleep")
    assert int(command[1]) + grace < POD["terminationGracePeriodSeconds"]
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert CONTAINER[name]["timeoutSeconds"] >= 2, name


@claim
def the_probes_ask_process_1_whether_it_is_ready():
    program, = flow(of_image("ENTRYPOINT"))
    for probe in PROBES:
        equal(probe, [program, "ps", "--ready", "1"])


@claim
def the_options_are_those_of_help():
    known = re.findall(r"--[a-z-]+", arun("--help").stdout)
    for word in CONTAINER["args"]:
        if word.startswith("-"):
            contains(known, word.partition("=")[0])


def built(folder):
    """The plugin of the Containerfile, by its own command."""
    commands = [rest for name, rest in instructions() if name == "RUN" and rest.startswith("cc ")]
    words = shlex.split(commands[0].replace("/src/", f"{SOURCE}/").replace("/image", folder))
    done = run(*CC, *words[1:])
    equal((done.returncode, done.stderr), (0, ""))
    return pathlib.Path(folder) / "echo.so"


@claim
def the_plugin_is_built_serves_and_is_ready():
    variables = dict(rest.split("=", 1) for name, rest in instructions() if name == "ENV")
    assert variables and all(name.startswith("ARUN_") for name in variables)
    with tempfile.TemporaryDirectory() as folder:
        place = {"/echo.so": str(built(folder)), "0.0.0.0:7777": "127.0.0.1:0"}
        words = [place.get(word, word) for word in CONTAINER["args"]]
        with running(ARUN, *words, env=environment(**variables)) as process:
            port = until(lambda: listening_port(process), "it listens")
            assert port
            probe = [word if word != "1" else process.pid for word in PROBES[1][1:]]
            until(lambda: arun(*probe).returncode == 0, "it is ready")
            equal(process.stop(), (0, "", ""))


@claim
def the_options_of_the_build_are_there_and_so_are_its_packages():
    text = (DEPLOY / "Containerfile").read_text()
    options = (SOURCE / "meson_options.txt").read_text()
    for name in re.findall(r"-D(\w+)=", text):
        contains(options, f"option('{name}'")
    wanted = re.search(r"build\.apt-get\) echo (.*) ;;", (SOURCE / "tools" / "packages").read_text())
    named = re.search(r"recommends \\\n\s+(.*)\n", text)[1].split()
    equal(set(named) - set(wanted[1].split()), set())


main()
