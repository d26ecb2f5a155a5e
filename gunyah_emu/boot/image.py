"""An image, ready to be put into a VM's memory: bytes at guest physical addresses, and where to start.

Every loader (ELF, Linux Image, raw) gives an `Image`, so that what follows (does it fit, does it overlap, copy it)
exists once.  A segment's bytes are a view of the file's contents and its zeros are only counted: an image that claims a
terabyte of .bss costs nothing until somebody finds that it does not fit.
"""

from __future__ import annotations

import os
import stat
from itertools import pairwise
from typing import TYPE_CHECKING

from gunyah_emu.boot import virt_map
from gunyah_emu.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gunyah_emu.boot.symbols import Symbols

PF_X, PF_W, PF_R = 1, 2, 4

MAX_FILE_BYTES = 2 << 30  # an image is copied into host memory: a sparse file of a terabyte must not be
ZEROS = bytes(1 << 16)


class Segment:
    """A run of an image's memory.

    Attributes:
        address: guest physical address of the first byte.
        virtual_address: where the image was linked to run, for symbols; equal to `address` in most bare-metal images.
        data: the bytes from the file.
        memory_size: bytes in memory; those after `data` are zero.
        flags: PF_X | PF_W | PF_R of the program header.
    """

    __slots__ = ("address", "data", "flags", "memory_size", "virtual_address")

    def __init__(
        self,
        address: int,
        data: bytes | bytearray | memoryview,
        memory_size: int,
        flags: int,
        virtual_address: int | None = None,
    ) -> None:
        self.address = address
        self.data = data
        self.memory_size = memory_size
        self.flags = flags
        self.virtual_address = address if virtual_address is None else virtual_address

    @property
    def end(self) -> int:
        """The guest physical address after the last byte."""
        return self.address + self.memory_size

    def in_flash(self, base: int) -> bool:
        """Whether this is the flash's, in a VM whose memory begins at `base`."""
        return self.end <= virt_map.FLASH_END <= base

    def __repr__(self) -> str:
        mode = "".join(letter if self.flags & bit else "-" for letter, bit in (("r", PF_R), ("w", PF_W), ("x", PF_X)))
        return f"<Segment {span(self.address, self.end)} {mode}>"


class Image:
    """A program to be put into a VM's memory.

    Attributes:
        path: the file that it came from.
        kind: "elf", "linux", "raw" or "flash".
        entry: guest physical address of the first instruction.
        segments: by address, not overlapping.
        is_position_independent: may be moved by `relocate`.
        symbols: names, addresses and source lines; None for an image that has none to give.
    """

    __slots__ = ("_relocations", "entry", "is_position_independent", "kind", "path", "segments", "symbols")

    def __init__(
        self,
        path: str,
        kind: str,
        entry: int,
        segments: Sequence[Segment],
        *,
        is_position_independent: bool = False,
        relocations: Sequence[tuple[int, int]] = (),
        symbols: Symbols | None = None,
    ) -> None:
        self.path = path
        self.kind = kind
        self.entry = entry
        self.segments = tuple(segments)
        self.is_position_independent = is_position_independent
        self.symbols = symbols
        self._relocations = relocations

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return self.path.rpartition("/")[2]

    @property
    def start(self) -> int:
        """The lowest guest physical address."""
        return self.segments[0].address

    @property
    def end(self) -> int:
        """The guest physical address after the highest byte."""
        return self.segments[-1].end

    def start_from(self, boundary: int) -> int:
        """The lowest address, but for segments that end by the flash's end while others are from `boundary` on."""
        above = [segment.address for segment in self.segments if segment.address >= boundary]
        is_split = above and all(s.address >= boundary or s.end <= virt_map.FLASH_END for s in self.segments)
        return above[0] if is_split else self.start

    def symbol_at(self, address: int) -> tuple[str, int] | None:
        """The name of the function or object at a virtual (else physical) address, and the offset into it."""
        return None if self.symbols is None else self.symbols.symbol_at(address)

    def address_of(self, name: str) -> int | None:
        """The virtual address of a symbol; None when the image has no such symbol."""
        return None if self.symbols is None else self.symbols.address_of(name)

    def line_at(self, address: int) -> tuple[str, int] | None:
        """The source file and line of an instruction; None without debugging information."""
        return None if self.symbols is None else self.symbols.line_at(address)

    def relocate(self, bias: int) -> Image:
        """The same image, moved up by `bias` bytes, its R_AARCH64_RELATIVE relocations applied.

        Arguments:
            bias: bytes to add to every address; of an ELF or a kernel, a multiple of its alignment.
        """
        assert self.is_position_independent
        moved = [
            Segment(s.address + bias, s.data, s.memory_size, s.flags, s.virtual_address + bias) for s in self.segments
        ]
        segment = moved[0]
        for target, addend in self._relocations:
            if not segment.address <= target + bias < segment.end:
                segment = next(s for s in moved if s.address <= target + bias < s.end)
            if not isinstance(segment.data, bytearray):
                segment.data = bytearray(segment.data)
            at = target + bias - segment.address
            segment.data[at : at + 8] = ((addend + bias) % (1 << 64)).to_bytes(8, "little")
        symbols = None if self.symbols is None else self.symbols.moved(bias)
        return Image(self.path, self.kind, self.entry + bias, moved, is_position_independent=True, symbols=symbols)

    def check_fits(self, base: int, size: int, vm: str) -> None:
        """Raises UserError unless every segment lies inside the memory of a VM, or in the flash below it.

        Arguments:
            base: the memory's guest physical address.
            size: its bytes.
            vm: the VM's name, for the message.
        """
        for segment in self.segments:
            if (segment.address < base or segment.end > base + size) and not segment.in_flash(base):
                raise UserError(
                    f"segments must lie inside the memory of VM '{vm}', {span(base, base + size)}; "
                    f"there is one at {span(segment.address, segment.end)}",
                    path=self.path,
                )

    def load_into(self, ram: memoryview, base: int, *, is_zero: bool) -> None:
        """Copies the image, as far as it lies there, into a VM's memory or flash.

        Arguments:
            ram: the memory; what is nowhere in it, `check_fits` has found to be the flash's, and the other way round.
            base: the guest physical address of its first byte.
            is_zero: the memory was never written, so that .bss need not be cleared.
        """
        for segment in self.segments:
            if not base <= segment.address < base + len(ram):
                continue
            start = segment.address - base
            stop = start + len(segment.data)
            ram[start:stop] = segment.data
            if not is_zero:
                for at in range(stop, start + segment.memory_size, len(ZEROS)):
                    until = min(at + len(ZEROS), start + segment.memory_size)
                    ram[at:until] = ZEROS[: until - at]


