"""Several vCPUs in one engine, both ways."""

from __future__ import annotations

import random

import pytest

from gunyah_emu.cpu import Stop

BASE = 0x4000_0000

COUNT = """
    movz x10, #0x4000, lsl #16
    movk x10, #0x8000
    mov x9, #{n}
again:
    {increment}
    subs x9, x9, #1
    b.ne again
    hvc #0xe0
"""
EXCLUSIVE = "retry: ldxr x0, [x10]\nadd x0, x0, #1\nstxr w1, x0, [x10]\ncbnz w1, retry"
# The pair lies in two blocks, so that a slice can end between them.
SPLIT = "retry: ldxr x0, [x10]\nb half\nhalf: add x0, x0, #1\nstxr w1, x0, [x10]\ncbnz w1, retry"


@pytest.mark.parametrize("increment", [EXCLUSIVE, SPLIT], ids=["one block", "two blocks"])
@pytest.mark.parametrize("vcpus", [2, 4])
def test_exclusive_counters_are_exact_under_random_preemption(both, increment, vcpus):
    each = 60

    def observe(g):
        rng = random.Random(vcpus)
        left, trace = set(range(vcpus)), []
        while left:
            vcpu = rng.choice(sorted(left))
            stop = g.run(rng.randrange(1, 40), vcpu=vcpu)
            trace.append((vcpu, stop, g.engine.retired))
            if stop is Stop.REQUESTED:
                left.discard(vcpu)
        return g.word(0x8000), trace

    counted, _ = both(observe, COUNT.format(n=each, increment=increment), vcpus=vcpus)
    assert counted == each * vcpus


def test_another_vcpu_clears_the_exclusive_monitor_even_if_it_restores_the_value(guest):
    """ABA: the store must fail although the value is the same again."""
    source = """
        mrs x20, mpidr_el1
        movz x10, #0x4000, lsl #16
        movk x10, #0x8000
        tbnz x20, #0, second
        ldxr x0, [x10]
        hvc #0xe0
        stxr w1, x0, [x10]
        hvc #0xe0
    second:
        mov x1, #7
        str x1, [x10]
        str xzr, [x10]
        hvc #0xe0
    """
    g = guest(source, vcpus=2)
    g.run()
    assert g.run(vcpu=1) is Stop.REQUESTED
    g.run()
    assert g.x[1] == 1


def test_vcpus_have_their_own_registers_flags_and_floating_point(guest):
    source = """
        mrs x20, mpidr_el1
        and x20, x20, #3
        mov x0, #3 << 20
        msr cpacr_el1, x0
        isb
        msr tpidr_el1, x20
        fmov d0, x20
        dup v31.2d, x20
        mov sp, x20
        cmp x20, #1
        hvc #0xe0
        cset x1, eq
        mrs x2, tpidr_el1
        fmov x3, d0
        mov x4, v31.d[1]
        mov x5, sp
        hvc #0xe0
    """
    g = guest(source, vcpus=3)
    for _ in range(2):
        for vcpu in (2, 0, 1):
            assert g.run(vcpu=vcpu) is Stop.REQUESTED
    for vcpu in range(3):
        assert list(g.engine.registers(vcpu).x[1:6]) == [int(vcpu == 1), *[vcpu] * 4]


def test_code_that_one_vcpu_writes_the_other_runs(guest):
    source = """
        mrs x20, mpidr_el1
        adr x1, patch
        tbnz x20, #0, second
    patch:
        mov x2, #1
        hvc #0xe0
        b patch
    second:
        movz w3, #0x0042
        movk w3, #0xd280, lsl #16
        str w3, [x1]
        hvc #0xe0
    """
    g = guest(source, vcpus=2).finish()
    assert g.x[2] == 1
    g.run(vcpu=1)
    g.finish()
    assert g.x[2] == 2


@pytest.mark.parametrize("vcpu", [0, 1])
def test_registers_can_be_read_and_written_swapped_in_or_not(guest, vcpu):
    g = guest("again: add x0, x0, #1\nmrs x1, tpidr_el0\nhvc #0xe0\nb again", vcpus=2)
    g.finish()
    r = g.engine.registers(vcpu)
    r.x[0], r.pc, r["TPIDR_EL0"], r.sp = 41, BASE, 77, 0x5000
    r.pstate = 0x6000_0345
    assert (r.x[0], r.pc, r["TPIDR_EL0"], r.sp, r.pstate) == (41, BASE, 77, 0x5000, 0x6000_0345)
    assert r["SP_EL1"] == 0x5000
    r["SP_EL0"] = 0x6000
    r.pstate = 0x344  # EL1t: the stack pointer is SP_EL0's
    assert (r.sp, r["SP_EL0"], r["SP_EL1"]) == (0x6000, 0x6000, 0x5000)
    g.run(vcpu=1 - vcpu)
    g.run(vcpu=vcpu)
    assert (r.x[0], r.x[1], r.sp) == (42, 77, 0x6000)
    assert g.engine.registers(1 - vcpu).x[0] == (1 if vcpu == 0 else 2)
    with pytest.raises(KeyError):
        r["NO_SUCH_REGISTER"]


def test_reset_is_the_entry_state_of_cpu_on(guest, calls):
    def on(caller):
        g.engine.reset(1, BASE + 0x40, x0=99, mpidr=0x8000_0102)
        return 0

    source = (
        "hvc #0x6000\nhvc #0xe0\n"
        + "nop\n" * 14
        + "mrs x1, mpidr_el1\nmrs x2, daif\nmrs x3, currentel\nmrs x4, sctlr_el1\nhvc #0xe0"
    )
    g = guest(source, vcpus=2, calls=calls({0: (0, on)}))
    r = g.engine.registers(1)
    r["SCTLR_EL1"] |= 1
    r.x[7] = 5
    g.finish()
    assert g.run(vcpu=1) is Stop.REQUESTED
    assert (r.x[0], r.x[1], r.x[2], r.x[3], r.x[4] & 1, r.x[7]) == (99, 0x8000_0102, 0x3C0, 4, 0, 0)


def test_a_call_may_look_at_and_write_another_vcpu(guest, calls):
    def peek(caller, other):
        there = g.engine.registers(other)
        there.x[5] = 55
        return there.pc, there["VBAR_EL1"]

    g = guest("mov x0, #1\nhvc #0x6000\nmov x20, x0\nmov x21, x1\nhvc #0xe0", vcpus=2, calls=calls({0: (1, peek)}))
    g.engine.registers(1)["VBAR_EL1"] = 0x8000
    g.finish()
    assert (g.x[20], g.x[21], g.engine.registers(1).x[5], g.x[5]) == (BASE, 0x8000, 55, 0)


def test_a_vcpu_number_outside_the_engine_is_an_error(guest):
    with pytest.raises(IndexError):
        guest("nop", vcpus=2).run(vcpu=2)
