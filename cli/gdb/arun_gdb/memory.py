# SPDX-License-Identifier: MIT
"""The program's memory, and where in it the fields of its structs lie."""
import struct

import gdb

from .text import STRING, clean

FORMAT, ENTRIES, ENTRY = 1, 4096, struct.Struct("<24sII")
STRUCT, PAGE = 8192, 4096

# The fields that are read, by the members' sizes (0: any); "" is the struct itself, or a constant.
NEEDED = {
    "run": {"objects": 0, "now": 8, "current": 8, "plugin_path": 8, "entry": 8, "started": 8},
    "list": {"": 0, "next": 8},
    "object": {"": 0, "link": 0, "kind": 8, "site": 8, "id": 8, "born": 8},
    "kind": {"word": 8, "title": 8, "plural": 8},
    "site": {"file": 8, "function": 8, "line": 4},
    "task": {"": 0, "object": 0, "sp": 8, "state": 1, "at": 8, "op": 8, "since": 8, "timed": 1,
             "until": 8, "awaits": 8, "stack": 8, "stack_size": 4, "name": 8, "runs": 8,
             "scopes": 8},
    "scope": {"several": 1},
    "choice": {"scope": 0, "cases": 8, "count": 8},
    "case": {"": 0, "chan": 8},
    "channel": {"object": 0},
    "connection": {"": 0, "object": 0, "peer": 0, "peer_length": 4},
    "TASK_READY": 0, "TASK_WAITING": 0, "TASK_ENDED": 0,
}
APART = "run", "kind", "site", "scope", "choice", "channel"  # of these no copy of the whole is made


class Memory:
    def __init__(self):
        self.inferior = gdb.selected_inferior()
        self.strings = {}

    def read(self, address, size):
        """So many bytes; None where not all of them can be read."""
        try:
            return bytes(self.inferior.read_memory(address & (1 << 64) - 1, size))
        except (gdb.error, OverflowError, ValueError):
            return None

    def number(self, address, size=8):
        return int.from_bytes(self.read(address, size) or b"", "little")

    def string(self, address):
        """Cut where it is too long or ends unreadable; None: none of it can be read."""
        if address not in self.strings:
            self.strings[address] = self.read_string(address) if address else None
        return self.strings[address]

    def read_string(self, address):
        found = b""
        while len(found) <= STRING:
            at = address + len(found)
            part = self.read(at, PAGE - at % PAGE)
            if part is None:
                return clean(found) if found else None
            text, end, _ = part.partition(b"\0")
            found += text
            if end:
                break
        return clean(found)


class Layout:
    """Where the fields lie, as the program's own table says."""

    def __init__(self, memory, address):
        magic, form, count, version = struct.unpack(
            "<8sII16s", memory.read(address, 32) or bytes(32))
        if magic != b"arun-lay":
            raise gdb.GdbError("arun: not a program of arun: its arun_layout is no table of it")
        self.at = {}
        for i in range(min(count, ENTRIES) if form == FORMAT else 0):
            raw = memory.read(address + 32 + i * ENTRY.size, ENTRY.size) or bytes(ENTRY.size)
            name, offset, size = ENTRY.unpack(raw)
            name = name.partition(b"\0")[0]
            if not name:
                break
            self.at.setdefault(name.decode("latin-1"), (offset, size))
        if not all(self.fits(*row) for row in NEEDED.items()):
            raise gdb.GdbError("arun: a program of another version of arun, "
                               + clean(version.partition(b"\0")[0]))

    def fits(self, name, members):
        if members == 0:
            return name in self.at
        room = STRUCT if name in APART else self.at.get(name + ".", (0, 0))[1]
        for member, wanted in members.items():
            offset, size = self.at.get(f"{name}.{member}", (0, -1))
            inside = name in APART or offset + size <= room
            if size < 0 or wanted not in (0, size) or not inside:
                return False
        return 0 < room <= STRUCT

    def offset(self, name):
        return self.at[name][0]

    def size(self, name):
        return self.at[name][1]


class Copy:
    """A copy of one struct: copy["at"] is the number in that member."""

    def __init__(self, program, name, address):
        self.layout, self.name, self.address = program.layout, name, address
        self.bytes = program.memory.read(address, self.layout.size(name + "."))

    def raw(self, member):
        offset, size = self.layout.at[f"{self.name}.{member}"]
        return self.bytes[offset:offset + size]

    def __getitem__(self, member):
        return int.from_bytes(self.raw(member), "little")

    def time(self, member):
        return struct.unpack("<d", self.raw(member))[0]
