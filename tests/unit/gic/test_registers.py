"""The register tables: whoever adds a register with a typo would get a decoder that silently ignores it."""

from __future__ import annotations

from itertools import pairwise

import pytest

from gunyah_emu.gic import ARCHITECTURAL, CPU_INTERFACE_REGISTERS, GUNYAH, Gic, Model, registers
from gunyah_emu.gic.registers import DISTRIBUTOR_REGISTERS, REDISTRIBUTOR_REGISTERS, FrameRegister

TABLES = {"GICD": DISTRIBUTOR_REGISTERS, "GICR": REDISTRIBUTOR_REGISTERS}
MODELS = pytest.mark.parametrize("model", [ARCHITECTURAL, GUNYAH], ids=lambda model: model.name)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_offsets_ascend_and_do_not_overlap(table: tuple[FrameRegister, ...]) -> None:
    for before, after in pairwise(table):
        assert before.end <= after.offset, (before.name, after.name)


def test_encodings_are_unique_and_lie_in_the_icc_space() -> None:
    encodings = [register.encoding for register in CPU_INTERFACE_REGISTERS]
    assert len(set(encodings)) == len(encodings)
    for op0, op1, crn, crm, _op2 in encodings:
        assert (op0, op1) == (3, 0)
        assert crn == 12 or (crn, crm) == (4, 6)


def test_access_agrees_with_readers_and_writers() -> None:
    for register in CPU_INTERFACE_REGISTERS:
        expected = {"RW": (True, True), "RO": (True, False), "WO": (False, True)}[register.access]
        assert (register.reader is not None, register.writer is not None) == expected, register.name
    for table in TABLES.values():
        for row in table:
            assert not (row.access == "RO" and row.writer), row.name
            assert not (row.access == "WO" and row.reader), row.name


@MODELS
def test_every_cpu_interface_method_exists(model: Model) -> None:
    cpu = Gic(model=model).cpu_interfaces[0]
    for register in CPU_INTERFACE_REGISTERS:
        for method in (register.reader, register.writer):
            assert method is None or callable(getattr(cpu, method)), register.name


@MODELS
def test_frames_read_their_declared_reset_values(model: Model) -> None:
    gic = Gic(model=model)
    for frame, table in (
        (gic.distributor, DISTRIBUTOR_REGISTERS),
        (gic.redistributors.frame(0), REDISTRIBUTOR_REGISTERS),
    ):
        for row in table:
            # Word 0 of a banked distributor register shows SGIs and PPIs in one model.
            place = row.offset + row.width * (row.elements - 1)
            if row.reset is not None and row.reader is not None:
                assert frame.read(place, row.sizes[-1]) == row.reset, row.name


def test_cpu_interface_reads_its_declared_reset_values() -> None:
    cpu = Gic().cpu_interfaces[0]
    for register in CPU_INTERFACE_REGISTERS:
        if register.reader is not None:
            assert getattr(cpu, register.reader)() == register.reset, register.name


def test_recorded_reset_values_of_the_gunyah_model() -> None:
    gic = Gic(model=GUNYAH)
    recorded = {0x0: 0x50, 0x4: 0x0349001F, 0x8: 0x47000070, 0xC00: 0xAAAAAAAA, 0x104: 0, 0x84: 0, 0x428: 0}
    assert {offset: gic.distributor.read(offset, 4) for offset in recorded} == recorded
    recorded = {
        0x0: 0,
        0x4: 0x47000070,
        0x8: 0,
        0xC: 0,
        0x14: 0,
        0xFFE8: 0x30,
        0x10080: 0,
        0x10C00: 0xAAAAAAAA,
        0x10C04: 0,
    }
    assert {offset: gic.redistributors.read(offset, 4) for offset in recorded} == recorded


def test_listing_names_every_register_once() -> None:
    listed = list(registers())
    assert len(listed) == sum(map(len, TABLES.values())) + len(CPU_INTERFACE_REGISTERS)
    assert len({(row.frame, row.name) for row in listed}) == len(listed)
    assert {row.name: row.place for row in listed}["GICD_ISENABLER"] == 0x100
    assert {row.name: row.place for row in listed}["ICC_IAR1_EL1"] == (3, 0, 12, 12, 0)
