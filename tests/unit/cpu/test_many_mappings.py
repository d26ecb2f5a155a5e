"""A guest that maps memory here and there, as often as it likes, uses up nothing of ours."""

from __future__ import annotations

import mmap

from gunyah_emu.cpu import Stop

GIB = 1 << 30
HYPERVISOR_LIMIT = 64 * GIB
PROGRAM = "ldr x0, [x1]; hvc #0xe0"


def test_a_buffer_can_be_mapped_at_every_address_that_a_hypervisor_gives_its_guests(guest):
    vm = guest(PROGRAM)
    memory = memoryview(mmap.mmap(-1, GIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    memory[:8] = b"12345678"
    start = vm.engine.registers(0).pc
    for ipa in range(2 * GIB, HYPERVISOR_LIMIT, GIB):
        vm.engine.map_ram(ipa, memory)
        vm.engine.registers(0).pc, vm.engine.registers(0).x[1] = start, ipa
        assert vm.engine.run(0, 100) is Stop.REQUESTED
        assert vm.engine.registers(0).x[0] == int.from_bytes(b"12345678", "little")
        vm.engine.unmap(ipa, GIB)


def test_pieces_of_a_buffer_come_and_go(guest):
    vm = guest(PROGRAM)
    pages = 64
    memory = memoryview(mmap.mmap(-1, pages * 4096))
    start = vm.engine.registers(0).pc
    for page in range(pages):
        memory[page * 4096] = page
    for first in [*range(pages - 2), *range(pages - 2, -1, -1)]:
        vm.engine.map_ram(0x8000_0000, memory[first * 4096 : (first + 2) * 4096])
        for page in (0, 1):
            vm.engine.registers(0).pc, vm.engine.registers(0).x[1] = start, 0x8000_0000 + page * 4096
            assert vm.engine.run(0, 100) is Stop.REQUESTED
            assert vm.engine.registers(0).x[0] == first + page
        vm.engine.unmap(0x8000_0000, 2 * 4096)
