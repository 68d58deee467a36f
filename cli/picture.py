# SPDX-License-Identifier: MIT
"""Makes a C file of picture.html: its text; the line @REPORTS@ parts it in two."""
import pathlib
import sys

page, out = map(pathlib.Path, sys.argv[1:])
text = ""
for line in map(str.strip, page.read_text(encoding="utf-8").splitlines()):
    if line:
        text += "\0" if line == "@REPORTS@" else line + "\n"
# Numbers: a string literal may not be so long. As a char is on all machines, below 128.
rows = [", ".join(map(str, line)) + "," for line in text.encode("ascii").splitlines(True)]
out.write_text("\n".join([
    "/* Made of picture.html. */", "extern const char picture_page[];", "",
    "const char picture_page[] = {", *rows, "0};", "",
]), encoding="ascii")
