"""Stage 1 translation: our walker against the emulator's own (AT), and what guests with their MMU on see of faults."""

from __future__ import annotations

import random
import struct

import pytest

from gunyah_emu.cpu.walk import DATA_READ, DATA_WRITE, Fault, walk

BASE = 0x4000_0000
HIGH = 0xFFFF_FF80_0000_0000  # TTBR1, T1SZ = 25: one to one with BASE at its offset
KERNEL_TABLE, USER_TABLE = 0x2_0000, 0x4_0000
VALID, TABLE, PAGE_OR_TABLE, ACCESSED, SHARED = 1, 3, 3, 1 << 10, 3 << 8
USER, READ_ONLY, PXN, UXN = 1 << 6, 1 << 7, 1 << 53, 1 << 54
M, WXN = 1, 1 << 19
SCTLR = 0x30C5_0830 | M
TCR_KERNEL = 25 << 16 | 2 << 30  # T1SZ, TG1 = 4 KiB


def put(g, offset, index, value):
    g.write(offset + 8 * index, struct.pack("<Q", value))


def map_kernel(g):
    """The guest's RAM at HIGH + its address, in blocks of 2 MiB, for EL1 alone."""
    put(g, KERNEL_TABLE, BASE >> 30, BASE + KERNEL_TABLE + 0x1000 | TABLE)
    put(g, KERNEL_TABLE + 0x1000, 0, BASE | VALID | ACCESSED | SHARED | UXN)


def enable(g, tcr, sctlr=SCTLR):
    """Turn the MMU on and go on at the high address."""
    map_kernel(g)
    r = g.engine.registers(0)
    r["TTBR0_EL1"], r["TTBR1_EL1"] = BASE + USER_TABLE, BASE + KERNEL_TABLE
    r["TCR_EL1"], r["SCTLR_EL1"] = tcr | TCR_KERNEL, sctlr
    r["VBAR_EL1"] = HIGH + BASE + 0x1_0000
    r.pc = HIGH + BASE
    return r


AT = """
again:
    ldr x0, [x1], #8
    cbz x0, end
    at {kind}, x0
    isb
    mrs x2, par_el1
    str x2, [x3], #8
    b again
end:
    hvc #0xe0
"""
KINDS = {"s1e1r": (DATA_READ, 1), "s1e1w": (DATA_WRITE, 1), "s1e0r": (DATA_READ, 0), "s1e0w": (DATA_WRITE, 0)}


