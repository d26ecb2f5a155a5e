"""The machine's physical memory: what is there, and which object owns it.

Contents: the machine hands over writable buffers for RAM and names the ranges that are devices; everything else is a
hole.  Gunyah maps a guest's buffer where the page tables say and touches it: where that is no RAM, the access is an
EL2 data abort and the whole system goes down (recorded), so `require_ram` raises instead of returning.

Ownership: Gunyah's memory database ("memdb") gives every physical address at most one owner, a partition or a memory
extent.  An extent that is activated takes its range from its partition or parent, and gives it back when it dies;
nothing else may own it in between.
"""

from __future__ import annotations

from typing import Final

from gunyah_emu.abi.errors import ADDR_INVALID, MEMDB_NOT_OWNER, NOMEM, OK
from gunyah_emu.hypervisor.fatal import HypervisorFatal
from gunyah_emu.hypervisor.range_map import RangeMap

PAGE_SIZE: Final = 0x1000
PAGE_MASK: Final = PAGE_SIZE - 1
ADDRESS_LIMIT: Final = 1 << 64

MAX_OWNED_RANGES: Final = 1 << 14
"""How finely ownership may be cut before the database's heap is full; the real one has a private heap of 3 MiB for
it.
"""

_ZEROS: Final = bytes(1 << 20)


class Ram:
    """A piece of RAM; compared by identity, so that neighbours never merge."""

    __slots__ = ("base", "view")

    def __init__(self, base: int, view: memoryview) -> None:
        self.base = base
        self.view = view


class PhysicalMemory:
    """RAM, devices and owners by physical address; and the VMIDs in use, of which a machine has one name space."""

    __slots__ = ("_devices", "_owners", "_ram", "vmids")

    def __init__(self) -> None:
        self._ram: RangeMap[Ram] = RangeMap()
        self._devices: RangeMap[bool] = RangeMap()
        self._owners: RangeMap[object] = RangeMap()
        self.vmids: set[int] = {0}  # 0 is the hypervisor's own

    def add_ram(self, base: int, buffer: memoryview) -> None:
        """Back [base, base + len(buffer)) by a writable buffer of bytes, which stays the machine's."""
        view = buffer.cast("B")
        assert not view.readonly, "RAM must be writable"
        assert self._ram.vacant(base, base + len(view)), "RAM must not overlap"
        self._ram.assign(base, base + len(view), Ram(base, view))

    def all_ram(self) -> list[tuple[int, int, Ram]]:
        """Every piece of RAM as (start, end, piece)."""
        return list(self._ram)

    def add_device(self, base: int, size: int) -> None:
        """Say that [base, base + size) is registers: never touched from here."""
        self._devices.assign(base, base + size, True)

    def kind(self, address: int) -> str | None:
        """What is at a physical address: "ram", "device" or nothing."""
        if self._ram.at(address) is not None:
            return "ram"
        return None if self._devices.at(address) is None else "device"

    def not_ram(self, address: int) -> str:
        """What is at an address that is not RAM, for a message."""
        return "not RAM but a device's registers" if self.kind(address) == "device" else "not RAM but nothing at all"

    def ram_at(self, address: int) -> Ram | None:
        """The piece of RAM around a physical address."""
        found = self._ram.at(address)
        return None if found is None else found[2]

    def view(self, address: int, size: int) -> memoryview | None:
        """The bytes of a range that lies in one piece of RAM."""
        found = self._ram.at(address)
        if found is None or address + size > found[1]:
            return None
        offset = address - found[0]
        return found[2].view[offset : offset + size]

    def require_ram(self, address: int, size: int) -> list[memoryview]:
        """The pieces of RAM that make up a range which the hypervisor is about to touch.

        Raises:
            HypervisorFatal: part of the range is no RAM.

        """
        pieces: list[memoryview] = []
        for start, end, ram in self._ram.runs(address, address + size):
            if ram is None:
                raise HypervisorFatal(f"the hypervisor touched physical address {start:#x}: {self.not_ram(start)}")
            pieces.append(ram.view[start - ram.base : end - ram.base])
        return pieces

    def read(self, address: int, size: int) -> bytes:
        """The bytes of a range, all of it RAM (`require_ram`)."""
        return b"".join(self.require_ram(address, size))

    def write(self, address: int, data: bytes) -> None:
        """Store bytes in a range, all of it RAM (`require_ram`)."""
        done = 0
        for piece in self.require_ram(address, len(data)):
            piece[:] = data[done : done + len(piece)]
            done += len(piece)

    def zero(self, address: int, size: int) -> None:
        """Store zeros in a range, all of it RAM (`require_ram`)."""
        for piece in self.require_ram(address, size):
            for offset in range(0, len(piece), len(_ZEROS)):
                chunk = piece[offset : offset + len(_ZEROS)]
                chunk[:] = _ZEROS[: len(chunk)]

    def give(self, base: int, size: int, owner: object) -> None:
        """Make `owner` the owner of [base, base + size) at boot, when nobody owns it."""
        assert self._owners.vacant(base, base + size), "memory must not have two owners"
        self._owners.assign(base, base + size, owner)

    def insert(self, base: int, size: int, owner: object) -> int:
        """Make `owner` the first owner of a range; MEMDB_NOT_OWNER where part of it has one."""
        if not self._owners.vacant(base, base + size):
            return MEMDB_NOT_OWNER
        if len(self._owners) >= MAX_OWNED_RANGES:
            return NOMEM
        self._owners.assign(base, base + size, owner)
        return OK

    def transfer(self, base: int, size: int, owner: object, previous: object) -> int:
        """Hand a range from its owner to another.

        Errors in order: ADDR_INVALID: nobody ever owned any of it; MEMDB_NOT_OWNER: part of it is not `previous`'s;
        NOMEM.
        """
        end = base + size
        found = self._owners.at(base)
        if found is None or found[1] < end or found[2] is not previous:
            return ADDR_INVALID if self._owners.vacant(base, end) else MEMDB_NOT_OWNER
        if len(self._owners) >= MAX_OWNED_RANGES and (found[0] != base or found[1] != end):
            return NOMEM
        self._owners.assign(base, end, owner)
        return OK

    def give_back(self, base: int, size: int, owner: object, heir: object) -> None:
        """Hand everything that `owner` has in a range to `heir`: what happens when an extent dies.  Cannot fail."""
        for start, end in self.owned(base, size, owner):
            self._owners.assign(start, end, heir)

    def owned(self, base: int, size: int, owner: object) -> list[tuple[int, int]]:
        """The parts of a range that are `owner`'s, in order, as (start, end)."""
        return [(start, end) for start, end, value in self._owners.runs(base, base + size) if value is owner]

    def owns(self, base: int, size: int, owner: object) -> bool:
        """Whether all of a range is `owner`'s."""
        found = self._owners.at(base)
        return found is not None and found[2] is owner and base + size <= found[1]

    def owner(self, address: int) -> object | None:
        """Who owns a physical address."""
        found = self._owners.at(address)
        return None if found is None else found[2]