def check_disjoint(images: Sequence[Image]) -> None:
    """Raises UserError when two images of one VM want the same memory."""
    taken = sorted(
        (segment.address, segment.end, index) for index, image in enumerate(images) for segment in image.segments
    )
    for (start, end, index), (next_start, next_end, next_index) in pairwise(taken):
        if next_start < end:
            raise UserError(
                f"images of one VM must not overlap; {span(next_start, next_end)} overlaps {span(start, end)} "
                f"of {images[index].path}",
                path=images[next_index].path,
            )


def span(start: int, end: int) -> str:
    """A range of addresses as messages show it, its last byte included."""
    return f"{start:#x}..{end - 1:#x}" if end > start else f"{start:#x} (empty)"


def open_image(path: str) -> tuple[int, int]:
    """Opens a file that is to be loaded: its descriptor, which the caller closes, and its size in bytes.

    Raises:
        UserError: it does not exist, may not be read, is a directory, a device or larger than 2 GiB.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise UserError(f"must be a file that can be read; {reason(error)}", path=path) from None
    status = os.fstat(descriptor)
    problem = None
    if stat.S_ISDIR(status.st_mode):
        problem = "must be a file; it is a directory"
    elif not stat.S_ISREG(status.st_mode):
        problem = "must be a regular file; it is a device, pipe or socket"
    elif status.st_size > MAX_FILE_BYTES:
        problem = f"must have at most {MAX_FILE_BYTES:#x} bytes; it has {status.st_size:#x}"
    if problem:
        os.close(descriptor)
        raise UserError(problem, path=path)
    return descriptor, status.st_size


def reason(error: Exception, file: str = "it") -> str:
    """Why a file could not be opened, as the second half of a message."""
    if isinstance(error, FileNotFoundError):
        return f"{file} does not exist"
    # A ValueError comes of a NUL in the path.
    return f"{file} cannot be opened ({error.strerror if isinstance(error, OSError) else error})"


def read_file(path: str) -> bytes:
    """The contents of a file that is to be loaded; raises UserError as `open_image`."""
    descriptor, size = open_image(path)
    try:
        return read_exactly(descriptor, 0, size, path)
    finally:
        os.close(descriptor)


def read_exactly(descriptor: int, offset: int, size: int, path: str) -> bytes:
    """`size` bytes of an open file; raises UserError when the file became shorter since it was opened."""
    parts = []
    while size:
        part = os.pread(descriptor, min(size, 1 << 30), offset)
        if not part:
            raise UserError("must not change while it is read; it became shorter", path=path)
        parts.append(part)
        offset += len(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