def random_tables(g, rng, granule, blocks):
    """Tables full of everything: invalid entries, blocks and tables at any level."""
    bits = {4096: 12, 16384: 14, 65536: 16}[granule]
    entries, tables = granule // 8, 6
    for table in range(tables):
        for _ in range(24 if bits < 16 else 40):
            target = BASE + USER_TABLE + granule * rng.randrange(tables)
            attributes = rng.choice((0, ACCESSED, ACCESSED, ACCESSED, ACCESSED)) | SHARED
            attributes |= (
                rng.choice((0, USER)) | rng.choice((0, READ_ONLY)) | rng.choice((0, PXN)) | rng.choice((0, UXN))
            )
            limits = rng.choice((0, 0, 0, rng.randrange(32))) << 59
            kind = rng.choice((0, 1, 3, 3, 3, 3))
            if kind == 1:  # a block, wherever it may point to; the emulator takes one at levels that may have none
                target, kind = rng.randrange(16) << 39, blocks
            value = target | attributes | limits | kind
            for index in (rng.randrange(8), rng.randrange(entries)):
                put(g, USER_TABLE + granule * table, index, value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("granule", [4096, 16384, 65536])
def test_the_walker_agrees_with_the_emulator(both, kind, granule):
    tg0 = {4096: 0, 65536: 1, 16384: 2}[granule]
    access, el = KINDS[kind]

    def observe(g):
        outcomes = []
        for seed in range(12):
            rng = random.Random(seed)
            size = rng.choice((16, 20, 24, 25, 28, 32, 33, 36))
            tcr = size | tg0 << 14 | rng.choice((0, 0, 0, 1)) << 37 | rng.choice((0,) * 6 + (1,)) << 7
            random_tables(g, rng, granule, blocks=size >= {4096: 25, 16384: 28, 65536: 22}[granule])
            r = enable(g, tcr)
            low = 64 - size
            few = {4096: 9, 16384: 11, 65536: 13}[granule]
            addresses = []
            for _ in range(40):
                va = rng.randrange(1, 4096)
                for level in range(4):  # small indices at each level, where the entries are
                    va |= rng.randrange(8) << {4096: 12, 16384: 14, 65536: 16}[granule] + few * level
                va &= (1 << low) - 1
                if rng.random() < 0.1:
                    va |= rng.choice((1 << low, 0x55 << 56)) & (1 << 55) - 1 | rng.choice((0, 0x11 << 56))
                addresses.append(va or 1)
            for number, va in enumerate([*addresses, 0]):
                put(g, 0x8000, number, va)
            r.x[1], r.x[3] = HIGH + BASE + 0x8000, HIGH + BASE + 0x9000
            g.finish()
            for number, va in enumerate(addresses):
                par = g.word(0x9000 + 8 * number)
                ours = walk(r, g.engine.read_word, va, access, el)
                theirs = f"Fault(0x{par >> 1 & 0x3F:02x})" if par & 1 else hex(par & 0xFFFF_FFFF_F000)
                mine = repr(ours) if isinstance(ours, Fault) else hex(ours & ~0xFFF)
                assert mine == theirs, (seed, hex(va), hex(tcr))
                outcomes.append(mine)
        return outcomes

    found = both(observe, AT.format(kind=kind))
    # The tables are wild enough to mean something.
    assert len({each for each in found if each.startswith("Fault")}) >= 5
    assert any(not each.startswith("Fault") for each in found)


def test_translate_uses_the_vcpus_exception_level_and_tables(guest):
    g = guest("hvc #0xe0")
    put(g, USER_TABLE, 0, BASE + USER_TABLE + 0x1000 | TABLE)
    put(g, USER_TABLE + 0x1000, 0, BASE + USER_TABLE + 0x2000 | TABLE)
    put(g, USER_TABLE + 0x2000, 1, BASE + 0x3000 | PAGE_OR_TABLE | ACCESSED | READ_ONLY)
    put(g, USER_TABLE + 0x2000, 2, BASE + 0x4000 | PAGE_OR_TABLE | ACCESSED | USER)
    assert g.engine.translate(0, 0x1234) == 0x1234  # the MMU is off
    r = enable(g, 25)
    translate = g.engine.translate
    assert translate(0, HIGH + BASE + 0x5678) == BASE + 0x5678
    assert (translate(0, 0x1234), translate(0, 0x1234, True), translate(0, 0x5000)) == (BASE + 0x3234, None, None)
    assert translate(0, 0x2010, True) == BASE + 0x4010
    r.pstate = 0x3C0  # EL0
    assert (translate(0, 0x1234), translate(0, 0x2010), translate(0, HIGH + BASE)) == (None, BASE + 0x4010, None)


REPORT = "mrs x20, esr_el1\nmrs x21, far_el1\nmrs x22, elr_el1\nmov x24, #{}\nhvc #0xe0"
VECTORS = {0x200: REPORT.format(0x200), 0x400: REPORT.format(0x400)}
# Pages of the user half: 1 read-only, 2 read-write, 3 EL1 alone, 4 without access flag, 5 nothing, 6 for EL0 to
# execute, 7 where no memory is, 8 behind a table where no memory is (another 2 MiB)
ENTRIES = {
    1: BASE + 0x3000 | USER | READ_ONLY | UXN, 2: BASE + 0x4000 | USER | UXN, 3: BASE + 0x5000 | UXN,
    4: (BASE + 0x6000 | USER) & ~ACCESSED, 6: BASE + 0x7000 | USER | READ_ONLY, 7: 0x700_0000 | USER,
}  # fmt: skip


def with_user_pages(g, code=b""):
    put(g, USER_TABLE, 0, BASE + USER_TABLE + 0x1000 | TABLE)
    put(g, USER_TABLE + 0x1000, 0, BASE + USER_TABLE + 0x2000 | TABLE)
    put(g, USER_TABLE + 0x1000, 1, 0x7_0000_0000 | TABLE)
    for page, entry in ENTRIES.items():
        put(g, USER_TABLE + 0x2000, page, entry | PAGE_OR_TABLE | SHARED | (0 if page == 4 else ACCESSED))
    g.write(0x7000, code)
    return enable(g, 25)


FAULTS = [
    ("ldr x1, [x0]", 0x5000, "translation, level 3", 0x9200_0007, 0),
    ("str x1, [x0]", 0x5000, "translation, level 3, write", 0x9200_0047, 0),
    ("str x1, [x0]", 0x1008, "permission, level 3, write", 0x9200_004F, 0),
    ("ldr x1, [x0]", 0x3008, "permission, EL1 alone", 0x9200_000F, 0),
    ("ldr x1, [x0]", 0x4000, "access flag", 0x9200_000B, 0),
    ("ldr x1, [x0]", 0x40_0000, "translation, level 2", 0x9200_0006, 0),
    ("ldr x1, [x0]", 0x8000_0000, "translation, level 1", 0x9200_0005, 0),
    ("ldr x1, [x0]", 0x4FFC, "across into the next page", 0x9200_000B, 0),
    ("ldr x1, [x0, #0xffc]", 0x1000 - 0x200, "unscaled offset", 0x9200_0007, None),
    ("ldr x1, [x0]", 0x2FFC, "second page denied", 0x9200_000F, 4),
    ("str x1, [x0]", 0x2FFC, "second page denied, write", 0x9200_004F, 4),
    ("ldp x1, x2, [x0]", 0x2FF8, "second register denied", 0x9200_000F, 8),
    ("stp x1, x2, [x0]", 0x2FF8, "second register denied, write", 0x9200_004F, 8),
    ("ldr x1, [x0, #8]!", 0x4FF8 + 0x1000 - 8, "pre-indexed", 0x9200_0007, 8),
    ("ldxr x1, [x0]", 0x2001, "misaligned exclusive", 0x9200_0021, 0),
    ("ldaxr w1, [x0]", 0x5000, "exclusive, translation", 0x9200_0007, 0),
    ("stlr w1, [x0]", 0x1000, "ordered, permission", 0x9200_004F, 0),
    ("dc zva, x0", 0x1010, "zeroing", 0x9200_004F, 0),
    ("ldr x1, [x0]", 0x7000, "external", 0x9200_0010, 0),
    ("str x1, [x0]", 0x7008, "external, write", 0x9200_0050, 0),
    ("ldr x1, [x0]", 0x20_0000, "external, on the walk", 0x9200_0017, 0),
]


@pytest.mark.parametrize(("instruction", "address", "name", "esr", "ahead"), FAULTS, ids=[each[2] for each in FAULTS])
@pytest.mark.parametrize("el", [0, 1])
def test_data_aborts(both, assemble, instruction, address, name, esr, ahead, el):
    if ahead is None:
        instruction, ahead = "ldur x1, [x0, #-8]", -8
        address = 0x1000
    if name == "permission, EL1 alone" and el == 1:
        return
    denied = 0x3000 in (address & ~0xFFF, (address + 15) & ~0xFFF) and address < 0x3000
    if denied and el == 1:  # what lies behind page 2 is for EL1 to read
        return

    def observe(g):
        r = with_user_pages(g, assemble(f"{instruction}\nsvc #0"))
        if el == 0:
            r.pstate, r.pc = 0x3C0, 0x6000
        else:
            g.write(0, assemble(instruction))
        r.x[0] = address
        g.engine.registers(0)["SCTLR_EL1"] = SCTLR | 1 << 14  # EL0 may zero blocks
        g.finish()
        return hex(r.x[20]), hex(r.x[21]), r.x[22] & 0xFFFF, r.x[24], r.x[0]

    from_el1 = esr | (1 << 26) * el
    where = (0x6000, 0)[el], (0x400, 0x200)[el]
    if name == "across into the next page":
        ahead = 0
    assert both(observe, "nop", vectors=VECTORS) == (hex(from_el1), hex(address + ahead), *where, address)


FETCHES = [
    (0x5000, 0x8200_0007, "translation"),
    (0x2000, 0x8200_000F, "UXN"),
    (0x3000, 0x8200_000F, "EL1 alone"),
    (0x4000, 0x8200_000B, "access flag"),
    (0x7000, 0x8200_0010, "external"),
    (0x20_0000, 0x8200_0017, "external, on the walk"),
    (HIGH + BASE, 0x8200_000E, "the kernel's"),
]


@pytest.mark.parametrize(("address", "esr", "name"), FETCHES, ids=[each[2] for each in FETCHES])
def test_instruction_aborts_from_el0(both, address, esr, name):
    def observe(g):
        r = with_user_pages(g)
        r.pstate, r.pc = 0x3C0, address
        g.finish()
        return hex(r.x[20]), hex(r.x[21]), hex(r.x[22]), g.engine.retired

    assert both(observe, "nop", vectors=VECTORS) == (hex(esr), hex(address), hex(address), 6)


def test_el1_must_not_execute_what_el0_may_write_and_wxn_forbids_writable_code(both, assemble):
    def observe(g):
        r = with_user_pages(g, assemble("hvc #0xe0"))
        put(g, USER_TABLE + 0x2000, 9, BASE + 0x7000 | PAGE_OR_TABLE | ACCESSED | USER)
        put(g, USER_TABLE + 0x2000, 10, BASE + 0x7000 | PAGE_OR_TABLE | ACCESSED | PXN)
        found = []
        for address, control in (
            (0x6000, SCTLR),
            (0x9000, SCTLR),
            (0xA000, SCTLR),
            (HIGH + BASE + 0x7000, SCTLR | WXN),
        ):
            r["SCTLR_EL1"], r.pc, r.x[20] = control, address, 0
            g.run(30)
            found.append(hex(r.x[20]))
        return found

    assert both(observe, "nop", vectors=VECTORS)[:3] == ["0x0", "0x8600000f", "0x8600000f"]


def test_a_guest_can_turn_its_mmu_on_itself_and_run_a_program_at_el0(both):
    source = """
        mov x0, #25
        movk x0, #0x8019, lsl #16
        msr tcr_el1, x0
        movz x0, #0x4004, lsl #16
        msr ttbr0_el1, x0
        movz x1, #0x4002, lsl #16
        msr ttbr1_el1, x1
        mov x2, #0xff
        msr mair_el1, x2
        tlbi vmalle1
        dsb sy
        isb
        mrs x3, sctlr_el1
        orr x3, x3, #1
        msr sctlr_el1, x3
        isb
        mov x4, #0x3c0
        msr spsr_el1, x4
        adr x5, user
        msr elr_el1, x5
        eret
    user:
        mov x6, #6
        svc #0x77
    """

    def observe(g):
        map_kernel(g)
        put(g, USER_TABLE, BASE >> 30, BASE | VALID | ACCESSED | SHARED | USER | READ_ONLY)
        put(g, USER_TABLE, 0, 0)
        g.finish()
        return hex(g.x[20]), hex(g.x[22]), g.x[6], g.x[24], g.engine.retired

    found = both(observe, source, vectors=VECTORS)
    assert found == ("0x56000077", hex(BASE + 23 * 4), 6, 0x400, 28)
