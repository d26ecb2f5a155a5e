"""The smallest ELF that a loader and a debugger can use: one segment, and symbols."""

from __future__ import annotations

from struct import Struct

HEADER = Struct("<4sBBBB8xHHIQQQIHHHHHH")
PROGRAM = Struct("<IIQQQQQQ")
SECTION = Struct("<IIQQQQIIQQ")
SYMBOL = Struct("<IBBHQQ")

ELFCLASS64, ELFDATA2LSB, ET_EXEC, EM_AARCH64 = 2, 1, 2, 183
PT_LOAD, RWX = 1, 7
SHT_PROGBITS, SHT_SYMTAB, SHT_STRTAB = 1, 2, 3
ALLOCATED_CODE = 6
GLOBAL_FUNCTION = 0x12


def small_elf(code: bytes, base: int, symbols: dict[str, int]) -> bytes:
    """An ELF for AArch64 that is entered at its first byte.

    Arguments:
        code: what is loaded.
        base: where.
        symbols: name to address.
    """
    names = b"\0" + b"".join(name.encode() + b"\0" for name in symbols)
    section_names = b"\0.text\0.symtab\0.strtab\0.shstrtab\0"
    table = SYMBOL.pack(0, 0, 0, 0, 0, 0)
    at = 1
    for name, address in symbols.items():
        table += SYMBOL.pack(at, GLOBAL_FUNCTION, 0, 1, address, 0)
        at += len(name) + 1
    parts = (code, table, names, section_names)
    start = HEADER.size + PROGRAM.size
    offsets = []
    for part in parts:
        offsets.append(start)
        start += len(part)
    sections = SECTION.pack(*(0,) * 10)
    sections += SECTION.pack(1, SHT_PROGBITS, ALLOCATED_CODE, base, offsets[0], len(code), 0, 0, 8, 0)
    sections += SECTION.pack(7, SHT_SYMTAB, 0, 0, offsets[1], len(table), 3, 1, 8, SYMBOL.size)
    sections += SECTION.pack(15, SHT_STRTAB, 0, 0, offsets[2], len(names), 0, 0, 1, 0)
    sections += SECTION.pack(23, SHT_STRTAB, 0, 0, offsets[3], len(section_names), 0, 0, 1, 0)
    header = HEADER.pack(
        *(b"\x7fELF", ELFCLASS64, ELFDATA2LSB, 1, 0, ET_EXEC, EM_AARCH64, 1, base, HEADER.size, start, 0),
        *(HEADER.size, PROGRAM.size, 1, SECTION.size, 5, 4),
    )
    program = PROGRAM.pack(PT_LOAD, RWX, HEADER.size + PROGRAM.size, base, base, len(code), len(code), 8)
    return header + program + b"".join(parts) + sections
