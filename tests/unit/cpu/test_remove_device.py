"""A device leaves the bus alone: the RAM that was under it is there again."""

from __future__ import annotations

import mmap

from gunyah_emu.cpu import Stop

PAGE = 0x9000_0000
PROGRAM = "movz x1, #0x9000, lsl #16; mov x2, #0x5a; str w2, [x1, #8]; ldr w0, [x1, #8]; hvc #0xe0"


class Writable:
    """Takes writes."""

    def __init__(self) -> None:
        self.written: list[int] = []

    def read(self, offset: int, size: int) -> int:
        return 0

    def write(self, offset: int, size: int, value: int) -> None:
        self.written.append(value)


def test_writes_to_read_only_ram_are_a_devices_until_it_is_removed(guest):
    device = Writable()
    vm = guest(PROGRAM, vectors={0x200: "mov x5, #1; hvc #0xe0"})
    vm.engine.map_ram(PAGE, mmap.mmap(-1, 4096), writable=False)
    vm.engine.map_device(PAGE, 4096, device)
    start = vm.engine.registers(0).pc
    assert vm.engine.run(0, 100) is Stop.REQUESTED
    assert (device.written, vm.engine.registers(0).x[0]) == ([0x5A], 0), "reads are the RAM's"

    vm.engine.remove_device(device)
    vm.engine.registers(0).pc = start
    assert vm.engine.run(0, 100) is Stop.REQUESTED
    assert device.written == [0x5A]
    assert vm.engine.registers(0).x[5] == 1, "an external abort"
