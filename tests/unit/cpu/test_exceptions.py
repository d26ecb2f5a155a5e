"""What a guest finds in its exception registers, both ways, against the values of the Arm ARM (D17.2.37)."""

from __future__ import annotations

import pytest

from gunyah_emu.cpu import Stop

BASE = 0x4000_0000
VECTORS = BASE + 0x1_0000
EL1, EL0 = 0x200, 0x400

# Every vector of interest: keep the syndrome, where from, the state saved, and end.
REPORT = (
    "mrs x20, esr_el1\nmrs x21, elr_el1\nmrs x22, far_el1\nmrs x23, spsr_el1\n"
    "mov x24, #{0}\nmrs x25, currentel\nhvc #0xe0"
)
VECTORS_TO_REPORT = {offset: REPORT.format(offset) for offset in (0x0, 0x200, 0x280, 0x400, 0x480)}

TO_EL0 = """
    adr x0, user
    msr elr_el1, x0
    mov x0, #0x3c0
    msr spsr_el1, x0
    mov x0, #3 << 20
    msr cpacr_el1, x0
    mov x0, #0
    eret
user:
"""


def taken(g):
    """(vector, ESR, ELR - BASE, SPSR) of the exception that the guest reported."""
    x = g.x
    return x[24], x[20], x[21] - BASE, x[23]


FROM_EL1 = [
    ("svc #0x123", 0x5600_0123, 8),
    ("brk #0x456", 0xF200_0456, 4),
    (".word 0x00000000", 0x0200_0000, 4),  # UDF
    ("hlt #1", 0x0200_0000, 4),
    (".word 0xd45e0000", 0x0200_0000, 4),  # HLT #0xF000: a semihosting call that nobody answers
    ("mrs x0, S3_0_C11_C3_5", 0x0200_0000, 4),
    ("msr S3_0_C11_C3_5, x0", 0x0200_0000, 4),
    ("mrs x0, S3_0_C12_C12_0", 0x0200_0000, 4),
    ("msr S3_0_C0_C0_0, x0", 0x0200_0000, 4),  # MIDR_EL1 is read-only
    ("fadd d0, d1, d2", 0x1FE0_0000, 4),  # CPACR_EL1.FPEN = 0
    ("ldr q0, [sp]", 0x1FE0_0000, 4),
    ("mrs x0, fpcr", 0x1FE0_0000, 4),
]


@pytest.mark.parametrize(("instruction", "esr", "elr"), FROM_EL1, ids=[each[0] for each in FROM_EL1])
def test_synchronous_exceptions_from_el1(both, instruction, esr, elr):
    def observe(g):
        g.finish()
        return taken(g), g.x[25] >> 2, g.engine.retired

    found = both(observe, f"nop\n{instruction}\nnop\nnop", vectors=VECTORS_TO_REPORT)
    assert found == ((EL1, esr, elr, 0x3C5), 1, 9)


FROM_EL0 = [
    ("svc #7", 0x5600_0007, 4),
    ("brk #8", 0xF200_0008, 0),
    (".word 0", 0x0200_0000, 0),
    ("mrs x0, midr_el1", 0x0200_0000, 0),
    ("mrs x0, cntvct_el0", 0x6230_F801 | 2 << 17, 0),  # CNTKCTL_EL1.EL0VCTEN = 0: S3_3_C14_C0_2
    ("mrs x3, cntv_ctl_el0", 0x6200_0000 | 3 << 20 | 1 << 17 | 3 << 14 | 14 << 10 | 3 << 5 | 3 << 1 | 1, 0),
    ("msr cntp_cval_el0, x4", 0x6200_0000 | 3 << 20 | 2 << 17 | 3 << 14 | 14 << 10 | 4 << 5 | 2 << 1, 0),
    ("mrs x1, pmccntr_el0", 0x6200_0000 | 3 << 20 | 0 << 17 | 3 << 14 | 9 << 10 | 1 << 5 | 13 << 1 | 1, 0),
    ("dc zva, x5", 0x6200_0000 | 1 << 20 | 1 << 17 | 3 << 14 | 7 << 10 | 5 << 5 | 4 << 1, 0),
    ("mrs x0, ctr_el0", 0x6200_0000 | 3 << 20 | 1 << 17 | 3 << 14 | 0 << 10 | 0 << 5 | 0 << 1 | 1, 0),
    ("wfi", 0x07E0_0000, 0),
    ("mrs x0, S3_0_C12_C12_0", 0x0200_0000, 0),
    ("hvc #0", 0x0200_0000, 0),
    ("eret", 0x0200_0000, 0),
]


