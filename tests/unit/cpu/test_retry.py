"""A callback that raises at a data access leaves the guest in front of it: the answer may come later."""

from __future__ import annotations

import pytest

from gunyah_emu.cpu import Stop, SystemRegister

DEVICE = 0x0900_0000
READ = "movz x1, #0x900, lsl #16; mov x2, #0x5a; ldr w0, [x1, #8]; add x3, x0, #1; hvc #0xe0"
WRITE = "movz x1, #0x900, lsl #16; mov x2, #0x5a; str w2, [x1, #8]; mov x3, #8; hvc #0xe0"
REGISTER = "mov x0, #3\nmrs x0, S3_0_C12_C12_0\nadd x3, x0, #1\nhvc #0xe0"


class LaterError(Exception):
    """The answer is not there yet."""


class SlowDevice:
    """Refuses the first accesses."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.seen: list[tuple[int, ...]] = []

    def read(self, offset: int, size: int) -> int:
        self._meet(offset, size)
        return 7

    def write(self, offset: int, size: int, value: int) -> bool:
        self._meet(offset, size, value)
        return True

    def _meet(self, *access: int) -> None:
        self.seen.append(access)
        if self.refusals:
            self.refusals -= 1
            raise LaterError


@pytest.mark.parametrize(("source", "access"), [(READ, (8, 4)), (WRITE, (8, 4, 0x5A))])
def test_an_access_whose_device_raised_is_made_again_by_the_next_run(guest, source, access):
    device = SlowDevice(refusals=2)
    vm = guest(source)
    vm.engine.map_device(DEVICE, 4096, device)
    registers = vm.engine.registers(0)
    start = registers.pc
    for _ in range(2):
        with pytest.raises(LaterError):
            vm.engine.run(0, 100)
        assert vm.engine.registers(0).pc == start + 8
    assert vm.engine.run(0, 100) is Stop.REQUESTED
    assert vm.engine.registers(0).x[3] == 8
    assert device.seen == [access] * 3
    assert not vm.seen


@pytest.mark.parametrize("source", [READ, WRITE])
def test_an_access_to_nothing_is_made_again_in_the_same_run_when_a_device_appears(guest, source):
    device = SlowDevice(refusals=0)
    known, late = guest(source), guest(source, vectors={})
    known.engine.map_device(DEVICE, 4096, device)
    reported = []

    def on_unmapped(vcpu: int, ipa: int, kind: str, pc: int) -> bool:
        reported.append((ipa, kind))
        late.engine.map_device(DEVICE, 4096, device)
        return True

    late.handler.on_unmapped = on_unmapped
    for vm in (known, late):
        assert vm.engine.run(0, 100) is Stop.REQUESTED
        assert vm.engine.registers(0).x[3] == 8
    assert reported == [(DEVICE + 8, "read" if source is READ else "write")]
    assert late.engine.retired == known.engine.retired, "the access is charged once"


def test_a_register_whose_reader_raised_is_read_again_by_the_next_run(guest):
    answers = [LaterError(), 7]

    def read() -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    vm = guest(REGISTER, system_registers=[[SystemRegister("ICC_IAR1_EL1", (3, 0, 12, 12, 0), read=read)]])
    with pytest.raises(LaterError):
        vm.run()
    assert (vm.x[0], vm.engine.retired) == (3, 2)
    vm.finish()
    assert vm.x[3] == 8


def test_a_semihosting_call_whose_handler_raised_is_made_again_by_the_next_run(guest):
    vm = guest("mov x0, #4\n.word 0xd45e0000\nadd x3, x0, #1\nhvc #0xe0")
    asked = []

    def on_semihosting(vcpu, x):
        asked.append(x[0])
        if len(asked) == 1:
            raise LaterError
        x[0] = 9

    vm.handler.on_semihosting = on_semihosting
    with pytest.raises(LaterError):
        vm.run()
    vm.finish()
    assert (asked, vm.x[3]) == ([4, 4], 10)
