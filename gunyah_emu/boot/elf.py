"""ELF64 images for AArch64: static executables and static-PIE.

The headers are decoded here, by `struct`: importing pyelftools takes 60 ms, half of what a whole cold start may take;
loading a 50 KiB image here takes 0.1 ms.  pyelftools reads what is asked for later, in a debugger or a report:
symbols and source lines (`symbols.py`).

A segment goes to its physical address (p_paddr), so an image may be linked to run at virtual addresses; the entry
point, which is virtual, is translated through the segment that holds it, as QEMU does.

Source: ELF-64 Object File Format 1.5; ELF for the Arm 64-bit Architecture (AAELF64).
"""

from __future__ import annotations

import os
from itertools import pairwise
from struct import Struct
from typing import TYPE_CHECKING

from gunyah_emu.boot.image import Image, Segment, open_image, read_exactly, span
from gunyah_emu.boot.symbols import Symbols
from gunyah_emu.errors import UserError

if TYPE_CHECKING:
    from typing import NoReturn

MAGIC = b"\x7fELF"
HEADER = Struct("<4sBBB9xHHIQQQIHHHHHH")
PROGRAM_HEADER = Struct("<IIQQQQQQ")
DYNAMIC = Struct("<qQ")
RELOCATION = Struct("<QQq")

CLASSES = {1: "32-bit (ELFCLASS32)"}
ENCODINGS = {2: "big-endian (ELFDATA2MSB)"}
TYPES = {1: "a relocatable object (ET_REL)", 4: "a core dump (ET_CORE)"}
ELFCLASS64, ELFDATA2LSB, ET_EXEC, ET_DYN = 2, 1, 2, 3
EM_AARCH64 = 183
MACHINES = {
    3: "x86 (EM_386, 3)",
    8: "MIPS (EM_MIPS, 8)",
    20: "PowerPC (EM_PPC, 20)",
    21: "PowerPC64 (EM_PPC64, 21)",
    40: "32-bit Arm (EM_ARM, 40)",
    62: "x86-64 (EM_X86_64, 62)",
    243: "RISC-V (EM_RISCV, 243)",
    258: "LoongArch (EM_LOONGARCH, 258)",
}
PT_LOAD, PT_DYNAMIC, PT_INTERP = 1, 2, 3
DT_NULL, DT_NEEDED, DT_RELA, DT_RELASZ, DT_RELR = 0, 1, 7, 8, 36
R_AARCH64_NONE, R_AARCH64_RELATIVE = (0, 256), 1027

IPA_LIMIT = 1 << 48  # no stage 2 translates more


class ProgramHeader:
    """One program header; the fields are the ELF's own."""

    __slots__ = ("filesz", "flags", "memsz", "offset", "paddr", "type", "vaddr")

    def __init__(self, fields: tuple[int, ...]) -> None:
        self.type, self.flags, self.offset, self.vaddr, self.paddr, self.filesz, self.memsz, _ = fields

    @property
    def in_file(self) -> str:
        """Its bytes, as messages show them."""
        return f"file offsets {span(self.offset, self.offset + self.filesz)}"

    @property
    def in_memory(self) -> str:
        """Its physical addresses, as messages show them."""
        return span(self.paddr, self.paddr + self.memsz)


def load_elf(path: str) -> Image:
    """Reads an ELF image, at the addresses that it was linked for.

    Arguments:
        path: the file.

    Raises:
        UserError: in this order: the file cannot be read; it is not an ELF; its header is truncated; 32-bit;
            big-endian; for another machine; not an executable; its program headers are truncated; it needs an
            interpreter; it has no loadable segment; a segment is malformed, truncated or overlaps another; the entry
            point lies in no segment; a relocation is of a kind that only a dynamic linker knows.
    """
    descriptor, size = open_image(path)
    try:
        return ElfReader(path, descriptor, size).read()
    finally:
        os.close(descriptor)


