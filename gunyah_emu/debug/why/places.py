"""Addresses of a trace as a person says them: function, offset and source line, from the VMs' images."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from gunyah_emu.boot.image import read_file
from gunyah_emu.boot.load import guess, load_image
from gunyah_emu.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gunyah_emu.boot.image import Image
    from gunyah_emu.debug.why.trace import Trace
    from gunyah_emu.machine.machine import Machine

INSTRUCTION = 4
BL, BL_MASK = 0x9400_0000, 0xFC00_0000
BLR, BLR_MASK = 0xD63F_0000, 0xFFFF_FC1F


class Places:
    """What is known of the VMs' code.

    Arguments:
        images: by VM.
        notes: what whoever asks should be told: images that are missing, or changed.
    """

    def __init__(self, images: Mapping[str, Iterable[Image]], notes: Iterable[str] = ()) -> None:
        self._images = {vm: tuple(some) for vm, some in images.items()}
        self.notes = list(notes)

    @classmethod
    def of_machine(cls, machine: Machine) -> Places:
        """Those of a machine that is at hand."""
        return cls({vm.name: vm.images for vm in machine.vms})

    @classmethod
    def of_trace(cls, trace: Trace, folder: Path, given: Mapping[str, str]) -> Places:
        """Those that a trace names.

        Arguments:
            trace: begins with the event `machine`, if it was written by this version.
            folder: the trace's; images that are not where they were are looked for from there.
            given: by VM, an ELF to use instead.

        Errors: UserError: a given file is no ELF.
        """
        images: dict[str, list[Image]] = {vm: [load_image(path, "elf")] for vm, path in given.items()}
        notes: list[str] = []
        header = next(iter(trace))
        named = header.table("images") if header.kind == "machine" else {}
        if header.kind != "machine" and not given:
            notes.append(
                "the trace does not begin with the event `machine`: name images by --machine or --image VM=ELF"
            )
        for vm, some in named.items():
            if vm not in given and isinstance(some, list):
                images[vm] = [image for one in some if isinstance(one, dict) and (image := _open(one, folder, notes))]
        return cls(images, notes)

    def of(self, vm: str, address: int) -> str:
        """An address of a VM: `function+0x1c (file.c:12)` as far as that is known, else the number."""
        for image in self._images.get(vm, ()):
            symbol = _symbol(image, address)
            if symbol is not None:
                name, offset = symbol
                where = _source(image, address)
                return f"{name}+{offset:#x}{where}" if offset else f"{name}{where}"
        return f"{address:#x}"

    def of_call(self, vm: str, pc: int | None, lr: int | None) -> str:
        """Where a call was made: its own place, or that of the call of the small function that it stands in."""
        if pc is None:
            return ""
        caller = None if lr is None else self._called_from(vm, pc, lr)
        return self.of(vm, pc) if caller is None else self.of(vm, caller)

    def _called_from(self, vm: str, pc: int, lr: int) -> int | None:
        """The address of the BL by which a function without a frame of its own was called; None: X30 is something else.

        Such a function is a stub around one HVC.  X30 says who called it only while nothing else was called since, so
        the instruction in front of that address must be a call of exactly this function.
        """
        for image in self._images.get(vm, ()):
            function = _symbol(image, pc)
            word = _word(image, lr - INSTRUCTION)
            if function is None or word is None:
                continue
            if word & BLR_MASK == BLR:
                return lr - INSTRUCTION
            if word & BL_MASK == BL:
                offset = (word & ~BL_MASK) << 2
                target = lr - INSTRUCTION + (offset - (1 << 28) if offset >> 27 else offset)
                return lr - INSTRUCTION if target == pc - function[1] else None
        return None


def _source(image: Image, address: int) -> str:
    """The source line, and those that called it where it was inlined."""
    line = image.line_at(address)
    if line is None or image.symbols is None:
        return ""
    lines = [line, *image.symbols.inlined_at(address)]
    return f" ({', from '.join(f'{file}:{number}' for file, number in lines)})"


def _symbol(image: Image, address: int) -> tuple[str, int] | None:
    if not any(s.virtual_address <= address < s.virtual_address + s.memory_size for s in image.segments):
        return None
    return image.symbol_at(address)


def _word(image: Image, address: int) -> int | None:
    for segment in image.segments:
        offset = address - segment.virtual_address
        if 0 <= offset <= len(segment.data) - INSTRUCTION:
            return int.from_bytes(segment.data[offset : offset + INSTRUCTION], "little")
    return None


def _open(named: Mapping[str, object], folder: Path, notes: list[str]) -> Image | None:
    """An image that a trace names, moved as it was; None, with a note, where it cannot be had."""
    path, bias, digest = str(named.get("path")), named.get("bias"), named.get("sha256")
    found = next((place for place in (Path(path), folder / path) if place.is_file()), None)
    if found is None:
        notes.append(f"{path} is not there: places in it are numbers only; name it by --image VM=ELF")
        return None
    try:
        if guess(str(found)) != "elf":
            return None  # what has no symbols
        if digest and sha256(read_file(str(found))).hexdigest() != digest:
            notes.append(f"{found} has changed since the trace was written: symbols and lines may be wrong")
        image = load_image(str(found), "elf")
    except UserError as error:
        notes.append(str(error))
        return None
    return image.relocate(bias) if isinstance(bias, int) and bias and image.is_position_independent else image
