"""A register reaches a function as the real hypervisor would hand it over, in either encoding."""

from __future__ import annotations

from typing import Annotated

import pytest

from gunyah_emu.abi.declare import DECLARATIONS, hypercall
from gunyah_emu.abi.decode import native_entry, native_source, smccc_entry
from gunyah_emu.abi.errors import UNIMPLEMENTED
from gunyah_emu.abi.rights import DoorbellRights
from gunyah_emu.abi.types import MINUS_ONE, U64, Bool, CpuIndex, Results, Virq

ALL_ONES = 0xFFFF_FFFF_FFFF_FFFF


class Thing:
    state = 1


class Other:
    state = 1


class Slot:
    def __init__(self, target, rights=DoorbellRights.ALL):
        self.object, self.kind, self.rights = target, type(target), rights
        self.live = self.kind if target.state == 1 else None


class CSpace:
    """Looks up, and says what was refused."""

    def __init__(self, **slots):
        self.table = {int(name[1:]): slot for name, slot in slots.items()}
        self.refusals = []

    def refused(self, *what):
        self.refusals.append(what)
        return 77


class Caller:
    def __init__(self, **slots):
        self.cspace = CSpace(**slots)


def probe_widths(a: U64, b: Virq, c: CpuIndex, d: Bool) -> Annotated[Results, "b: virq_t", "c: cpu_index_t", "d: bool"]:
    return 0, b, c, d


def probe_context(hypervisor, caller, a: U64) -> Annotated[Results, "ok: bool"]:
    return 0, int(hypervisor == "hypervisor" and isinstance(caller, Caller) and a == 5)


def probe_lookup(
    first: Annotated[Thing, DoorbellRights.SEND], second: Annotated[Thing, DoorbellRights.BIND]
) -> Annotated[Results, "value: uint64"]:
    return 0, first.value + second.value


def probe_error(a: U64) -> Annotated[Results, "one: uint64", "two: uint64"]:
    return a


def probe_blocked(a: U64) -> Results:
    return None


@pytest.fixture
def declared():
    made = []

    def declare(function, **options):
        hypercall(0x606A, **options)(function)
        made.append(function.__name__)
        return DECLARATIONS[function.__name__]

    yield declare
    for name in made:
        del DECLARATIONS[name]


def native(declaration):
    return native_entry(declaration, {}, "hypervisor")


def smccc(declaration):
    return smccc_entry(declaration, {}, "hypervisor")


def test_upper_bits_are_ignored_where_the_type_is_narrower(declared):
    entry = native(declared(probe_widths))
    assert entry(Caller(), ALL_ONES, 0x1_0000_0028, 0xABCD_0007, ALL_ONES, 0) == (0, 0x28, 7, 1)


def test_reserved_register_is_checked_before_anything_else(declared):
    caller = Caller()
    entry = native(declared(probe_lookup))
    assert entry(caller, 1, 2, 1) == 1
    assert not caller.cspace.refusals


def test_reserved_register_may_have_to_be_all_ones(declared):
    entry = native(declared(probe_context, reserved=MINUS_ONE))
    assert entry(Caller(), 5, 0) == 1
    assert entry(Caller(), 5, ALL_ONES) == (0, 1)


def test_smccc_does_not_look_at_reserved_registers(declared):
    assert smccc(declared(probe_context))(Caller(), 5) == (0, 1)


def thing(value):
    made = Thing()
    made.value = value
    return made


def test_capabilities_become_objects(declared):
    caller = Caller(c1=Slot(thing(30)), c2=Slot(thing(12)))
    assert native(declared(probe_lookup))(caller, 1, 2, 0) == (0, 42)


@pytest.mark.parametrize(
    "slot",
    [
        pytest.param(Slot(Other()), id="type"),
        pytest.param(Slot(thing(1), rights=DoorbellRights.RECEIVE), id="rights"),
        pytest.param(Slot(type("Inactive", (), {"state": 0})()), id="state"),
    ],
)
def test_a_look_up_that_fails_is_left_to_the_cspace(declared, slot):
    caller = Caller(c1=slot, c2=slot)
    assert native(declared(probe_lookup))(caller, 1, 2, 0) == 77
    assert caller.cspace.refusals == [(1, Thing, DoorbellRights.SEND, 1)]


def test_look_ups_keep_their_declared_order(declared):
    caller = Caller(c1=Slot(Other()), c2=Slot(Other()))
    declaration = declared(probe_lookup, order=("second", "first"))
    native(declaration)(caller, 1, 2, 0)
    assert [refused[0] for refused in caller.cspace.refusals] == [2]


def test_smccc_writes_every_output_on_an_error(declared):
    entry = smccc(declared(probe_error))
    assert entry(Caller(), 30) == (30, 0, 0)


def test_smccc_widens_a_negative_error(declared):
    declaration = declared(probe_error)
    assert native(declaration)(Caller(), UNIMPLEMENTED, 0) == 0xFFFF_FFFF
    assert smccc(declaration)(Caller(), UNIMPLEMENTED) == (ALL_ONES, 0, 0)


def test_a_blocked_caller_has_no_results_yet(declared):
    declaration = declared(probe_blocked)
    assert native(declaration)(Caller(), 0, 0) is None
    assert smccc(declaration)(Caller(), 0) is None


def test_the_generated_source_is_flat(declared):
    source = native_source(declared(probe_lookup), {})
    assert "for " not in source
    assert source.count("refused") == 2