class ElfReader:
    """The steps of reading one ELF from an open file of a known size."""

    __slots__ = ("descriptor", "path", "size")

    def __init__(self, path: str, descriptor: int, size: int) -> None:
        self.path = path
        self.descriptor = descriptor
        self.size = size

    def read(self) -> Image:
        """The whole file, step by step."""
        is_dynamic, entry, headers = self.read_headers()
        self.check_static(headers)
        loadable = sorted((h for h in headers if h.type == PT_LOAD and h.memsz + h.filesz), key=lambda h: h.paddr)
        self.check_loadable(loadable)
        segments = self.read_segments(loadable)
        return Image(
            self.path,
            "elf",
            self.physical_entry(entry, segments),
            segments,
            is_position_independent=is_dynamic,
            relocations=self.read_relocations(headers, segments) if is_dynamic else (),
            symbols=Symbols(self.path, [(s.address, s.virtual_address, s.memory_size) for s in segments]),
        )

    def read_headers(self) -> tuple[bool, int, list[ProgramHeader]]:
        """The ELF header, checked: whether it is ET_DYN, the entry point, the program headers."""
        head = self.bytes_at(0, min(self.size, HEADER.size))
        if head[:4] != MAGIC:
            found = f"begins with {head[:4].hex(' ')}" if head else "is empty"
            self.refuse(f"must be an ELF image (7f 45 4c 46); it {found}")
        if len(head) < HEADER.size:
            self.refuse(f"must have an ELF header of {HEADER.size} bytes; the file ends at {len(head)}")
        _, class_, encoding, _, type_, machine, _, entry, table, _, _, _, stride, count, _, _, _ = HEADER.unpack(head)
        if class_ != ELFCLASS64:
            self.refuse(f"must be 64-bit (ELFCLASS64); it is {CLASSES.get(class_, f'of class {class_}')}")
        if encoding != ELFDATA2LSB:
            self.refuse(f"must be little-endian (ELFDATA2LSB); it is {ENCODINGS.get(encoding, f'of order {encoding}')}")
        if machine != EM_AARCH64:
            found = MACHINES.get(machine, f"machine {machine}")
            self.refuse(f"must be for AArch64 (EM_AARCH64, {EM_AARCH64}); it is for {found}")
        if type_ not in (ET_EXEC, ET_DYN):
            found = TYPES.get(type_, f"of type {type_}")
            self.refuse(f"must be an executable (ET_EXEC, or ET_DYN for a static-PIE); it is {found}")
        if not count:
            self.refuse("must have a loadable segment (PT_LOAD); it has no program headers")
        if stride != PROGRAM_HEADER.size:
            self.refuse(f"must have program headers of {PROGRAM_HEADER.size} bytes; its header says {stride}")
        size = count * stride
        if table + size > self.size:
            where = f"file offsets {span(table, table + size)}"
            self.refuse(f"must hold its program headers, {where}; the file ends at {self.size:#x}")
        headers = [ProgramHeader(fields) for fields in PROGRAM_HEADER.iter_unpack(self.bytes_at(table, size))]
        return type_ == ET_DYN, entry, headers

    def check_static(self, headers: list[ProgramHeader]) -> None:
        """Refuses an image that only a dynamic linker can start."""
        for header in headers:
            if header.type == PT_INTERP:
                name = b"?"
                if header.filesz <= 4096 and header.offset + header.filesz <= self.size:
                    name = self.bytes_at(header.offset, header.filesz).split(b"\0")[0]
                text = name.decode("ascii", "backslashreplace")
                self.refuse(f"must be statically linked; it needs the interpreter {text}")

    def check_loadable(self, loadable: list[ProgramHeader]) -> None:
        """Refuses segments, sorted by physical address, that are malformed, truncated or on top of each other."""
        if not loadable:
            self.refuse("must have a loadable segment (PT_LOAD); it has none")
        for header in loadable:
            if header.filesz > header.memsz:
                self.refuse(
                    f"a segment must have room in memory for its bytes in the file; the one at {header.paddr:#x} has "
                    f"{header.filesz:#x} bytes in the file and {header.memsz:#x} in memory"
                )
            if header.filesz and header.offset + header.filesz > self.size:
                self.refuse(
                    f"must hold the segment at {header.paddr:#x}, {header.in_file}; the file ends at {self.size:#x}"
                )
            if header.paddr + header.memsz > IPA_LIMIT or header.vaddr + header.memsz > 1 << 64:
                self.refuse(f"segments must end below {IPA_LIMIT:#x}; there is one at {header.in_memory}")
        for header, following in pairwise(loadable):
            if header.paddr + header.memsz > following.paddr:
                self.refuse(f"segments must not overlap; {header.in_memory} and {following.in_memory} do")

    def read_segments(self, loadable: list[ProgramHeader]) -> list[Segment]:
        """The segments, their bytes views of one read: headers that name the same bytes cost no more than one."""
        filled = [h for h in loadable if h.filesz]
        start = min((h.offset for h in filled), default=0)
        stop = max((h.offset + h.filesz for h in filled), default=0)
        contents = memoryview(self.bytes_at(start, stop - start))
        segments = []
        for h in loadable:
            data = contents[h.offset - start : h.offset - start + h.filesz] if h.filesz else b""
            segments.append(Segment(h.paddr, data, h.memsz, h.flags & 7, h.vaddr))
        return segments

    def physical_entry(self, entry: int, segments: list[Segment]) -> int:
        """The guest physical address of a virtual entry point; one that is physical already is left alone."""
        for segment in segments:
            if segment.virtual_address <= entry < segment.virtual_address + segment.memory_size:
                return entry - segment.virtual_address + segment.address
        if not any(segment.address <= entry < segment.end for segment in segments):
            self.refuse(f"the entry point must lie in a loadable segment; it is {entry:#x}")
        return entry

    def read_relocations(self, headers: list[ProgramHeader], segments: list[Segment]) -> list[tuple[int, int]]:
        """The relative relocations of a static-PIE: (physical address of the 64-bit word, addend)."""
        header = next((h for h in headers if h.type == PT_DYNAMIC), None)
        if header is None:
            return []
        if header.offset + header.filesz > self.size:
            self.refuse(f"must hold the dynamic section, {header.in_file}; the file ends at {self.size:#x}")
        tags: dict[int, int] = {}
        for tag, value in DYNAMIC.iter_unpack(self.bytes_at(header.offset, header.filesz & -DYNAMIC.size)):
            if tag == DT_NULL:
                break
            tags[tag] = value
        if DT_NEEDED in tags:
            self.refuse("must be statically linked; it needs a shared library (DT_NEEDED)")
        if DT_RELR in tags:
            self.refuse("must have no packed relocations (DT_RELR); link it with -z nopack-relative-relocs")
        size = tags.get(DT_RELASZ, 0)
        return self.decode_relocations(tags.get(DT_RELA, 0), size, segments) if size else []

    def decode_relocations(self, table: int, size: int, segments: list[Segment]) -> list[tuple[int, int]]:
        """The entries of the RELA table at a virtual address, each checked to lie in a segment's bytes."""
        home = next((s for s in segments if holds(s, table, size)), None)
        if home is None or size % RELOCATION.size:
            self.refuse(f"the relocations must lie in a loadable segment; they are at {span(table, table + size)}")
        start = table - home.virtual_address
        found = []
        for target, info, addend in RELOCATION.iter_unpack(home.data[start : start + size]):
            kind = info & 0xFFFF_FFFF
            if kind in R_AARCH64_NONE:
                continue
            if kind != R_AARCH64_RELATIVE:
                self.refuse(
                    f"relocations must be relative (R_AARCH64_RELATIVE, {R_AARCH64_RELATIVE}); "
                    f"the one of {target:#x} is of type {kind}"
                )
            if not holds(home, target, 8):
                home = next((s for s in segments if holds(s, target, 8)), None)
                if home is None:
                    self.refuse(f"relocations must be of a segment's bytes in the file; there is one of {target:#x}")
            found.append((target - home.virtual_address + home.address, addend))
        return found

    def bytes_at(self, offset: int, size: int) -> bytes:
        """Bytes of the file, which were checked to be there."""
        return read_exactly(self.descriptor, offset, size, self.path)

    def refuse(self, message: str) -> NoReturn:
        """Raises UserError about this file."""
        raise UserError(message, path=self.path)


def holds(segment: Segment, virtual_address: int, size: int) -> bool:
    """Whether `size` bytes at a virtual address are among a segment's bytes from the file."""
    start = virtual_address - segment.virtual_address
    return start >= 0 and start + size <= len(segment.data)
