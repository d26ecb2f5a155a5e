"""Blocks that count by themselves: put into the emulator's translator, and proved on a loop whose count is known.

`accelerator/blocks.c` says what a block then does, and why.
"""

from __future__ import annotations

import ctypes
import mmap
from ctypes import c_uint8

from gunyah_emu.cpu import _accelerator
from gunyah_emu.cpu.door import OFFSETS, Door, DoorClosedError
from gunyah_emu.cpu.el2 import SETUP
from gunyah_emu.cpu.libunicorn import Unicorn

REPLACED = {
    "translator_loop": _accelerator.TRANSLATE,
    "tcg_gen_callN": _accelerator.GENERATE_CALL,
    "tcg_gen_exit_tb": _accelerator.GENERATE_EXIT,
}
"""What of the emulator's translator comes to the accelerator first."""

_LOOP = b"\x00\x04\x00\xf1\xe1\xff\xff\x54\x1f\x20\x03\xd5"  # again: subs x0, x0, #1 ; b.ne again ; nop
_BASE = 0x4000_0000


def let_blocks_count(door: Door) -> None:
    """Let the blocks of every engine count; the accelerator knows the door.

    Errors: DoorClosedError when they would not count right; the translator is as before.
    """
    for name, function in REPLACED.items():
        door.replace(name, function)
    try:
        _prove(door)
    except DoorClosedError:
        for name in REPLACED:
            door.restore(name)
        raise


def _prove(door: Door) -> None:
    memory = mmap.mmap(-1, 4096)
    memory[: len(_LOOP)] = _LOOP
    uc = Unicorn("cortex-a72")
    try:
        uc.map(_BASE, 4096, ctypes.addressof(c_uint8.from_buffer(memory)))
        for encoding, value in SETUP:
            uc.write_system(encoding, value)
        live = memoryview((c_uint8 * OFFSETS["env_size"]).from_address(door.env(uc))).cast("B")
        core = _accelerator.Core(uc.handle.value, [bytearray(live)], *[_nobody] * 4)
        pc, x0 = (live[OFFSETS[name] : OFFSETS[name] + 8].cast("Q") for name in ("env_pc", "env_x"))
        pc[0], x0[0] = _BASE, 100
        found = [(core.run(0, budget), core.retired, 100 - x0[0], pc[0] - _BASE) for budget in (10, 3, 1)]
        ours, emulators = core.next_block()
        core.close()
    finally:
        uc.close()
    if found != [(0, 10, 5, 0), (0, 4, 7, 0), (0, 2, 8, 0)]:
        raise DoorClosedError(f"unicorn's translator differs: blocks count {found}")
    if ours != emulators:
        raise DoorClosedError(f"unicorn's cache of blocks differs: {ours:#x}, not {emulators:#x}")


def _nobody(*_: int) -> bool:
    raise AssertionError("a loop asks for nothing")
