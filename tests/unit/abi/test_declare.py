"""A signature means the same to the decoder, to traces and to documentation."""

from __future__ import annotations

from typing import Annotated

import pytest

from gunyah_emu.abi.bitfields import VIC_OPTION_FLAGS, VicOptionFlags, bitfield
from gunyah_emu.abi.declare import DECLARATIONS, CapabilityType, hypercall
from gunyah_emu.abi.rights import ACTIVATE, DoorbellRights, Rights
from gunyah_emu.abi.types import ACTIVE_STATE, ANY_STATE, INIT_STATE, MINUS_ONE, U64, ZERO, Count, Results, Virq

NO_TYPES = {}


class Thing:
    RIGHTS = DoorbellRights


@pytest.fixture
def declare():
    """Declare a function and forget it afterwards."""
    names = []

    def declaring(function, number=0x606A, **options):
        hypercall(number, **options)(function)
        names.append(function.__name__)
        return DECLARATIONS[function.__name__]

    yield declaring
    for name in names:
        del DECLARATIONS[name]


def thing_bind(
    hypervisor, caller, thing: Annotated[Thing, DoorbellRights.BIND], flags: U64, virq: Virq, options: VicOptionFlags
) -> Annotated[Results, "old: uint64", "more: bool"]:
    """Bind."""


def thing_configure(thing: Annotated[Thing, ACTIVATE], other: Annotated[Thing, ACTIVATE, ANY_STATE]) -> Results:
    """Configure."""


def thing_count(count: Count) -> Results:
    """Count."""


def thing_wrong(count: int) -> Results:
    """Not annotated with a type of the API."""


def test_arguments_are_registers_in_order(declare):
    declaration = declare(thing_bind)
    assert declaration.context == ("hypervisor", "caller")
    assert declaration.argument_names == ("thing", "flags", "virq", "options")
    arguments = declaration.arguments(NO_TYPES)
    assert [(argument.name, argument.register) for argument in arguments] == [
        ("thing", 0),
        ("flags", 1),
        ("virq", 2),
        ("options", 3),
    ]
    assert arguments[0].type == CapabilityType(Thing, DoorbellRights.BIND, ACTIVE_STATE)
    assert (arguments[2].type.name, arguments[2].type.width) == ("virq_t", 32)
    assert arguments[3].type is VIC_OPTION_FLAGS


def test_results_begin_with_the_error(declare):
    outputs = declare(thing_bind).outputs(NO_TYPES)
    assert [(output.name, output.register, output.type) for output in outputs] == [
        ("error", 0, "error"),
        ("old", 1, "uint64"),
        ("more", 2, "bool"),
    ]


def test_reserved_register_follows_the_arguments(declare):
    assert declare(thing_bind).register_count == 5
    assert declare(thing_count, reserved=None).register_count == 1
    assert DECLARATIONS["thing_bind"].reserved is ZERO


def test_both_encodings_have_the_number(declare):
    declaration = declare(thing_count, 0x6042, reserved=MINUS_ONE)
    assert (declaration.number, declaration.smccc_id) == (0x6042, 0xC600_8042)


def test_configuring_wants_an_object_that_is_not_active_yet(declare):
    first, second = declare(thing_configure).arguments(NO_TYPES)
    assert first.type.state is INIT_STATE
    assert second.type.state is ANY_STATE


def test_a_name_is_declared_once(declare):
    declare(thing_count)
    with pytest.raises(AssertionError, match="thing_count is declared twice"):
        hypercall(0x606B)(thing_count)


def test_a_parameter_needs_a_type_of_the_api(declare):
    with pytest.raises(AssertionError, match="must be Annotated with a type or a right, not <class 'int'>"):
        declare(thing_wrong).arguments(NO_TYPES)


def test_rights_know_their_names_and_the_generic_one():
    class Some(Rights):
        READ = 1 << 0
        WRITE = 1 << 5

    assert Some.ALL == 0x8000_0021
    assert Some.NAMES == {1: "read", 32: "write", ACTIVATE: "activate"}


def test_bit_fields_decode_for_people():
    field = bitfield("example", 32, low=(3, 0), flag=8)
    assert field.reserved == 0xFFFF_FEF0
    assert field.decode(0x1A5) == {"low": 5, "flag": 1}
