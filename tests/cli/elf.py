#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Where things are in an ELF file, see elf(5)."""
import struct

# Where things are in an ELF file of 64 bits.
CLASS, DATA, OSABI, TYPE, MACHINE, PHOFF, SHOFF = 4, 5, 7, 16, 18, 32, 40
SHNUM, SHENTSIZE = 60, 58
PT_LOAD, PT_DYNAMIC, PT_NOTE, PT_GNU_RELRO = 1, 2, 4, 0x6474e552
DT = {"STRTAB": 5, "SYMTAB": 6, "RELA": 7, "RELASZ": 8, "STRSZ": 10, "INIT": 12,
      "JMPREL": 23, "INIT_ARRAY": 25, "GNU_HASH": 0x6ffffef5, "VERNEED": 0x6ffffffe}


def program_headers(content):
    offset, = struct.unpack_from("<Q", content, PHOFF)
    count, = struct.unpack_from("<H", content, 56)
    return [(offset + 56 * i, *struct.unpack_from("<IIQQQQQQ", content, offset + 56 * i))
            for i in range(count)]


def dynamic_section(content):
    """Its offset and its size."""
    return next((h[3], h[6]) for h in program_headers(content) if h[1] == PT_DYNAMIC)


def tag_offset(content, number):
    offset, size = dynamic_section(content)
    return next(at for at in range(offset, offset + size, 16)
                if struct.unpack_from("<Q", content, at)[0] == number)
