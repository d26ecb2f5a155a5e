"""The arm64 Linux kernel's Image, plain or gzipped, and the rules by which it boots.

The header is 64 bytes at the start of the kernel; the kernel runs from any address that is `text_offset` above a 2 MiB
boundary, with the MMU off and the device tree's address in x0.  `image_size` counts the memory that it needs from there
on, .bss included.

Source: Linux Documentation/arch/arm64/booting.rst.
"""

from __future__ import annotations

import zlib
from struct import Struct

from gunyah_emu.boot.image import MAX_FILE_BYTES, PF_R, PF_W, PF_X, Image, Segment
from gunyah_emu.errors import UserError

HEADER = Struct("<IIQQQQQQII")
MAGIC = 0x644D5241  # "ARM\x64"
MAGIC_OFFSET = 56
GZIP_MAGIC = b"\x1f\x8b"
ALIGNMENT = 2 << 20
LEGACY_TEXT_OFFSET = 0x80000  # of kernels before 3.17, which do not state their size


def is_linux_image(data: bytes) -> bool:
    """Whether bytes are an Image, by the magic number of its header."""
    return data[MAGIC_OFFSET : MAGIC_OFFSET + 4] == MAGIC.to_bytes(4, "little")


def is_gzip(data: bytes) -> bool:
    """Whether bytes are gzipped."""
    return data[:2] == GZIP_MAGIC


def read_linux_image(data: bytes, path: str) -> Image:
    """An Image whose 2 MiB boundary is address 0: to be moved by `relocate`.

    Arguments:
        data: the file's contents, gzipped or not.
        path: its name, for messages.

    Raises:
        UserError: in this order: gzipped data are damaged or too long; the header is truncated, or without its magic
            number; big-endian; with pages of another size than 4 KiB; longer than the memory that it asks for.
    """
    if is_gzip(data):
        data = inflate(data, path)
    if len(data) < HEADER.size:
        raise UserError(f"must have a Linux Image header of {HEADER.size} bytes; it has {len(data)}", path=path)
    _, _, text_offset, size, flags, _, _, _, magic, _ = HEADER.unpack_from(data)
    if magic != MAGIC:
        found = data[MAGIC_OFFSET : MAGIC_OFFSET + 4].hex(" ")
        raise UserError(f"must be a Linux Image (41 52 4d 64 at offset 0x38); it has {found}", path=path)
    if flags & 1:
        raise UserError("must be a little-endian kernel; its header says big-endian", path=path)
    page_size = flags >> 1 & 3
    if page_size > 1:
        found = {2: "16 KiB", 3: "64 KiB"}[page_size]
        raise UserError(f"must be a kernel with 4 KiB pages; its header says {found}", path=path)
    if size == 0:
        text_offset, size = LEGACY_TEXT_OFFSET, len(data)
    if len(data) > size:
        raise UserError(f"must fit into the {size:#x} bytes that its header asks for; it has {len(data):#x}", path=path)
    if text_offset >= ALIGNMENT or size > MAX_FILE_BYTES:
        found = f"{text_offset:#x} and {size:#x}"
        raise UserError(f"must start below 2 MiB and need at most 2 GiB; its header says {found}", path=path)
    segment = Segment(text_offset, data, size, PF_R | PF_W | PF_X)
    return Image(path, "linux", text_offset, (segment,), is_position_independent=True)


def inflate(data: bytes, path: str) -> bytes:
    """Gzipped data, inflated; what follows the first member is ignored, as by U-Boot and QEMU.

    Raises:
        UserError: the data are damaged, truncated or inflate to more than 2 GiB.
    """
    inflater = zlib.decompressobj(wbits=31)
    try:
        inflated = inflater.decompress(data, MAX_FILE_BYTES)
    except zlib.error as error:
        raise UserError(f"must be sound gzip data; {error}", path=path) from None
    if inflater.eof:
        return inflated
    if inflater.unconsumed_tail:
        raise UserError(f"must inflate to at most {MAX_FILE_BYTES:#x} bytes; it is longer", path=path)
    raise UserError("must be sound gzip data; it is truncated", path=path)
