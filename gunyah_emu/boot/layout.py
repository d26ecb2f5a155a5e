"""Where in a VM's memory its images, its device tree and its initial RAM disk go.

The places are QEMU's where a guest could tell: a Linux kernel 2 MiB above the start of memory, a raw binary 512 KiB;
the RAM disk at half of memory (128 MiB at most), a kernel's device tree after it, and a raw binary's there as well; for
everything else the device tree at the start of memory, where bare-metal guests for QEMU's virt look for it.  What is
taken moves on to the next free place, never onto an image.  A segment below the devices is the flash's, where memory
is above them.

Source: QEMU 7.2 hw/arm/boot.c as observed; Linux Documentation/arch/arm64/booting.rst.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gunyah_emu.boot import virt_map
from gunyah_emu.boot.image import Image, check_disjoint, span
from gunyah_emu.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGE = 4096
BLOCK = 2 << 20
DEFAULT_MEMORY, MEMORY_LIMIT = 128 << 20, 16 << 30  # QEMU's default, for which RTOSes are linked
NEAR = 1 << 30
"""An image that ends this far above QEMU's start of memory is linked for it; one farther up has memory of its own."""
RAM_DISK_OFFSET = 128 << 20
RAW_OFFSET = 512 << 10  # where `qemu -kernel` puts what has no header, and so where such images are linked
DEVICE_TREE_ROOM = 64 << 10
"""Bytes kept for a device tree: one of a VM has 3 KiB, a board's 15 KiB, and boot loaders add to theirs."""


class Layout(NamedTuple):
    """What goes where, in guest physical addresses.

    Attributes:
        images: as given, moved to where they are loaded; the first one starts.
        device_tree: where the device tree goes; a multiple of 4 KiB.
        ram_disk: addresses of its first byte and of the one after its last; None without one.
    """

    images: tuple[Image, ...]
    device_tree: int
    ram_disk: tuple[int, int] | None

    def has_flash(self, base: int) -> bool:
        """Whether something is in the flash of a VM whose memory begins at `base`."""
        return any(segment.in_flash(base) for image in self.images for segment in image.segments)

    @property
    def entry(self) -> int:
        """Where the first vCPU starts."""
        return self.images[0].entry


def memory_for(images: Sequence[Image]) -> tuple[int, int]:
    """A memory, base and bytes, for images whose VM does not say: as on QEMU's virt where they fit, else around them.

    Raises:
        UserError: they would need memory where the devices are, or more than 16 GiB.
    """
    fixed = [image for image in images if not image.is_position_independent and image.kind != "flash"]
    # Linkers put headers where nobody asked for them: an image with more than that in memory has the rest in the flash.
    low = min((image.start_from(virt_map.DEVICES_END) for image in fixed), default=virt_map.RAM_BASE)
    high = max((image.end for image in fixed), default=virt_map.RAM_BASE)
    is_near = low >= virt_map.RAM_BASE and high - virt_map.RAM_BASE <= NEAR
    base = virt_map.RAM_BASE if is_near else low & -BLOCK
    room = sum(image.end - image.start for image in images if image.is_position_independent) + 2 * BLOCK
    size = max(DEFAULT_MEMORY, align(high + room, BLOCK) - base)
    if base < virt_map.DEVICES_END and high > virt_map.DEVICES_BASE:
        devices = span(virt_map.DEVICES_BASE, virt_map.DEVICES_END)
        raise UserError(
            f"must not lie where the devices are, {devices}; it is at {span(low, high)}", path=fixed[0].path
        )
    if size > MEMORY_LIMIT:
        raise UserError(
            f"must need at most {MEMORY_LIMIT:#x} bytes of memory; it is at {span(low, high)}", path=images[0].path
        )
    if base < virt_map.DEVICES_BASE:
        size = min(size, virt_map.DEVICES_BASE - base)
    return base, size


