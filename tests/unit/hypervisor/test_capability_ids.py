"""Ids name what they were given for, and nothing in another cspace."""

from hypothesis import given
from hypothesis import strategies as st

from gunyah_emu.hypervisor.capability_ids import SLOTS_PER_TABLE, TABLES, CapabilityIds

SLOTS = st.integers(0, SLOTS_PER_TABLE * TABLES - 1)
CODINGS = st.one_of(
    st.builds(CapabilityIds.sequential, st.integers(0, 1000)),
    st.builds(CapabilityIds, st.integers(0, (1 << 64) - 1), st.integers(1, 0xFFFF)),
)


@given(CODINGS, SLOTS)
def test_an_id_decodes_to_its_slot(ids, slot):
    assert ids.decode(ids.encode(slot)) == slot


@given(CODINGS, st.integers(0, (1 << 64) - 1))
def test_any_number_decodes_to_a_slot_that_exists_or_to_none(ids, number):
    slot = ids.decode(number)
    assert slot is None or 0 <= slot < SLOTS_PER_TABLE * TABLES


def test_sequential_ids_are_readable():
    ids = CapabilityIds.sequential(0)
    assert [ids.encode(slot) for slot in (0, 1, 61, 62)] == [0x1_0000_0000, 0x1_0000_0001, 0x1_0000_003D, 0x1_0000_0100]


def test_random_ids_avoid_the_special_range_and_a_multiplier_of_zero():
    sources = iter([b"\xff" * 8, b"\x11" * 8, bytes(8)])
    ids = CapabilityIds.random(lambda size: next(sources)[:size])
    assert ids.base == 0x1111_1111_1111_1111
    assert ids.multiplier == 0x5555


def test_decoding_is_lossy_with_a_large_multiplier():
    ids = CapabilityIds(0, 0xFFFF)
    assert ids.decode(ids.encode(5) + 1) == 5
