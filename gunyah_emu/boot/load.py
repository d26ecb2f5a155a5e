"""A file becomes an image, whatever its format."""

from __future__ import annotations

import os

from gunyah_emu.boot import virt_map
from gunyah_emu.boot.elf import MAGIC as ELF_MAGIC
from gunyah_emu.boot.elf import load_elf
from gunyah_emu.boot.image import PF_R, PF_W, PF_X, Image, Segment, open_image, read_exactly, read_file
from gunyah_emu.errors import UserError

ELF_ALIGNMENT = 64 << 10  # the largest page of the architecture, to which linkers align segments


def load_image(path: str, kind: str = "auto", load_address: int | None = None) -> Image:
    """Reads an image.

    Arguments:
        path: the file.
        kind: "elf", "linux", "raw", "flash", or "auto": ELF or Linux Image, told by the first bytes.  The others must
            be asked for, so that a file given by mistake is not run.
        load_address: where a raw image, or a position-independent ELF, goes.  Without one such an image stays position
            independent, like a Linux Image: `layout` finds a place.

    Raises:
        UserError: the file cannot be read or is not of its kind; a load address is given to an image that has its own,
            or one that is not a multiple of 64 KiB to an ELF.
    """
    if kind == "auto":
        kind = guess(path)
    if kind == "elf":
        image = load_elf(path)
    elif kind == "linux":
        # Only kernels need it, and not every run is one of a kernel.
        from gunyah_emu.boot.linux_image import read_linux_image

        image = read_linux_image(read_file(path), path)
    else:
        image = read_flash(path) if kind == "flash" else read_raw(path)
    return image if load_address is None else move(image, load_address)


def move(image: Image, load_address: int) -> Image:
    """An image moved to where the user wants it, for good; raises UserError when it cannot be."""
    if image.kind == "linux" or not image.is_position_independent:
        raise UserError(
            f"load_address must be left out for an image that says where it goes; it is {load_address:#x}",
            path=image.path,
        )
    if image.kind == "elf" and load_address % ELF_ALIGNMENT:
        raise UserError(
            f"load_address of an ELF must be a multiple of {ELF_ALIGNMENT:#x}; it is {load_address:#x}", path=image.path
        )
    moved = image.relocate(load_address - (image.start & -ELF_ALIGNMENT))
    moved.is_position_independent = False
    return moved


def guess(path: str) -> str:
    """The kind of an image by its first bytes.

    Raises:
        UserError: the file cannot be read, or is neither an ELF nor a Linux Image.
    """
    descriptor, size = open_image(path)
    try:
        head = read_exactly(descriptor, 0, min(size, 64), path)
    finally:
        os.close(descriptor)
    if head[:4] == ELF_MAGIC:
        return "elf"
    from gunyah_emu.boot.linux_image import is_efi_zboot, is_gzip, is_linux_image

    if is_linux_image(head) or is_gzip(head) or is_efi_zboot(head):
        return "linux"
    found = f"begins with {head[:4].hex(' ')}" if head else "is empty"
    raise UserError(
        f"must be an ELF (7f 45 4c 46) or a Linux Image; it {found} "
        "(a raw binary needs --image-type raw, or image_type = 'raw' in a machine file)",
        path=path,
    )


def read_raw(path: str) -> Image:
    """A raw image, at address 0: code from its first byte on."""
    return Image(path, "raw", 0, (whole_file(path, 0),), is_position_independent=True)


def read_flash(path: str) -> Image:
    """What the flash holds: code from its first byte on, where a CPU starts that comes out of reset.

    Raises:
        UserError: it cannot be read, is empty or larger than the flash.
    """
    segment = whole_file(path, virt_map.FLASH_BASE)
    if segment.memory_size > virt_map.FLASH_SIZE:
        found = f"{segment.memory_size:#x}"
        raise UserError(f"must fit into {virt_map.FLASH_SIZE:#x} bytes of flash; it has {found}", path=path)
    return Image(path, "flash", segment.address, (segment,))


def whole_file(path: str, address: int) -> Segment:
    """A file's bytes at an address; raises UserError when it cannot be read or is empty."""
    data = read_file(path)
    if not data:
        raise UserError("must hold at least one byte; it is empty", path=path)
    return Segment(address, data, len(data), PF_R | PF_W | PF_X)