def arrange(
    images: Sequence[Image],
    base: int,
    size: int,
    vm: str,
    ram_disk_size: int = 0,
    device_tree_room: int = DEVICE_TREE_ROOM,
) -> Layout:
    """Finds a place for everything.

    Arguments:
        images: the first one starts; position-independent ones are moved; one for the flash is not in memory.
        base: the memory's guest physical address.
        size: its bytes.
        vm: the VM's name, for messages.
        ram_disk_size: bytes; 0 for none.
        device_tree_room: bytes that the device tree may take.

    Raises:
        UserError: in this order: an image does not fit into memory; two overlap; there is no room for the RAM disk;
            none for the device tree.
    """
    memory = Memory(base, size, vm)
    moved = []
    for image in images:
        if image.kind == "flash":
            moved.append(image)
            continue
        placed = image if not image.is_position_independent else memory.place(image)
        placed.check_fits(base, size, vm)
        memory.take(placed)
        moved.append(placed)
    check_disjoint(moved)
    ram_disk = None
    after = max(moved[0].end, base)
    preferred = base + min(size // 2, RAM_DISK_OFFSET)
    if ram_disk_size:
        start = memory.reserve(ram_disk_size, "RAM disk", (preferred, PAGE), (after, PAGE), (base, PAGE))
        ram_disk = (start, start + ram_disk_size)
        after = max(after, start + ram_disk_size)
    choices = [(after, BLOCK), (after, PAGE), (base, PAGE)]
    if moved[0].kind == "raw":  # it does not say how much it uses behind its own bytes
        choices.insert(0, (max(preferred, after), BLOCK))
    elif moved[0].kind != "linux":
        choices.insert(0, (base, 0))
    return Layout(tuple(moved), memory.reserve(device_tree_room, "device tree", *choices), ram_disk)


class Memory:
    """A VM's memory while it is being filled."""

    def __init__(self, base: int, size: int, vm: str) -> None:
        self.base = base
        self.end = base + size
        self.vm = vm
        self.taken: list[tuple[int, int]] = []

    def take(self, image: Image) -> None:
        """Notes what an image occupies."""
        self.taken += [(segment.address, segment.end) for segment in image.segments]
        self.taken.sort()

    def place(self, image: Image) -> Image:
        """Moves a position-independent image into this memory, unless it is linked to be there."""
        if image.kind == "linux":
            start = align(self.base, BLOCK)
            # A kernel at the very start leaves no room below; QEMU's boot loader, which is there, moves it up.
            if image.start < PAGE and start + BLOCK + image.end <= self.end:
                start += BLOCK
            return image.relocate(start)
        if self.base <= image.start and image.end <= self.end and image.kind == "elf":
            return image
        if image.kind == "raw":
            above = self.base + RAW_OFFSET
            return image.relocate((above if above + image.end <= self.end else self.base) - image.start)
        lowest = image.start & -(64 << 10)  # segments keep their alignment
        start = align(self.base + 1, BLOCK)
        if start + image.end - lowest > self.end:
            start = align(self.base, 64 << 10)
        return image.relocate(start - lowest)

    def reserve(self, size: int, what: str, *choices: tuple[int, int]) -> int:
        """Takes the first free place.

        Arguments:
            size: bytes.
            what: for the message.
            choices: (lowest address, alignment), tried in this order; alignment 0: that address and no other.

        Raises:
            UserError: no choice has room.
        """
        for lowest, alignment in choices:
            address = lowest if alignment == 0 else align(lowest, alignment)
            for start, end in self.taken:
                if start < address + size and address < end:
                    address = self.end if alignment == 0 else align(end, alignment)
            if address + size <= self.end:
                self.taken.append((address, address + size))
                self.taken.sort()
                return address
        memory = span(self.base, self.end)
        raise UserError(
            f"memory of VM '{self.vm}' must have room for a {what} of {size:#x} bytes beside the images; it is {memory}"
        )


def align(value: int, boundary: int) -> int:
    """The next multiple of a power of two."""
    return (value + boundary - 1) & -boundary
