"""Which list register an interrupt gets: the wrong one would deliver in an order that was not recorded."""

from __future__ import annotations

from gunyah_emu.gic import GUNYAH, Gic
from gunyah_emu.gic.list_registers import ACTIVE_ONLY, INVALID, LOWEST_PRIORITY, NOBODY, ListRegisters


def make() -> ListRegisters:
    return ListRegisters(Gic(model=GUNYAH).cpu_interfaces[0], 4)


def fill(lists: ListRegisters, *priorities: int) -> None:
    for at, priority in enumerate(priorities):
        lists.fill(at, 40 + at, priority, trap_eoi=False)


def test_a_register_without_interrupt_comes_first() -> None:
    lists = make()
    fill(lists, 0x80, 0x80)
    lists.set_state(0, INVALID)
    assert lists.select(0x10) == (2, LOWEST_PRIORITY)


def test_then_one_whose_interrupt_is_over() -> None:
    lists = make()
    fill(lists, 0x80, 0x80, 0x80, 0x80)
    lists.set_state(2, INVALID)
    assert lists.select(0xF0) == (2, LOWEST_PRIORITY)


def test_then_the_least_urgent_active_one() -> None:
    lists = make()
    fill(lists, 0x80, 0xA0, 0xA0, 0xF0)
    for at in range(3):
        lists.set_state(at, ACTIVE_ONLY)
    assert lists.select(0x10) == (2, LOWEST_PRIORITY)


def test_then_the_least_urgent_pending_one_if_it_is_less_urgent() -> None:
    lists = make()
    fill(lists, 0x80, 0xA0, 0xA0, 0x90)
    assert lists.select(0x98) == (2, 0xA0)
    assert lists.select(0xA0)[0] == NOBODY


def test_a_register_that_owes_maintenance_is_not_free() -> None:
    lists = make()
    fill(lists, 0x80, 0x80, 0x80, 0x80)
    lists.traps_eoi[1] = True
    lists.set_state(1, INVALID)
    assert lists.ended == 2
    assert lists.needs_attention()
    assert lists.select(0x10) == (3, 0x80)


def test_notes_are_fresh_once() -> None:
    lists = make()
    assert lists.note(40, 0x80)
    assert not lists.note(41, 0x80)
    assert not lists.note(99, 0x80)
    assert lists.search_ranges[16] == 1 << 2 | 1 << 6
    assert lists.search_priorities == 1 << 16
