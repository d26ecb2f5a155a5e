"""A vCPU's memory as its EL1 sees it: buffers of hypercalls go through stage 1, which the machine knows, and stage 2.

It happens on every message: a buffer in one page, or anything while the MMU is off, takes the short way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gunyah_emu.abi.errors import ADDR_OVERFLOW, ARGUMENT_INVALID, OK
from gunyah_emu.hypervisor.memory import ADDRESS_LIMIT, PAGE_MASK, PAGE_SIZE

if TYPE_CHECKING:
    from gunyah_emu.hypervisor.addrspace import Addrspace


class GuestMemory:
    """The part of a thread that reads and writes its memory."""

    __slots__ = ()

    addrspace: Addrspace | None
    translate: Callable[[int, bool], int | None] | None

    def read_memory(self, va: int, size: int) -> bytes | None:
        """Bytes of the caller's memory through its stage 1 and 2; `None` where any of it is not readable.

        Raises:
            HypervisorFatal: a device or nothing at all is mapped there.

        """
        addrspace = self.addrspace
        if addrspace is None:
            return None
        translate = self.translate
        if translate is None:
            return addrspace.read(va, size)
        if (va & PAGE_MASK) + size <= PAGE_SIZE:
            ipa = translate(va, False)
            return None if ipa is None else addrspace.read(ipa, size)
        parts: list[bytes] = []
        for start, length in _pages(va, size):
            ipa = translate(start, False)
            part = None if ipa is None else addrspace.read(ipa, length)
            if part is None:
                return None
            parts.append(part)
        return b"".join(parts)

    def write_memory(self, va: int, data: bytes) -> int:
        """Write to the caller's memory; how many bytes were written before a hole.

        Raises:
            HypervisorFatal: a device or nothing at all is mapped there.

        """
        addrspace = self.addrspace
        if addrspace is None:
            return 0
        translate = self.translate
        if translate is None:
            return addrspace.write(va, data)
        if (va & PAGE_MASK) + len(data) <= PAGE_SIZE:
            ipa = translate(va, True)
            return 0 if ipa is None else addrspace.write(ipa, data)
        done = 0
        for start, length in _pages(va, len(data)):
            ipa = translate(start, True)
            if ipa is None:
                break
            count = addrspace.write(ipa, data[done : done + length])
            done += count
            if count < length:
                break
        return done

    def read_error(self, va: int, size: int) -> int:
        """Why `read_memory` gave nothing: ADDR_OVERFLOW, ARGUMENT_INVALID (stage 1), ADDR_INVALID, DENIED (stage 2)."""
        if va + size > ADDRESS_LIMIT:
            return ADDR_OVERFLOW
        addrspace = self.addrspace
        assert addrspace is not None
        for start, _ in _pages(va, size):
            ipa = start if self.translate is None else self.translate(start, False)
            if ipa is None:
                return ARGUMENT_INVALID
            error = addrspace.access_error(ipa)
            if error:
                return error
        return OK


def _pages(va: int, size: int) -> list[tuple[int, int]]:
    """A range cut at page boundaries, as (address, bytes)."""
    pieces: list[tuple[int, int]] = []
    end = va + size
    while va < end:
        stop = min((va & ~PAGE_MASK) + PAGE_SIZE, end)
        pieces.append((va, stop - va))
        va = stop
    return pieces
