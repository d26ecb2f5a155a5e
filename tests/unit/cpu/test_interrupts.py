"""The IRQ line and WFI, both ways."""

from __future__ import annotations

import pytest

from gunyah_emu.cpu import Stop, SystemRegister

BASE = 0x4000_0000
IAR, EOIR = (3, 0, 12, 12, 0), (3, 0, 12, 12, 1)
HANDLER = {0x280: "mrs x2, S3_0_C12_C12_0\nmov x3, x5\nmov x4, x6\nmsr S3_0_C12_C12_1, x2\nadd x7, x7, #1\neret"}


class Gic:
    """As little of an interrupt controller as an acknowledging guest needs."""

    def __init__(self):
        self.ended = []
        self.registers = [
            SystemRegister("ICC_IAR1_EL1", IAR, read=self.acknowledge),
            SystemRegister("ICC_EOIR1_EL1", EOIR, write=self.ended.append),
        ]

    def acknowledge(self):
        self.engine.set_irq(0, False)
        return 40


def interruptible(make, source, **options):
    gic = Gic()
    g = make(source, vectors=HANDLER, system_registers=[gic.registers], **options)
    gic.engine = g.engine
    g.gic = gic
    return g


@pytest.mark.parametrize(
    "unmask",
    ["msr daifclr, #2", "msr daif, xzr", "adr x0, next\nmsr elr_el1, x0\nmov x0, #5\nmsr spsr_el1, x0\neret\nnext:"],
)
def test_a_call_raises_the_line_and_the_guest_takes_it_right_behind_the_unmasking_instruction(guest, calls, unmask):
    table = calls({0: (0, lambda caller: g.engine.set_irq(0, True) or 0)})
    g = interruptible(guest, f"hvc #0x6000\nmov x5, #1\n{unmask}\nmov x6, #1\nhvc #0xe0", calls=table)
    g.finish()
    assert (g.x[3], g.x[4], g.x[6], g.gic.ended) == (1, 0, 1, [40])


def test_an_unmasked_guest_takes_it_before_the_instruction_behind_the_call(guest, calls):
    table = calls({0: (0, lambda caller: g.engine.set_irq(0, True) or 0)})
    g = interruptible(guest, "msr daifclr, #2\nhvc #0x6000\nmov x5, #1\nhvc #0xe0", calls=table)
    g.finish()
    assert (g.x[3], g.x[5], g.engine.retired) == (0, 1, 2 + 6 + 2)


def test_a_line_raised_between_runs_is_taken_first(guest):
    g = interruptible(guest, "msr daifclr, #2\nagain: add x5, x5, #1\nb again")
    g.run(21)
    before = g.x[5]
    g.engine.set_irq(0, True)
    g.run(10)
    assert (g.x[3], g.x[7]) == (before, 1)


def test_wfi_waits_unless_an_interrupt_is_pending_even_a_masked_one(guest):
    g = interruptible(guest, "again: wfi\nadd x5, x5, #1\nb again")
    assert (g.run(100), g.x[5], g.engine.retired) == (Stop.WFI, 0, 1)
    assert (g.run(100), g.x[5], g.engine.retired) == (Stop.WFI, 1, 3)
    g.engine.set_irq(0, True)
    assert (g.run(90), g.engine.retired) == (Stop.BUDGET, 90)
    g.engine.set_irq(0, False)
    assert g.run(90) is Stop.WFI


def test_wfi_in_an_unmasked_guest_returns_into_the_handler(guest):
    g = interruptible(guest, "msr daifclr, #2\nwfi\nmov x5, #1\nhvc #0xe0")
    assert g.run() is Stop.WFI
    g.engine.set_irq(0, True)
    g.finish()
    assert (g.x[3], g.x[5], g.x[7]) == (0, 1, 1)


def test_the_line_of_a_vcpu_that_is_not_swapped_in_is_kept_for_it(guest, calls):
    table = calls({0: (0, lambda caller: g.engine.set_irq(1, True) or 0)})
    source = (
        "mrs x20, mpidr_el1\nand x20, x20, #1\ncbnz x20, second\nhvc #0x6000\nhvc #0xe0\nsecond: msr daifclr, #2\nb ."
    )
    gic = Gic()
    g = guest(source, vectors=HANDLER, vcpus=2, calls=table, system_registers=[gic.registers] * 2)
    gic.engine = g.engine
    gic.acknowledge = None
    g.run(50, vcpu=1)
    g.finish()
    assert g.engine.registers(1).x[7] == 0
    g.run(3, vcpu=1)
    assert g.engine.registers(1).pc >= BASE + 0x1_0280
    assert g.engine.registers(0).x[7] == 0


def test_a_handler_that_does_not_acknowledge_is_entered_again(guest):
    g = guest("msr daifclr, #2\nb .", vectors={0x280: "add x7, x7, #1\neret"})
    g.engine.set_irq(0, True)
    g.run(101)
    assert g.x[7] == 50


def test_a_register_that_says_undefined_is_undefined_for_the_guest(guest):
    answers = [None, 5]
    registers = [
        SystemRegister("ICC_IAR1_EL1", IAR, read=lambda: answers.pop(0)),
        SystemRegister("ICC_EOIR1_EL1", EOIR, write=lambda value: value == 5),
    ]
    skip = {0x200: "mrs x20, esr_el1\nadd x21, x21, #1\nmrs x10, elr_el1\nadd x10, x10, #4\nmsr elr_el1, x10\neret"}
    source = """
        mrs x1, S3_0_C12_C12_0
        mrs x2, S3_0_C12_C12_0
        msr S3_0_C12_C12_1, x2
        msr S3_0_C12_C12_1, xzr
        msr S3_0_C12_C12_0, x2
        mrs x3, S3_0_C12_C12_1
        hvc #0xe0
    """
    g = guest(source, vectors=skip, system_registers=[registers]).finish()
    assert (g.x[1], g.x[2], g.x[3], g.x[20], g.x[21]) == (0, 5, 0, 0x0200_0000, 4)


@pytest.mark.parametrize(
    ("register", "error"),
    [
        (SystemRegister("R", IAR, read=lambda: "40"), TypeError),
        (SystemRegister("R", IAR, read=lambda: -1), OverflowError),
        (SystemRegister("R", IAR, read=lambda: 1 // 0), ZeroDivisionError),
        (SystemRegister("R", IAR, write=lambda value: 7), TypeError),
        (SystemRegister("R", IAR, write=lambda value: 1 // 0), ZeroDivisionError),
    ],
)
def test_a_broken_register_is_a_python_error(guest, register, error):
    access = "mrs x0, S3_0_C12_C12_0" if register.read else "msr S3_0_C12_C12_0, x0"
    with pytest.raises(error):
        guest(f"{access}\nhvc #0xe0", system_registers=[[register]]).run()
