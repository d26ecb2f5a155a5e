"""Page tables that are walked in our own memory: put into the emulator, and proved on tables of every permission.

`accelerator/walk.c` says what it does, and why.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import c_uint8
from itertools import product

from gunyah_emu.cpu import _accelerator
from gunyah_emu.cpu.door import OFFSETS, Door, DoorClosedError
from gunyah_emu.cpu.el2 import SETUP, stage2_setup
from gunyah_emu.cpu.libunicorn import Unicorn
from gunyah_emu.cpu.registers import SYSTEM
from gunyah_emu.cpu.stage2 import TABLES, Stage2

_RAM, _PHYSICAL, _PAGE = 0x4000_0000, 2 * TABLES - (1 << 30), 4096
_REGIMES = (16, 18, 19)  # EL0, EL1, EL1 with PAN
_TCR = 25 | 25 << 16 | 2 << 30  # 39 bits both ways, 4 KiB
_TABLE, _LEAF = 3, 0x403  # valid; a page that has been accessed
_PERMISSIONS = tuple(ap << 6 | pxn << 53 | xn << 54 for ap, pxn, xn in product(range(4), range(2), range(2)))


def let_us_walk(door: Door) -> None:
    """Let the walks of every engine be ours; the accelerator knows the door, and blocks count.

    Errors: DoorClosedError when they would not find what the emulator finds; it walks itself then.
    """
    with guest_tables(door) as (core, tables):
        tables[0 + 1] = _RAM + _PAGE | _TABLE
        tables[512] = _RAM + 2 * _PAGE | _TABLE
        for number, permissions in enumerate(_PERMISSIONS):
            tables[1024 + number] = _RAM | permissions | _LEAF
        cases = product(range(len(_PERMISSIONS) + 1), range(3), _REGIMES)
        wrong = [
            (page, access, regime, found)
            for page, access, regime in cases
            if (found := core.walks(_RAM + page * _PAGE, access, regime))[0] != found[1]
        ]
    if wrong:
        raise DoorClosedError(f"unicorn's page tables differ: {len(wrong)} walks, the first {wrong[0]}")
    door.replace("get_phys_addr", _accelerator.WALK)


@contextmanager
def guest_tables(
    door: Door, pages: int = 4, sctlr: int = 0x30D0_1805, tcr: int = _TCR
) -> Iterator[tuple[_accelerator.Core, memoryview]]:
    """An emulator whose MMU is on: its core, and the words of its RAM, whose first page is the table of either half."""
    memory = mmap.mmap(-1, pages * _PAGE)
    host = ctypes.addressof(c_uint8.from_buffer(memory))
    stage2, uc = Stage2(), Unicorn("cortex-a72")
    try:
        uc.map(TABLES, stage2.size, stage2.host_address(), executable=False)
        uc.map(_PHYSICAL, len(memory), host)
        stage2.map(_RAM, _PHYSICAL, len(memory), writable=True, executable=True)
        stage2.fetched(_RAM)
        names = {"SCTLR_EL1": sctlr, "TCR_EL1": tcr, "TTBR0_EL1": _RAM, "TTBR1_EL1": _RAM}
        for encoding, value in (*SETUP, *stage2_setup(TABLES), *((SYSTEM[name], names[name]) for name in names)):
            uc.write_system(encoding, value)
        core = _accelerator.Core(uc.handle.value, [bytearray(OFFSETS["env_size"])], *[nobody] * 4)
        core.stage2 = stage2.host_address()
        core.add_window(host, len(memory), _PHYSICAL, door.ram_number(uc, host))
        with memoryview(memory).cast("B").cast("Q") as words:
            yield core, words
        core.close()
    finally:
        uc.close()
        stage2.close()


def nobody(*_: int) -> bool:
    """What a core calls that is asked for nothing."""
    raise AssertionError("nothing was asked for")