@pytest.mark.parametrize(("instruction", "esr", "elr"), FROM_EL0, ids=[each[0] for each in FROM_EL0])
def test_synchronous_exceptions_from_el0(both, instruction, esr, elr):
    def observe(g):
        g.engine.registers(0)["SCTLR_EL1"] = 0x30C5_0830 & ~(1 << 16 | 1 << 18 | 1 << 14 | 1 << 15 | 1 << 26)
        g.finish()
        return taken(g), g.engine.retired

    (vector, found, where, spsr), _ = both(observe, f"{TO_EL0}\n{instruction}", vectors=VECTORS_TO_REPORT)
    assert (vector, hex(found), where - 8 * 4, spsr) == (EL0, hex(esr), elr, 0x3C0)


def test_flags_and_stack_selection_are_saved_and_the_vector_runs_on_sp_el1(both):
    source = """
        mov x0, #0x5000
        mov sp, x0
        msr spsel, #0
        mov x0, #0x6000
        mov sp, x0
        msr daifclr, #4
        mov x0, #0
        subs x0, x0, #0
        svc #1
    """

    def observe(g):
        g.finish()
        registers = g.engine.registers(0)
        return taken(g), registers.sp, registers["SP_EL0"], registers["SP_EL1"], registers.pstate

    found = both(observe, source, vectors=VECTORS_TO_REPORT)
    assert found == ((0, 0x5600_0001, 36, 0x6000_02C4), 0x5000, 0x6000, 0x5000, 0x3C5)


def test_an_external_abort_of_a_load_of_a_store_and_of_a_fetch(both):
    for source, esr, elr, far, told in (
        ("mov x0, #0x9000000\nldr w1, [x0, #16]", 0x9600_0010, 4, 0x900_0010, (0x900_0010, "read", 4)),
        ("mov x0, #0x9000000\nstrb w1, [x0, #3]", 0x9600_0050, 4, 0x900_0003, (0x900_0003, "write", 4)),
        (
            "mov x0, #0x9000000\nbr x0",
            0x8600_0010,
            0x900_0000 - BASE,
            0x900_0000,
            (0x900_0000, "fetch", 0x900_0000 - BASE),
        ),
    ):

        def observe(g):
            g.finish()
            return taken(g), g.x[22], g.engine.retired, g.seen

        found = both(observe, source, vectors=VECTORS_TO_REPORT)
        retired = 2 + 7 + (esr >> 26 == 0x21)  # the fetch that aborts costs one
        assert found == ((EL1, esr, elr, 0x3C5), far, retired, [("unmapped", *told)])


def test_unknown_registers_are_told_once_each_way(both):
    source = "mov x9, #3\nagain: mrs x0, S3_0_C11_C3_5\nmsr S3_0_C11_C3_5, x0\nsubs x9, x9, #1\nb.ne again\nhvc #0xe0"
    skip = {0x200: "mrs x10, elr_el1\nadd x10, x10, #4\nmsr elr_el1, x10\neret"}
    found = both(lambda g: g.finish().seen, source, vectors=skip)
    encoding = (3, 0, 11, 3, 5)
    assert found == [("unknown", encoding, True, 4), ("unknown", encoding, False, 8)]


def test_semihosting_goes_to_the_handler_and_may_be_denied(both):
    def observe(g):
        asked = []
        answers = [None, True, False]
        g.handler.on_semihosting = lambda vcpu, x: (
            asked.append((vcpu, x[0], x[1])),
            x.__setitem__(0, 99),
            answers.pop(0),
        )[2]
        g.finish()
        return asked, g.x[5], g.x[20], g.engine.retired

    source = "mov x0, #4\nmov x1, #7\n.word 0xd45e0000\nmov x5, x0\n.word 0xd45e0000\n.word 0xd45e0000\n"
    assert both(observe, source, vectors=VECTORS_TO_REPORT) == (
        [(0, 4, 7), (0, 99, 7), (0, 99, 7)],
        99,
        0x0200_0000,
        13,
    )


