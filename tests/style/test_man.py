#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The manual: its pages say what the header says, and their examples compile."""
import json
import os
import re
import shlex
import subprocess

import house
import tap

HEADER = (house.SOURCE / "include" / "arun.h").read_text()
PAGES = sorted(house.SOURCE.glob("man/*.[357]"))
REPORT = house.SOURCE / "man" / "arun-report.5"
SCHEMA = house.SOURCE / "tests" / "fixtures" / "arun-report-1.schema.json"
SECTIONS = {
    "3": ["NAME", "SYNOPSIS", "DESCRIPTION", "RETURN VALUE", "ERRORS", "EXAMPLE", "SEE ALSO"],
    "5": ["NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLE", "SEE ALSO"],
    "7": ["NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLE", "SEE ALSO"],
}
ESCAPES = {r"\-": "-", r"\e": "\\", r"\&": "", r"\(aq": "'", r"\(dq": '"', r"\(ga": "`",
    r"\(ha": "^", r"\(ti": "~"}
DECLARATION = re.compile(
    r"ARUN_API\s+([^;]*?\b(arun_\w+)\([^;]*?)(?:\s+ARUN_FORMAT\(.*?\))?;", re.S
)


def printed(macro):
    """What a macro of fonts prints: B and I put spaces between their words."""
    words = shlex.split(macro[2].replace("\\", "\\\\").replace("'", "\\'"))
    return (" " if len(macro[1]) == 1 else "").join(words)


def plain(text):
    """Lines of a page without fonts and escapes."""
    text = re.sub(r"^\.([BI]|BR|BI|RB|IR|RI|IB) +(.*)$", printed, text, flags=re.M)
    text = re.sub(r"\\f[BIRP]", "", text)
    return re.sub(r"\\(?:\(..|[-e&])", lambda m: ESCAPES.get(m[0], m[0]), text)


