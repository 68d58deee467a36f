# SPDX-License-Identifier: MIT
"""Makes a C file of picture.html: its lines; the line @REPORTS@ parts it in two."""
import pathlib
import sys

page, out = map(pathlib.Path, sys.argv[1:])
rows = []
for line in page.read_text(encoding="utf-8").splitlines():
    text = line.strip().replace("\\", "\\\\").replace('"', '\\"')
    if text:
        rows.append("\tNULL," if text == "@REPORTS@" else f'\t"{text}",')
out.write_text("\n".join([
    "/* Made of picture.html. */", "#include <stddef.h>", "", "extern const char *const picture_page[];", "",
    "const char *const picture_page[] = {", *rows, "\tNULL,", "};", "",
]), encoding="utf-8")
