"""The arm64 Linux kernel's Image, plain, gzipped or in an EFI zboot wrapper, and the rules by which it boots.

The header is 64 bytes at the start of the kernel; the kernel runs from any address that is `text_offset` above a 2 MiB
boundary, with the MMU off and the device tree's address in x0.  `image_size` counts the memory that it needs from there
on, .bss included.

Source: Linux Documentation/arch/arm64/booting.rst; drivers/firmware/efi/libstub/zboot-header.S.
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
EFI_ZBOOT = Struct("<2s2x4sII8x32s")  # MZ, zimg, payload offset and size, compression
ALIGNMENT = 2 << 20
LEGACY_TEXT_OFFSET = 0x80000  # of kernels before 3.17, which do not state their size


def is_linux_image(data: bytes) -> bool:
    """Whether bytes are an Image, by the magic number of its header."""
    return data[MAGIC_OFFSET : MAGIC_OFFSET + 4] == MAGIC.to_bytes(4, "little")


def is_gzip(data: bytes) -> bool:
    """Whether bytes are gzipped."""
    return data[:2] == GZIP_MAGIC


def is_efi_zboot(data: bytes) -> bool:
    """Whether bytes are a compressed kernel in a wrapper that EFI firmware runs, as distributions ship them."""
    return data[:2] == b"MZ" and data[4:8] == b"zimg" and len(data) >= EFI_ZBOOT.size


def efi_payload(data: bytes, path: str) -> bytes:
    """The gzipped kernel in its EFI wrapper; raises UserError when it is truncated or compressed otherwise."""
    _, _, offset, size, name = EFI_ZBOOT.unpack_from(data)
    compression = name.split(b"\0")[0].decode("ascii", "backslashreplace")
    if compression != "gzip":
        raise UserError(f"a kernel in an EFI wrapper must be compressed by gzip; it is by {compression}", path=path)
    if offset + size > len(data):
        raise UserError(f"must hold the kernel up to {offset + size:#x}; the file ends at {len(data):#x}", path=path)
    return data[offset : offset + size]


def read_linux_image(data: bytes, path: str) -> Image:
    """An Image whose 2 MiB boundary is address 0: to be moved by `relocate`.

    Arguments:
        data: the file's contents, compressed or not.
        path: its name, for messages.

    Raises:
        UserError: in this order: gzipped data are damaged or too long; the header is truncated, or without its magic
            number; big-endian; longer than the memory that it asks for; out of all proportion.
    """
    if is_efi_zboot(data):
        data = efi_payload(data, path)
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