def sections(page):
    """The sections of a page by name, in order, as they are in the file."""
    parts = re.split(r'^\.SH "?([^"\n]*)"?\n', page.read_text(), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def squeezed(text):
    return re.sub(r"\s+", "", text)


def uncommented(code):
    return re.sub(r"/\*.*?\*/", "", code, flags=re.S)


def prototypes():
    """The prototype of each function that the header exports, without white space."""
    code = re.sub(r"^[ \t]*#.*(?:\\\n.*)*$", "", uncommented(HEADER), flags=re.M)
    found = {m[2]: squeezed(m[1]) for m in DECLARATION.finditer(code)}
    assert len(found) > 60, f"found only {sorted(found)}"
    return found


def macros():
    """Macros that the header explains, in a comment right above."""
    found = set(re.findall(r"\*/\n#define (ARUN_[A-Z]+)\b", HEADER))
    assert "ARUN_MAIN" in found, found
    return found


def promises():
    """The errnos of the comment above each function."""
    found = {}
    for comment, code in re.findall(r"/\*((?:(?!\*/).)*)\*/\n(ARUN_API.*?)\n\n", HEADER, re.S):
        errors = set(re.findall(r"\bE[A-Z0-9]{3,}\b", comment))
        for name in re.findall(r"ARUN_API[^;(]*?\b(arun_\w+)\(", code):
            found[name] = errors
    assert "EDEADLK" in found["arun_join"] and not found["arun_cancel"] - {"ECANCELED"}, found
    return found


def homes():
    """The pages whose SYNOPSIS has a function, by function."""
    found = {name: [] for name in prototypes()}
    for page in PAGES:
        synopsis = set(re.findall(r"\b(arun_\w+)\(", plain(sections(page)["SYNOPSIS"])))
        for name in synopsis & set(found):
            found[name].append(page)
    return found


def aliases():
    """The lines of aliases.txt: link and page."""
    lines = (house.SOURCE / "man" / "aliases.txt").read_text().splitlines()
    return [tuple(line.split()) for line in lines if line and not line.startswith("#")]


def examples(page):
    """Each example of a page: the line it begins at, its language, its text."""
    text = page.read_text()
    pattern = r'^(?:\.\\" language: (\S+)\n)?\.EX\n(.*?)^\.EE$'
    for match in re.finditer(pattern, text, re.M | re.S):
        line = text.count("\n", 0, match.start(2)) + 1
        yield line, match[1] or "c", plain(match[2])


def compiler():
    return shlex.split(os.environ.get("CC", "cc"))


def findings_of_examples(language, *options):
    """Compiles every example in that language; returns how many there were, and the complaints."""
    flags = [f"-I{house.SOURCE / 'include'}", *"-Wall -Wextra -Werror -fsyntax-only".split()]
    count, bad = 0, []
    for page in PAGES:
        for line, which, text in examples(page) if page.suffix in (".3", ".7") else ():
            if which != language:
                continue
            count += 1
            done = subprocess.run(
                [*compiler(), *flags, "-x", language, *options, "-"],
                input=text, capture_output=True, text=True,
            )
            if done.returncode:
                bad.append(f"{house.short(page)}:{line}: does not compile\n{done.stderr}")
    return count, bad


def words_of(schema):
    """The members and the values of enumerations that a JSON schema has."""
    if isinstance(schema, list):
        return set().union(*map(words_of, schema))
    if not isinstance(schema, dict):
        return set()
    found = set(schema.get("properties", {})) | set(schema.get("enum", []))
    return found.union(*map(words_of, schema.values()))


def mandoc_finds_nothing():
    done = subprocess.run(
        [house.tool("mandoc"), "-T", "lint", "-W", "warning", *PAGES],
        capture_output=True, text=True,
    )
    house.none(done.stdout.splitlines())


def every_page_has_the_sections_of_its_kind():
    house.none(
        f"{house.short(page)}: {list(sections(page))}"
        for page in PAGES if list(sections(page)) != SECTIONS[page.suffix[1:]]
    )


def every_function_is_in_exactly_one_synopsis():
    house.none(
        f"{name}: in {[house.short(page) for page in pages] or 'none'}"
        for name, pages in homes().items() if len(pages) != 1
    )


def every_synopsis_has_the_prototype_of_the_header():
    text = {page: squeezed(plain(sections(page)["SYNOPSIS"])) for page in PAGES}
    wanted = prototypes()
    house.none(
        f"{house.short(page)}: not {wanted[name]};"
        for name, pages in homes().items() for page in pages
        if wanted[name] + ";" not in text[page]
    )


def every_synopsis_has_the_members_of_the_header():
    """Of structs that users fill; those with private members are opaque."""
    text = [squeezed(uncommented(plain(sections(page)["SYNOPSIS"]))) for page in PAGES]
    found = re.findall(r"^typedef struct \w+ \{.*?^\} (\w+);", HEADER, re.M | re.S)
    assert {"arun_options", "arun_listen_options"} <= set(found), found
    structs = re.findall(r"^typedef (struct \w+ \{.*?^\}) \w+;", HEADER, re.M | re.S)
    house.none(
        name for name, struct in zip(found, structs)
        if "private_" not in struct
        and not any(squeezed(uncommented(struct)) in page for page in text)
    )


def every_value_of_an_enumeration_is_named():
    words = set(re.findall(r"\w+", " ".join(plain(page.read_text()) for page in PAGES)))
    bodies = re.findall(r"^enum \w+ \{(.*?)\}", uncommented(HEADER), re.M | re.S)
    values = set(re.findall(r"\bARUN_\w+", " ".join(bodies)))
    assert {"ARUN_STREAM", "ARUN_LOG_JOURNAL"} <= values, values
    house.none(sorted(values - words))


def every_font_is_a_macro_of_roff():
    """No mark of another language (_word_, `word`, **word**) is left, but in code."""
    mark = re.compile(r"\w_[ ,.)]|[ (]_(?!at\b)[a-z]|`|\*\*\w")
    for page in PAGES + [house.SOURCE / "man" / "arun.1"]:
        text = re.sub(r"^\.(?:EX|nf)$.*?^\.(?:EE|fi)$", "", page.read_text(), flags=re.M | re.S)
        house.none(
            f"{house.short(page)}: {line}" for line in text.splitlines()
            if mark.search(line) and not line.startswith(".BI ")
        )


def every_errno_that_the_header_promises_is_explained():
    text = {page: sections(page).get("ERRORS", "") for page in PAGES}
    found = homes()
    house.none(
        f"{house.short(page)}: {name}: {error} is not in ERRORS"
        for name, errors in promises().items() for page in found[name]
        for error in sorted(errors) if not re.search(rf"\b{error}\b", text[page])
    )


def every_name_has_a_page_or_a_link():
    """Also that a link leads to the page that has the name, and that no link is left over."""
    pages, links = {page.name for page in PAGES}, dict(aliases())
    assert len(links) == len(aliases()), "a link is there twice"
    house.none(f"{link}: no page {page}" for link, page in links.items() if page not in pages)
    house.none(f"{link}: is a page" for link in links if link in pages)
    homeless = {f"{name}.3" for name in [*prototypes(), *macros()]} - pages - set(links)
    house.none(f"{link}: not in aliases.txt" for link in sorted(homeless))
    house.none(
        f"{name}.3 leads to {links[f'{name}.3']}, its SYNOPSIS is in {found[0].name}"
        for name, found in homes().items()
        if f"{name}.3" in links and links[f"{name}.3"] != found[0].name
    )
    words = set(re.findall(r"\w+", HEADER))
    house.none(f"{link}: not in the header" for link in links if link[:-2] not in words)


def the_overview_lists_every_function_that_is_called_by_its_name():
    listed = set(re.findall(r"^(\w+)\t", (house.SOURCE / "man" / "arun.3").read_text(), re.M))
    wanted = {n for n in prototypes() if not n.endswith("_at")} | macros() - {"ARUN_SITE"}
    house.none(f"{name}: not in the tables" for name in sorted(wanted - listed))
    house.none(f"{name}: not in the header" for name in sorted(listed - wanted))


def no_table_of_the_overview_is_wider_than_a_terminal():
    """That of 80 columns, of which man(1) uses 78 and indents by 7."""
    overview = (house.SOURCE / "man" / "arun.3").read_text()
    tables = [
        list(zip(*(row.split("\t") for row in table.splitlines())))
        for table in re.findall(r"^((?:\w+\t.*\n)+)", overview, re.M)
    ]
    assert tables
    house.none(
        f"{names[0]} ...: too wide" for names, words in tables
        if max(map(len, names)) + 3 + max(map(len, words)) > 71
    )


def every_page_of_functions_has_an_example():
    house.none(
        f"{house.short(page)}: no example"
        for page in PAGES if page.suffix == ".3" and ".EX\n" not in sections(page)["EXAMPLE"]
    )


def every_example_compiles():
    count, bad = findings_of_examples("c")
    assert count >= 10, f"found only {count} examples"
    house.none(bad)


def every_example_in_C_plus_plus_compiles():
    standard = "-std=gnu++20"
    probe = subprocess.run(
        [*compiler(), "-x", "c++", standard, "-fsyntax-only", "-"],
        input="#include <stdexcept>\n", capture_output=True, text=True,
    )
    if probe.returncode:
        raise tap.Skip(f"{shlex.join(compiler())} has no C++")
    count, bad = findings_of_examples("c++", standard)
    assert count >= 1, "no example in C++"
    house.none(bad)


def every_word_of_the_schema_of_reports_is_described():
    words = words_of(json.loads(SCHEMA.read_text()))
    assert len(words) > 60, f"found only {words}"
    text = re.sub(r"^\.EX$.*?^\.EE$", "", REPORT.read_text(), flags=re.M | re.S)
    marked = re.findall(r"^\.(?:[BI]|[BIR]{2}) (.*)$", text, re.M)
    house.none(sorted(words - set(re.findall(r"\w+", " ".join(marked)))))


def the_example_of_a_report_has_what_a_report_must_have():
    report = json.loads(next(examples(REPORT))[2])
    schema = json.loads(SCHEMA.read_text())
    house.none(sorted(set(schema["required"]) - set(report)))
    house.none(sorted(set(report) - set(schema["properties"])))
    leak = schema["$defs"]["object"]
    for given in report["leaks"]:
        house.none(sorted(set(leak["required"]) - set(given)))
        house.none(sorted(set(given) - set(leak["properties"])))


house.run(
    mandoc_finds_nothing,
    every_page_has_the_sections_of_its_kind,
    every_function_is_in_exactly_one_synopsis,
    every_synopsis_has_the_prototype_of_the_header,
    every_synopsis_has_the_members_of_the_header,
    every_value_of_an_enumeration_is_named,
    every_font_is_a_macro_of_roff,
    every_errno_that_the_header_promises_is_explained,
    every_name_has_a_page_or_a_link,
    the_overview_lists_every_function_that_is_called_by_its_name,
    no_table_of_the_overview_is_wider_than_a_terminal,
    every_page_of_functions_has_an_example,
    every_example_compiles,
    every_example_in_C_plus_plus_compiles,
    every_word_of_the_schema_of_reports_is_described,
    the_example_of_a_report_has_what_a_report_must_have,
)
