"""Names of places in a VM's images, both ways: what is at an address, and which address a person means."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from gunyah_emu.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gunyah_emu.boot.image import Image
    from gunyah_emu.machine.vm import VirtualMachine

SOURCE_LINE = re.compile(r"(.+\.\w+):(\d+)")
SYMBOL = re.compile(r"([A-Za-z_.$][\w.$]*)(?:\+(0x[0-9a-fA-F]+|\d+))?")
MAX_SOURCE_BYTES = 1 << 20


def image_at(vm: VirtualMachine, address: int) -> Image | None:
    """The image that an address of a VM lies in."""
    for image in vm.images:
        if any(s.virtual_address <= address < s.virtual_address + s.memory_size for s in image.segments):
            return image
    return None


def symbol_at(vm: VirtualMachine, address: int) -> tuple[str, int] | None:
    """The function or object at an address, and the offset into it."""
    image = image_at(vm, address)
    return None if image is None else image.symbol_at(address)


def lines_at(vm: VirtualMachine, address: int) -> tuple[tuple[str, int], ...]:
    """The source file and line of an instruction, and those that called it where it was inlined."""
    image = image_at(vm, address)
    line = None if image is None else image.line_at(address)
    if image is None or line is None or image.symbols is None:
        return ()
    return line, *image.symbols.inlined_at(address)


def source_text(vm: VirtualMachine, lines: Iterable[tuple[str, int]]) -> str:
    """The text of the first source line whose file lies beside the image or in the current folder; else nothing."""
    for file, number in lines:
        for folder in (*(str(Path(image.path).parent) for image in vm.images), "."):
            known = _lines(f"{folder}/{Path(file).name}")
            if 0 < number <= len(known):
                return known[number - 1].strip()
    return ""


@lru_cache(maxsize=256)
def _lines(path: str) -> tuple[str, ...]:
    try:
        with Path(path).open("rb") as file:
            return tuple(file.read(MAX_SOURCE_BYTES).decode("utf-8", "replace").splitlines())
    except OSError:
        return ()


def find_place(vms: Sequence[VirtualMachine], text: str) -> tuple[VirtualMachine, int]:
    """The VM and address that a person means.

    Arguments:
        vms: those that may be meant, the likeliest first.
        text: `[VM:]` and an address, `symbol[+offset]` or `file:line`.

    Errors: UserError: it is none of those, or no VM has it.
    """
    named, _, rest = text.partition(":")
    chosen = [vm for vm in vms if vm.name == named] if rest else []
    wanted = rest if chosen else text
    for vm in chosen or vms:
        address = _address_of(vm, wanted)
        if address is not None:
            return vm, address
    where = f"VM '{chosen[0].name}'" if chosen else "any VM" if len(vms) > 1 else f"VM '{vms[0].name}'"
    raise UserError(
        f"a place must be [VM:] and an address, a symbol[+offset] or file:line; {wanted!r} is not in {where}"
    )


def _address_of(vm: VirtualMachine, text: str) -> int | None:
    if text[:1].isdigit():
        try:
            return int(text, 0)
        except ValueError:
            return None
    if (match := SOURCE_LINE.fullmatch(text)) is not None:
        found = [image.symbols.address_of_line(match[1], int(match[2])) for image in vm.images if image.symbols]
        return next((address for address in found if address is not None), None)
    if (match := SYMBOL.fullmatch(text)) is None:
        return None
    for image in vm.images:
        start = image.address_of(match[1])
        if start is not None:
            return start + int(match[2] or "0", 0)
    return None
