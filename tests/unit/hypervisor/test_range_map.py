"""A wrong range would map a guest to another VM's memory, or hand memory to two owners."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gunyah_emu.hypervisor.range_map import RangeMap

SPACE = 24

changes = st.lists(
    st.tuples(st.integers(0, SPACE - 1), st.integers(1, SPACE), st.sampled_from([None, "a", "b", "c"])), max_size=30
)


def build(operations):
    ranges, oracle = RangeMap(), [None] * SPACE
    for start, length, value in operations:
        end = min(start + length, SPACE)
        if value is None:
            ranges.remove(start, end)
        else:
            ranges.assign(start, end, value)
        oracle[start:end] = [value] * (end - start)
    return ranges, oracle


@given(changes)
def test_every_address_has_the_value_that_was_assigned_last(operations):
    ranges, oracle = build(operations)
    for address, value in enumerate(oracle):
        found = ranges.at(address)
        assert (None if found is None else found[2]) == value


@given(changes)
def test_ranges_are_as_long_as_they_can_be(operations):
    ranges, _ = build(operations)
    listed = list(ranges)
    assert len(listed) == len(ranges)
    for (_, end, value), (start, _, following) in pairwise(listed):
        assert end < start or value != following


@given(changes, st.integers(0, SPACE - 1), st.integers(1, SPACE))
def test_runs_cover_a_range_completely_and_in_order(operations, start, length):
    ranges, oracle = build(operations)
    end = min(start + length, SPACE)
    flat = [value for low, high, value in ranges.runs(start, end) for _ in range(low, high)]
    assert flat == oracle[start:end]
    assert ranges.vacant(start, end) == (not any(oracle[start:end]))


def test_nothing_is_left_after_clear():
    ranges, _ = build([(0, 5, "a"), (9, 2, "b")])
    ranges.clear()
    assert not len(ranges)
    assert ranges.vacant(0, SPACE)