class TestExceptionLoop:
    def observe(self, g):
        assert g.run(1000) is Stop.EXCEPTION_LOOP
        loop = g.engine.loop
        return loop.description, loop.esr, loop.elr, loop.far, g.engine.retired

    def test_without_a_vector_table(self, both):
        found = both(self.observe, "mov x0, #0x9000000\nldr x1, [x0]")
        assert found == ("data abort", 0x9600_0010, BASE + 4, 0x900_0000, 3)

    def test_after_a_jump_to_nowhere(self, both):
        found = both(self.observe, "mov x0, #0x9000000\nbr x0")
        assert found == ("instruction abort", 0x8600_0010, 0x900_0000, 0x900_0000, 4)

    def test_with_a_table_of_zeros(self, both):
        found = both(self.observe, "nop\nsvc #3", vectors={})
        assert found[:3] == ("SVC", 0x5600_0003, BASE + 8)

    def test_with_an_interrupt_that_has_no_vector(self, both):
        def observe(g):
            g.engine.set_irq(0, True)
            return self.observe(g)

        assert both(observe, "msr daifclr, #2\nb .") == ("instruction abort", 0x8600_0010, 0x280, 0x280, 3)

    def test_it_does_not_blame_an_exception_that_was_handled_long_ago(self, both):
        source = "svc #1\nmov x0, #0x200\nmsr vbar_el1, xzr\nbr x0"
        found = both(self.observe, source, vectors={0x200: "eret"})
        assert found[:3] == ("instruction abort", 0x8600_0010, 0x200)

    def test_two_exceptions_in_a_row_are_no_loop(self, both):
        """An exception whose vector faults into a vector that works."""
        source = f"{TO_EL0} svc #1"

        def observe(g):
            g.engine.registers(0)["VBAR_EL1"] = VECTORS
            return g.run(50), g.x[20], g.x[21]

        vectors = {0x200: "mrs x20, esr_el1\nmrs x21, elr_el1\nhvc #0xe0", 0x400: ".word 0"}
        assert both(observe, source, vectors=vectors) == (Stop.REQUESTED, 0x0200_0000, VECTORS + 0x400)


def test_an_exception_loop_between_two_vectors_ends_by_its_budget(both):
    """EL1's vector returns to EL0, where the next fetch aborts: no block of EL0 ever runs."""
    source = "mov x0, #0x9000000\nmsr elr_el1, x0\nmov x0, #0x3c0\nmsr spsr_el1, x0\neret"

    def observe(g):
        stops = [g.run(500), g.run(501)]
        return stops, g.engine.retired

    assert both(observe, source, vectors={0x400: "eret"})[0] == [Stop.BUDGET, Stop.BUDGET]


STEPPED = """
    msr oslar_el1, xzr
    mov x0, #1
    msr mdscr_el1, x0
    adr x0, user
    msr elr_el1, x0
    movz x0, #0x3c0
    movk x0, #0x20, lsl #16
    msr spsr_el1, x0
    isb
    eret
user:
    add x1, x1, #1
    ldxr x3, [x10]
    mov x2, #2
    svc #1
    b .
"""
STEPPER = """
    mrs x20, esr_el1
    str w20, [x11], #4
    mrs x21, elr_el1
    str w21, [x11], #4
    mrs x22, spsr_el1
    add x25, x25, #1
    cmp x25, #5
    b.eq out
    cmp x25, #3
    b.eq again
    orr x22, x22, #0x200000
again:
    msr spsr_el1, x22
    eret
out:
    hvc #0xe0
"""


def test_software_step_of_a_program_at_el0(both):
    """Three steps, then a return without PSTATE.SS, which is pending at once, then an SVC, which is taken as it is."""

    def observe(g):
        g.x[10], g.x[11] = BASE + 0x8000, BASE + 0x9000
        g.finish()
        words = [int.from_bytes(g.memory[0x9000 + 4 * n : 0x9004 + 4 * n], "little") for n in range(10)]
        return [(hex(esr), elr - BASE - 40) for esr, elr in zip(words[::2], words[1::2], strict=True)], g.engine.retired

    found = both(observe, STEPPED, vectors={0x400: STEPPER})
    assert found[0] == [
        ("0xcb000022", 4),
        ("0xcb000062", 8),
        ("0xcb000022", 12),
        ("0xca000022", 12),
        ("0x56000001", 16),
    ]
