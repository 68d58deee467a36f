# SPDX-License-Identifier: MIT
"""What is read from the program, as text for a terminal."""
import math
import socket

import gdb

STRING = 256  # bytes; what is longer is cut


def clean(raw):
    """Bytes of the program as text for a terminal."""
    text = raw[:STRING].decode("utf-8", "backslashreplace") + ("..." if len(raw) > STRING else "")
    return "".join(
        c if c.isprintable() else "".join(f"\\x{byte:02x}" for byte in c.encode()) for c in text)


def say(line):
    try:
        gdb.write(line + "\n")
    except UnicodeError:  # of a terminal without UTF-8
        gdb.write(line.encode("ascii", "backslashreplace").decode() + "\n")


def seconds(value):
    value = value if 0 < value < 1e12 else 0
    for limit, unit, name in ((1, 1e-3, "ms"), (100, 1, "s"), (600, 1, "s"), (6000, 60, "min"),
                              (172800, 3600, "h"), (math.inf, 86400, "days")):
        if value < limit:
            return f"{value / unit:.{1 if limit == 100 else 0}f} {name}"


def short_seconds(value):
    value = value if 0 < value < 1e12 else 0
    for limit, unit, name in ((1000, 1, "s"), (36000, 60, "m"), (360000, 3600, "h"),
                              (math.inf, 86400, "d")):
        if value < limit:
            return f"{value / unit:.{1 if unit == 1 else 0}f}{name}"


def peer(raw):
    """A socket's address as arun writes it; "": none that is known."""
    family = int.from_bytes(raw[:2], "little")
    if family == socket.AF_INET and len(raw) >= 8:
        return f"{socket.inet_ntop(family, raw[4:8])}:{int.from_bytes(raw[2:4], 'big')}"
    if family == socket.AF_INET6 and len(raw) >= 24:
        return f"[{socket.inet_ntop(family, raw[8:24])}]:{int.from_bytes(raw[2:4], 'big')}"
    if family == socket.AF_UNIX and len(raw) > 2:
        name = b"@" + raw[3:] if raw[2] == 0 else raw[2:].partition(b"\0")[0]
        return f"unix:{clean(name)}" if len(name) > 1 else ""
    return ""
