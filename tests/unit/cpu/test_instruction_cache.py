"""A guest that writes code through one address and runs it at another sees it once it has maintained its caches.

The emulator notices stores through the address at which code runs; a kernel writes through another one (Arm ARM
B2.7.4.2).
"""

from __future__ import annotations

import struct

import pytest

BASE = 0x4000_0000
TABLE, ROOM_FOR_CODE, PARAMETERS = 0x2_0000, 0x3_0000, 0x4_0000
BLOCK_1GIB, ACCESSED, SHARED, READ_ONLY, PXN, UXN = 1, 1 << 10, 3 << 8, 1 << 7, 1 << 53, 1 << 54
NORMAL_WRITE_BACK = 0xFF
TCR = 25 | 1 << 8 | 1 << 10 | 3 << 12 | 2 << 32 | 1 << 23  # T0SZ for 39 bits, cacheable walks, 4 KiB, no TTBR1
ROUNDS = 8

# x1: where the code is written, without execution; x3: where it runs, read-only.  `mov w0, #round; ret`, then called.
REWRITE = """
    ldr x0, [x10]
    msr mair_el1, x0
    ldr x0, [x10, #8]
    msr tcr_el1, x0
    ldr x0, [x10, #16]
    msr ttbr0_el1, x0
    isb
    mrs x0, sctlr_el1
    orr x0, x0, #1
    msr sctlr_el1, x0
    isb
    movz w4, #0x5280, lsl #16
    movz w5, #0x03c0
    movk w5, #0xd65f, lsl #16
    str w5, [x1, #4]
    mov x21, #0
    mov x20, #0
again:
    add x20, x20, #1
    lsl w6, w20, #5
    orr w6, w6, w4
    str w6, [x1]
    {maintenance}
    blr x3
    cmp x0, x20
    cinc x21, x21, ne
    cmp x20, #8
    b.ne again
    hvc #0xe0
"""
BY_LINE = "dc cvau, x1; dsb ish; ic ivau, {}; dsb ish; isb"
ALL = "dc cvau, x1; dsb ish; ic {}; dsb ish; isb"


@pytest.mark.parametrize(
    "maintenance",
    [BY_LINE.format("x1"), BY_LINE.format("x3"), ALL.format("iallu"), ALL.format("ialluis")],
    ids=["ivau where written", "ivau where run", "iallu", "ialluis"],
)
def test_code_that_is_written_elsewhere_runs_after_cache_maintenance(guest, maintenance):
    g = guest(REWRITE.format(maintenance=maintenance))
    readable = BASE | BLOCK_1GIB | ACCESSED | SHARED
    g.write(TABLE + 8, struct.pack("<2Q", readable | READ_ONLY, readable | PXN | UXN))
    g.write(PARAMETERS, struct.pack("<3Q", NORMAL_WRITE_BACK, TCR, BASE + TABLE))
    x = g.engine.registers(0).x
    x[1], x[3], x[10] = 0x8000_0000 + ROOM_FOR_CODE, BASE + ROOM_FOR_CODE, BASE + PARAMETERS
    g.finish()
    x = g.engine.registers(0).x
    assert (x[20], x[21]) == (ROUNDS, 0), f"{x[21]} of {x[20]} times the code of an earlier round ran"


ALTERNATE = """
    movz w5, #0x03c0
    movk w5, #0xd65f, lsl #16
    str w5, [x1, #4]
    mov x20, #0
again:
    eor x20, x20, #1
    lsl w6, w20, #5
    movk w6, #0x5280, lsl #16
    str w6, [x1]
    {first}
    blr x1
    subs x9, x9, #1
    b.ne again
    hvc #0xe0
"""


@pytest.mark.parametrize("maintenance", ["", "ic ivau, x1; dsb ish; isb", "ic iallu; dsb ish; isb"])
def test_code_that_is_written_where_it_runs_is_seen_with_and_without_maintenance(guest, maintenance):
    g = guest(ALTERNATE.format(first=maintenance))
    x = g.engine.registers(0).x
    x[1], x[9] = BASE + ROOM_FOR_CODE, 4
    g.finish()
    assert g.engine.registers(0).x[0] == 0
