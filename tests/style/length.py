#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Short functions, short files, no goto."""
import re
import statistics

import house

PRODUCT = "runtime loader cli plugins".split()
NOISE = re.compile(
    r"/\*(?s:.*?)\*/"  # a comment
    r"|//.*"
    r"|\"(?:\\.|[^\"\\\n])*\""  # a string
    r"|'(?:\\.|[^'\\\n])*'"
    r"|^[ \t]*#(?:.*\\\n)*.*",  # a directive, with the lines that continue it
    re.M,
)


def bare(text):
    """The code without comments, strings and directives; every line stays where it was."""
    return NOISE.sub(lambda m: re.sub(r"[^\n]+", " ", m[0]), text)


def functions(path):
    """(name, first line, lines) of each function that the file defines."""
    code = bare(path.read_text())
    depth, start = 0, 0
    for match in re.finditer(r"[{};]", code):
        if match[0] == "{":
            if depth == 0:
                head = code[start:match.start()]
            depth += 1
        elif match[0] == "}":
            depth -= 1
        if depth == 0:
            name = re.search(r"(\w+)\s*\(", head) if match[0] == "}" else None
            if name and "=" not in head:
                first = code.count("\n", 0, start + len(head) - len(head.lstrip())) + 1
                yield name[1], first, code.count("\n", 0, match.end()) + 2 - first
            start = match.end()


def all_functions(folders):
    return [(p, *f) for p in house.files(".c", ".h", folders=folders) for f in functions(p)]


def the_counter_sees_functions_as_they_are():
    path = house.SOURCE / "plugins" / "02-echo.c"
    lines = path.read_text().splitlines()
    found = list(functions(path))
    assert [f[0] for f in found] == ["echo", "serve"], found
    for name, first, count in found:
        assert f"int {name}(" in lines[first - 1] and lines[first + count - 2] == "}", found


def no_function_is_longer_than_60_lines():
    house.none(
        f"{house.short(path)}:{first}: {name}() has {count} lines"
        for path, name, first, count in all_functions(house.FOLDERS)
        if count > 60
    )


def the_median_function_has_12_lines_and_9_in_10_have_35():
    counts = sorted(f[3] for f in all_functions(PRODUCT))
    median, tenth = statistics.median(counts), counts[len(counts) * 9 // 10]
    print("# " + f"{len(counts)} functions: median {median}, 9 in 10 up to {tenth}, {counts[-1]}")
    assert median <= 12, f"the median function has {median} lines"
    assert tenth <= 35, f"one function in ten has more than {tenth} lines"


def no_file_is_longer_than_500_lines():
    house.none(
        f"{house.short(path)}: {count} lines"
        for path in house.files(".c", ".h", ".S", ".py")
        for count in [len(path.read_text().splitlines())]
        if count > (1200 if path.name == "arun.h" else 500)
    )


def no_comment_is_wider_than_105_columns():
    house.none(
        f"{house.short(path)}:{number}: {width} columns"
        for path in house.files(".c", ".h", ".S")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for width in [len(line.expandtabs(8))]
        if width > 105 and '"' not in line  # code is clang-format's, which leaves strings whole
    )


def the_first_six_plugins_have_fewer_than_60_lines():
    plugins = house.files(".c", folders=["plugins"])
    assert len(plugins) >= 6, plugins
    for number, path in enumerate(plugins, 1):
        assert path.name.startswith(f"{number:02}-"), f"{path.name} is not number {number}"
        count = len(path.read_text().splitlines())
        assert number > 6 or count < 60, f"{path.name} has {count} lines"


def there_is_no_goto():
    house.none(
        f"{house.short(path)}:{number}: goto"
        for path in house.files(".c", ".h", folders=PRODUCT)
        for number, line in enumerate(bare(path.read_text()).splitlines(), 1)
        if re.search(r"\bgoto\b", line)
    )


house.run(
    the_counter_sees_functions_as_they_are,
    no_function_is_longer_than_60_lines,
    the_median_function_has_12_lines_and_9_in_10_have_35,
    no_file_is_longer_than_500_lines,
    no_comment_is_wider_than_105_columns,
    the_first_six_plugins_have_fewer_than_60_lines,
    there_is_no_goto,
)
