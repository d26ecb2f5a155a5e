"""ID, debug and PMU registers, both ways."""

from __future__ import annotations

import pytest

from gunyah_emu.cpu import SystemRegister

IDS = [
    ("midr_el1", 0x410F_D083),
    ("mpidr_el1", 0x8000_0000),
    ("id_aa64pfr0_el1", 0x2211),
    ("id_aa64isar0_el1", 0x1_1120),
    ("id_aa64isar1_el1", 0),
    ("id_aa64mmfr0_el1", 0x1124),
    ("S3_0_C0_C4_4", 0),  # ID_AA64ZFR0_EL1
    ("cntfrq_el0", 62_500_000),
    ("ctr_el0", 0x8444_C004),
    ("currentel", 4),
]


@pytest.mark.parametrize(("register", "value"), IDS, ids=[each[0] for each in IDS])
def test_what_the_default_cpu_says_it_is(both, register, value):
    assert hex(both(lambda g: g.finish().x[0], f"mrs x0, {register}\nhvc #0xe0")) == hex(value)


def field(value, low):
    return value >> low & 15


def test_max_hides_what_does_not_work_and_shows_what_does(both):
    source = (
        "mrs x0, id_aa64pfr0_el1\nmrs x1, id_aa64isar0_el1\nmrs x2, id_aa64isar1_el1\nmrs x3, S3_0_C0_C4_4\nhvc #0xe0"
    )
    x = both(lambda g: list(g.finish().x[0:4]), source, cpu_model="max")
    pfr0, isar0, isar1, zfr0 = x
    assert (field(pfr0, 32), field(isar0, 60), isar1 & 0xFF00_0FF0, zfr0) == (0, 0, 0, 0)
    assert field(isar0, 20) == 2  # LSE


def test_a_gic_shows_in_the_id_register(both):
    registers = [SystemRegister("ICC_SRE_EL1", (3, 0, 12, 12, 5), read=lambda: 7)]
    found = both(lambda g: g.finish().x[0], "mrs x0, id_aa64pfr0_el1\nhvc #0xe0", system_registers=[registers])
    assert field(found, 24) == 1


def test_debug_registers_keep_what_is_written_and_stop_nothing(both):
    source = """
        adr x0, here
        mov x1, #0x1e7
        msr dbgbvr0_el1, x0
        msr dbgbcr0_el1, x1
        msr dbgwvr3_el1, x0
        msr dbgwcr3_el1, x1
        mov x2, #0x8000
        msr mdscr_el1, x2
        msr oslar_el1, xzr
        isb
    here:
        mrs x3, dbgbcr0_el1
        mrs x4, dbgwvr3_el1
        mrs x5, oslsr_el1
        mrs x6, mdscr_el1
        hvc #0xe0
    """
    assert both(lambda g: list(g.finish().x[3:7]), source) == [0x1E7, 0x4000_0028, 8, 0x8000]


def test_the_cycle_counter_counts_instructions_and_there_are_no_event_counters(both):
    source = """
        mrs x0, pmccntr_el0
        mov x1, #1
        msr pmcr_el0, x1
        mov x2, #100
        msr pmccntr_el0, x2
        nop
        nop
        mrs x3, pmccntr_el0
        mov x1, #5
        msr pmcr_el0, x1
        mrs x4, pmccntr_el0
        msr pmcr_el0, xzr
        mrs x5, pmccntr_el0
        nop
        mrs x6, pmccntr_el0
        mrs x7, pmcr_el0
        mrs x8, pmevcntr0_el0
        hvc #0xe0
    """

    def observe(g):
        g.engine.set_clock(10**9)
        g.finish()
        x = g.x
        return x[0], x[3], x[4], x[5], x[6], x[7] >> 11 & 31, x[8]

    assert both(observe, source) == (0, 103, 1, 2, 2, 0, 0)


def test_random_numbers_never_come_from_the_host(both):
    assert both(
        lambda g: list(g.finish().x[0:2]), "mrs x0, S3_3_C2_C4_0\nmrs x1, S3_3_C2_C4_1\nhvc #0xe0", cpu_model="max"
    ) == [0, 0]
