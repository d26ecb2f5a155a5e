"""What is declared is what the API's tables of the recorded release say."""

import csv
from pathlib import Path

import pytest

from gunyah_emu.abi import bitfields
from gunyah_emu.abi.bitfields import Bitfield, Enumeration
from gunyah_emu.abi.declare import CapabilityType
from gunyah_emu.abi.types import MINUS_ONE, ZERO
from gunyah_emu.hypervisor.hypervisor import load_declarations
from gunyah_emu.hypervisor.object import OBJECT_TYPES

FOLDER = Path(__file__).parent
DECLARATIONS = load_declarations()

RECORDED_RESERVED = {
    # The real build checks a register that the table does not list (recorded: it must be -1).
    "vcpu_set_priority": MINUS_ONE,
    "vcpu_set_timeslice": MINUS_ONE,
}


def rows(name):
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


HYPERCALLS = rows("hypercalls.tsv")


def split(cell):
    return [tuple(part.strip().split(": ")) for part in cell.split(",") if part.strip()]


def bare(kind):
    name = kind.removeprefix("bitfield ").removeprefix("enumeration ").removeprefix("union ")
    # The union has one member.
    return "vgic_gicr_attach_flags" if name == "addrspace_attach_vdevice_flags" else name


@pytest.mark.parametrize("row", HYPERCALLS, ids=lambda row: row["name"])
def test_every_row_is_declared_with_its_registers(row):
    declaration = DECLARATIONS[row["name"]]
    inputs = split(row["inputs x0.."])
    reserved = RECORDED_RESERVED.get(row["name"])
    if inputs and inputs[-1][0] in ("res0", "res1"):
        reserved = ZERO if inputs.pop()[0] == "res0" else MINUS_ONE

    assert declaration.number == (None if row["immediate"] == "-" else int(row["immediate"], 16))
    assert declaration.smccc_id == (None if row["smccc_id"] == "-" else int(row["smccc_id"], 16))
    assert declaration.reserved == reserved
    arguments = declaration.arguments(OBJECT_TYPES)
    assert [argument.register for argument in arguments] == list(range(len(inputs)))
    assert [(argument.name.rstrip("_"), argument.type.name) for argument in arguments] == [
        (name, bare(kind)) for name, kind in inputs
    ]
    outputs = [(output.name, output.type) for output in declaration.outputs(OBJECT_TYPES)]
    assert outputs == [(name, bare(kind)) for name, kind in split(row["outputs x0.."])]


def test_nothing_else_is_declared():
    assert set(DECLARATIONS) == {row["name"] for row in HYPERCALLS}


def test_capabilities_ask_for_a_right():
    for declaration in DECLARATIONS.values():
        for argument in declaration.arguments(OBJECT_TYPES):
            if isinstance(argument.type, CapabilityType):
                assert argument.type.rights & argument.type.cls.RIGHTS.ALL, (declaration.name, argument.name)


TYPES = {row["name"]: row for row in rows("types.tsv") if row["part"] == "define"}
BITFIELDS = [item for item in vars(bitfields).values() if isinstance(item, Bitfield) and item.name in TYPES]
ENUMERATIONS = [item for item in vars(bitfields).values() if isinstance(item, Enumeration) and item.name in TYPES]


@pytest.mark.parametrize("declared", BITFIELDS, ids=lambda declared: declared.name)
def test_bit_fields_are_where_the_api_puts_them(declared):
    row = TYPES[declared.name]
    assert row["kind"] == f"bitfield<{declared.width}>"
    positions = {field.name: (field.high, field.low) for field in declared.fields}
    for cell in row["fields (bit or value, name, type)"].split(" ; "):
        bits, name = cell.split()[:2]
        if not name.startswith(("res0", "res_", "unknown")):
            high, _, low = bits.partition(":")
            assert positions[name] == (int(high), int(low or high))


@pytest.mark.parametrize("declared", ENUMERATIONS, ids=lambda declared: declared.name)
def test_enumerations_have_the_values_of_the_api(declared):
    for cell in filter(None, TYPES[declared.name]["fields (bit or value, name, type)"].split(" ; ")):
        name, _, value = cell.partition(" = ")
        if value[:1].isdigit():
            assert declared.values[name] == int(value, 0)
