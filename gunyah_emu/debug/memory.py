"""A guest's memory as a debugger sees it: by virtual addresses through a vCPU's tables, or by IPAs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gunyah_emu.cpu.seam import PAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gunyah_emu.machine.vm import VCpu, VirtualMachine

EL1 = 1


def pages(address: int, size: int) -> Iterator[tuple[int, int]]:
    """A range cut at the ends of pages, as (address, size)."""
    end = address + size
    while address < end:
        part = min(PAGE - address % PAGE, end - address)
        yield address, part
        address += part


def _ram(vm: VirtualMachine, ipa: int, size: int) -> memoryview | None:
    """RAM that lies within a page, as the VM sees it; what devices hold is never touched."""
    region = vm.engine.ram_at(ipa)
    if region is None:
        return None
    offset = ipa - region.ipa
    return region.memory[offset : offset + size]


def _virtual(vcpu: VCpu, address: int, size: int) -> Iterator[memoryview | None]:
    """RAM at virtual addresses as EL1 may read it, page by page; None where there is none."""
    for va, part in pages(address, size):
        ipa = vcpu.vm.engine.translate(vcpu.index, va & (1 << 64) - 1, el=EL1)
        yield None if ipa is None else _ram(vcpu.vm, ipa, part)


def _physical(vm: VirtualMachine, address: int, size: int) -> Iterator[memoryview | None]:
    return (_ram(vm, ipa, part) for ipa, part in pages(address, size))


def _read(pieces: Iterator[memoryview | None]) -> bytes:
    found = bytearray()
    for piece in pieces:
        if piece is None:
            break
        found += piece
    return bytes(found)


def _write(vm: VirtualMachine, pieces: Iterator[memoryview | None], data: bytes) -> int:
    done = 0
    for piece in pieces:
        if piece is None:
            break
        piece[:] = data[done : done + len(piece)]
        done += len(piece)
        for other in vm.machine.vms:  # RAM may be shared
            if hasattr(other, "engine"):
                other.engine.invalidate_host(piece)
    return done


def read_virtual(vcpu: VCpu, address: int, size: int) -> bytes:
    """Bytes at a virtual address, as many as there are in one piece."""
    return _read(_virtual(vcpu, address, size))


def write_virtual(vcpu: VCpu, address: int, data: bytes) -> int:
    """Write at a virtual address, whatever the tables forbid; returns how many bytes there was room for."""
    return _write(vcpu.vm, _virtual(vcpu, address, len(data)), data)


def read_physical(vm: VirtualMachine, address: int, size: int) -> bytes:
    """Bytes at an IPA, as many as there are in one piece."""
    return _read(_physical(vm, address, size))


def write_physical(vm: VirtualMachine, address: int, data: bytes) -> int:
    """Write at an IPA; returns how many bytes there was room for."""
    return _write(vm, _physical(vm, address, len(data)), data)
