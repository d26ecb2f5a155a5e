"""FP and SIMD registers: what a guest leaves there a debugger reads, and the other way round, swapped in or not."""

from __future__ import annotations

import pytest

ENABLE = "mrs x9, cpacr_el1; orr x9, x9, #0x300000; msr cpacr_el1, x9; isb;"
EXIT = "hvc #0xe0"


def test_a_guests_vectors_read_as_one_number(guest) -> None:
    made = guest(ENABLE + "movi v3.16b, #0x5a; mov x0, #7; fmov d31, x0; " + EXIT).finish()
    v = made.engine.registers(0).fp.v
    assert v[3] == int("5a" * 16, 16)
    assert v[31] == 7
    assert v[3:5] == [v[3], 0]
    assert len(v) == 32


def test_a_guest_sees_a_vector_that_was_written(guest) -> None:
    made = guest(ENABLE + "mov x0, v17.d[0]; mov x1, v17.d[1]; " + EXIT)
    made.engine.registers(0).fp.v[17] = 0x1111_2222_3333_4444_5555_6666_7777_8888
    made.finish()
    assert (made.x[0], made.x[1]) == (0x5555_6666_7777_8888, 0x1111_2222_3333_4444)


def test_control_and_status_are_what_the_guest_wrote_and_caused(guest) -> None:
    source = "mov x0, #0xc00000; msr fpcr, x0; fmov d0, #1.0; fsub d1, d0, d0; fdiv d2, d0, d1; "
    made = guest(ENABLE + source + EXIT).finish()
    fp = made.engine.registers(0).fp
    assert fp.fpcr == 0xC0_0000  # round towards zero
    assert fp.fpsr & 2  # divided by zero


def test_a_guest_reads_the_control_and_status_that_were_written(guest) -> None:
    made = guest(ENABLE + "mrs x0, fpcr; mrs x1, fpsr; " + EXIT)
    fp = made.engine.registers(0).fp
    fp.fpcr, fp.fpsr = 0x40_0000, 0x8
    made.finish()
    assert (made.x[0], made.x[1]) == (0x40_0000, 0x8)


def test_a_vcpu_that_is_not_swapped_in_has_registers_of_its_own(guest) -> None:
    made = guest(ENABLE + "fmov d0, x0; hvc #0xe0", vcpus=2)
    for vcpu in range(2):
        made.engine.registers(vcpu).x[0] = 100 + vcpu
        made.run(vcpu=vcpu)
    views = [made.engine.registers(vcpu).fp for vcpu in range(2)]
    assert [fp.v[0] for fp in views] == [100, 101]
    views[0].v[0], views[0].fpcr = 55, 0x80_0000
    assert [(fp.v[0], fp.fpcr) for fp in views] == [(55, 0x80_0000), (101, 0)]
    assert [made.engine.registers(vcpu).x[0] for vcpu in range(2)] == [100, 101]


def test_what_is_no_vector_is_refused(guest) -> None:
    v = guest(EXIT).engine.registers(0).fp.v
    with pytest.raises(IndexError):
        v[32]
    with pytest.raises(ValueError, match=r"must fit into 128 bits, not -1"):
        v[0] = -1
    with pytest.raises(TypeError, match="one by one"):
        v[0:2] = [1, 2]
    with pytest.raises(TypeError):
        del v[0]
    with pytest.raises(TypeError):
        v.append(1)
