"""A VM that starts from flash runs what is there, and programs it by the commands of a flash."""

from __future__ import annotations

from pathlib import Path

import pytest
from keystone import KS_ARCH_ARM64, KS_MODE_LITTLE_ENDIAN, Ks

from gunyah_emu import Machine, Reason

# The device tree's magic number at the start of memory, a store to the flash, and then: off, or an endless loop.
PROGRAM = """
    movz x10, #0x4000, lsl #16
    ldr w1, [x10]
    movz w2, #0x0dd0
    movk w2, #0xedfe, lsl #16
    cmp w1, w2
    b.ne .
    mov x10, #0x1000
    ldr w1, [x10]
    str wzr, [x10]
    stp xzr, x1, [x10, #-16]
    ldr w2, [x10]
    cbz w2, .
    cmp w1, w2
    b.ne .
    movz x0, #8
    movk x0, #0x8400, lsl #16
    hvc #0
"""


@pytest.mark.parametrize("way", ["auto", "portable"])
def test_stores_that_are_no_commands_are_ignored(tmp_path: Path, way: str) -> None:
    code = bytes(Ks(KS_ARCH_ARM64, KS_MODE_LITTLE_ENDIAN).asm(PROGRAM, 0)[0])
    (tmp_path / "flash.bin").write_bytes(code.ljust(0x1000, b"\0") + b"\x78\x56\x34\x12")
    path = tmp_path / "machine.toml"
    path.write_text(f"machine.way = '{way}'\n[[vm]]\nname = 'vm'\nimage = 'flash.bin'\nimage_type = 'flash'\n")
    with Machine.from_toml(path) as machine:
        outcome = machine.run(max_instructions=10_000)
    assert (outcome.reason, outcome.exit_status, outcome.messages) == (Reason.EXITED, 0, ())


# Call what the second bank holds, erase its block, program another function there, and call that.
SELF_PROGRAMMING = """
    movz x10, #0x0400, lsl #16
    movz w11, #0x0020
    str w11, [x10]
    movz w11, #0x00d0
    str w11, [x10]
    ldr w12, [x10]
    movz w11, #0x0040
    str w11, [x10]
    adr x13, answer
    ldr w11, [x13]
    str w11, [x10]
    ldr w14, [x10]
    movz w11, #0x0040
    str w11, [x10, #4]
    ldr w11, [x13, #4]
    str w11, [x10, #4]
    movz w11, #0x00ff
    str w11, [x10]
    mov w0, #0
    blr x10
    movz w15, #0x0080
    movk w15, #0x0080, lsl #16
    cmp w12, w15
    b.ne .
    cmp w14, w15
    b.ne .
    cmp w0, #42
    b.ne .
    movz x0, #8
    movk x0, #0x8400, lsl #16
    hvc #0
answer:
    mov w0, #42
    ret
"""


@pytest.mark.parametrize("way", ["auto", "portable"])
def test_a_guest_erases_a_block_programs_a_function_and_calls_it(tmp_path: Path, way: str) -> None:
    (tmp_path / "flash.bin").write_bytes(bytes(Ks(KS_ARCH_ARM64, KS_MODE_LITTLE_ENDIAN).asm(SELF_PROGRAMMING, 0)[0]))
    path = tmp_path / "machine.toml"
    path.write_text(f"machine.way = '{way}'\n[[vm]]\nname = 'vm'\nimage = 'flash.bin'\nimage_type = 'flash'\n")
    with Machine.from_toml(path) as machine:
        outcome = machine.run(max_instructions=10_000)
    assert (outcome.reason, outcome.exit_status, outcome.messages) == (Reason.EXITED, 0, ())
