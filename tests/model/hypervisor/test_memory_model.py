"""Memory extents and address spaces against a flat model: one entry per page.

A wrong step here gives a VM another VM's memory.  The model knows no ranges and no page tables: only who owns each
page, which extent wishes which page where, and what each IPA shows.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gunyah_emu.abi import errors
from gunyah_emu.hypervisor.addrspace import Addrspace
from gunyah_emu.hypervisor.hypervisor import Hypervisor
from gunyah_emu.hypervisor.memextent import BASIC, SPARSE, MemExtent, attributes
from gunyah_emu.hypervisor.memextent_donation import range_error, to_child, to_parent, to_sibling
from gunyah_emu.hypervisor.memextent_mapping import (
    map_extent,
    map_part,
    unmap_extent,
    unmap_part,
    update_access_extent,
)
from gunyah_emu.hypervisor.platform import QuietPlatform

PAGE = 0x1000
BASE = 0x4000_0000
PAGES = 6
IPA_PAGES = 4
SLOTS = 4

offsets = st.integers(0, PAGES - 1)
lengths = st.integers(1, 4)
picks = st.integers(0, 99)
rights = st.sampled_from([7, 7, 6, 4])
kinds = st.sampled_from([BASIC, SPARSE, SPARSE])


def attrs_of(access):
    return 0xF0000 | access << 4 | access


class Mirror(QuietPlatform):
    """What a CPU that only follows the platform's words would see."""

    def __init__(self):
        super().__init__()
        self.pages = {}

    def map(self, addrspace, ipa, pa, size, access, memtype):
        for offset in range(0, size, PAGE):
            assert (addrspace, ipa + offset) not in self.pages, "mapped without having been unmapped"
            self.pages[addrspace, ipa + offset] = pa + offset, access

    def unmap(self, addrspace, ipa, size):
        for offset in range(0, size, PAGE):
            del self.pages[addrspace, ipa + offset]


class Extent:
    """The model of an extent: `slots` are dictionaries from page to (space, IPA page, access)."""

    def __init__(self, real, parent, first, count, access, kind):
        self.real, self.parent, self.kind, self.access = real, parent, kind, access
        self.first, self.count = first, count
        self.slots = []
        self.children = 0

    @property
    def pages(self):
        return range(self.first, self.first + self.count)

    def wishes(self, page):
        return [slot[page] for slot in self.slots if page in slot]


class MemoryModel(RuleBasedStateMachine):
    @initialize()
    def build(self):
        self.mirror = Mirror()
        self.hypervisor = Hypervisor(self.mirror)
        self.partition = self.hypervisor.root_partition
        self.memory = self.hypervisor.memory
        self.memory.add_ram(BASE, memoryview(bytearray(PAGES * PAGE)))
        self.memory.give(BASE, PAGES * PAGE, self.partition)
        self.used = self.partition.used
        self.owner = [None] * PAGES
        self.extents = []
        self.spaces = []
        self.shown = {}
        self.add_space()

    # The model

    def show(self, space, ipa_page, page, access):
        self.shown[space, ipa_page] = page, access

    def hide(self, space, ipa_page, page):
        if self.shown.get((space, ipa_page), (None,))[0] == page:
            del self.shown[space, ipa_page]

    def move(self, pages, giver, taker):
        """Neighbouring pages change hands; None is the partition, which wishes nothing.

        Where two wishes of the taker are for one IPA, the order decides: piece by piece, and in a piece slot by slot.
        """
        old_slots, new_slots = (extent.slots if extent else [] for extent in (giver, taker))
        piece = []
        for page in [*pages, None]:
            if piece and not (page and all(self.goes_on(slot, page) for slot in [*old_slots, *new_slots])):
                self.move_piece(piece, old_slots, new_slots)
                piece = []
            if page is not None:
                self.owner[page] = taker
                piece.append(page)

    def move_piece(self, pages, old_slots, new_slots):
        for slot in old_slots:
            for page in pages:
                if page in slot and not any(page in new and new[page][:2] == slot[page][:2] for new in new_slots):
                    self.hide(*slot[page][:2], page)
        for slot in new_slots:
            for page in pages:
                if page in slot:
                    space, ipa_page, access = slot[page]
                    there = {old[page][2] for old in old_slots if page in old and old[page][:2] == (space, ipa_page)}
                    if there != {access}:
                        self.show(space, ipa_page, page, access)

    @staticmethod
    def goes_on(slot, page):
        """Whether a slot wishes this page as it wishes the page before, only one page further."""
        before, wish = slot.get(page - 1), slot.get(page)
        return before == wish if before is None or wish is None else (before[0], before[1] + 1, before[2]) == wish

    # Address spaces and extents come and go

    @precondition(lambda self: len(self.spaces) < 2)
    @rule()
    def add_space(self):
        vmid = next(number for number in range(1, 9) if number not in self.memory.vmids)
        space = Addrspace(self.partition, vmid=vmid)
        assert not space.activate()
        self.spaces.append(space)

    @precondition(lambda self: len(self.spaces) > 1)
    @rule(pick=picks)
    def drop_space(self, pick):
        space = self.spaces.pop(pick % len(self.spaces))
        space.release()
        self.shown = {key: value for key, value in self.shown.items() if key[0] is not space}
        for extent in self.extents:
            for slot in extent.slots:
                for page in [page for page, wish in slot.items() if wish[0] is space]:
                    del slot[page]
            extent.slots = [slot for slot in extent.slots if slot]

    @precondition(lambda self: len(self.extents) < 6)
    @rule(first=offsets, count=lengths, access=rights, kind=kinds)
    def add_extent(self, first, count, access, kind):
        count = min(count, PAGES - first)
        real = MemExtent(self.partition)
        assert not real.configure(BASE + first * PAGE, count * PAGE, attributes(access, kind=kind))
        extent = Extent(real, None, first, count, access, kind)
        error = real.activate()
        if kind == BASIC:
            if any(self.owner[page] is not None for page in extent.pages):
                assert error == errors.MEMDB_NOT_OWNER
                real.release()
                return
            for page in extent.pages:
                self.owner[page] = extent
        assert not error
        self.extents.append(extent)

    @precondition(lambda self: 0 < len(self.extents) < 6)
    @rule(pick=picks, offset=offsets, count=lengths, access=rights, kind=kinds)
    def derive(self, pick, offset, count, access, kind):
        parent = self.extents[pick % len(self.extents)]
        real = MemExtent(self.partition)
        error = real.configure_derive(parent.real, offset * PAGE, count * PAGE, attributes(access, kind=kind))
        if offset + count > parent.count:
            assert error == errors.ADDR_INVALID
        elif access & ~parent.access:
            assert error == errors.ARGUMENT_INVALID
        else:
            assert not error
            child = Extent(real, parent, parent.first + offset, count, access, kind)
            if self.activate_derived(child):
                return
        real.release()

    @precondition(lambda self: not self.extents)
    @rule(ipa_page=st.integers(0, IPA_PAGES - 1), access=rights, mapped_first=st.booleans(), given=lengths)
    def found_a_family(self, ipa_page, access, mapped_first, given):
        """A sparse parent with all of the memory and a child with some of it: where most that can go wrong begins."""
        self.add_extent(0, PAGES, 7, SPARSE)
        self.donate(0, 0, PAGES, False)
        if mapped_first:
            self.map_all(0, 0, ipa_page, 7)
        self.derive(0, 1, PAGES - 1, access, SPARSE)
        self.donate(1, 1, given, False)
        if not mapped_first:
            self.map_all(0, 0, ipa_page, 7)

    def activate_derived(self, child):
        parent = child.parent
        takes = not (child.kind == SPARSE and parent.kind == SPARSE)
        error = child.real.activate()
        if takes and any(self.owner[page] is not parent for page in child.pages):
            assert error in (errors.MEMDB_NOT_OWNER, errors.ADDR_INVALID)
            return False
        if child.kind == BASIC and not self.uniform(parent, child.pages):
            assert error == errors.DENIED
            return False
        assert not error
        for slot in parent.slots:
            inherited = {
                page: (space, ipa_page, access & child.access)
                for page, (space, ipa_page, access) in slot.items()
                if page in child.pages
            }
            if inherited:
                self.inherit(child, inherited)
        if takes:
            self.move(child.pages, parent, child)
        parent.children += 1
        self.extents.append(child)
        return True

    def inherit(self, child, wishes):
        if child.kind == BASIC:
            child.slots.append(wishes)
            return
        # A sparse child notes contiguous pieces one after the other, each in the first slot with room.
        run = {}
        for page in [*sorted(wishes), None]:
            if run and (page is None or not self.continues(run, page, wishes)):
                self.note(child, run)
                run = {}
            if page is not None:
                run[page] = wishes[page]

    @staticmethod
    def continues(run, page, wishes):
        last = max(run)
        before, wish = run[last], wishes[page]
        return page == last + 1 and (before[0], before[1] + 1, before[2]) == wish

    @staticmethod
    def note(extent, wishes):
        """A sparse extent notes a mapping in a slot of its address space without these pages, or in a new one."""
        space = next(iter(wishes.values()))[0]
        for slot in extent.slots:
            if next(iter(slot.values()))[0] is space and not slot.keys() & wishes.keys():
                slot.update(wishes)
                return True
        if len(extent.slots) == SLOTS:
            return False
        extent.slots.append(dict(wishes))
        return True

    @staticmethod
    def uniform(parent, pages):
        """Whether every mapping of the parent covers all of these pages as one piece, or none of them."""
        for slot in parent.slots:
            found = [slot.get(page) for page in pages]
            if any(wish is None for wish in found):
                if any(wish is not None for wish in found):
                    return False
            elif len({(wish[0], wish[1] - page, wish[2]) for page, wish in zip(pages, found, strict=True)}) > 1:
                return False
        return True

    @precondition(lambda self: any(not extent.children for extent in self.extents))
    @rule(pick=picks)
    def drop_extent(self, pick):
        idle = [extent for extent in self.extents if not extent.children]
        extent = idle[pick % len(idle)]
        self.extents.remove(extent)
        extent.real.release()
        owned = [page for page in extent.pages if self.owner[page] is extent]
        while owned:
            run = [page for page in owned if all(each in owned for each in range(owned[0], page))]
            self.move(run, extent, extent.parent)
            owned = owned[len(run) :]
        if extent.parent is not None:
            extent.parent.children -= 1

    # Mapping

    @precondition(lambda self: self.extents)
    @rule(pick=picks, space=picks, ipa_page=st.integers(0, IPA_PAGES - 1), access=rights)
    def map_all(self, pick, space, ipa_page, access):
        extent, target = self.extents[pick % len(self.extents)], self.spaces[space % len(self.spaces)]
        error = map_extent(extent.real, target, ipa_page * PAGE, attrs_of(access))
        self.model_map(extent, target, ipa_page, extent.first, extent.count, access, error)

    @precondition(lambda self: any(extent.kind == SPARSE for extent in self.extents))
    @rule(pick=picks, space=picks, ipa_page=st.integers(0, IPA_PAGES - 1), offset=offsets, count=lengths, access=rights)
    def map_some(self, pick, space, ipa_page, offset, count, access):
        sparse = [extent for extent in self.extents if extent.kind == SPARSE]
        extent, target = sparse[pick % len(sparse)], self.spaces[space % len(self.spaces)]
        arguments = (target, ipa_page * PAGE, offset * PAGE, count * PAGE, attrs_of(access))
        error = map_part(extent.real, *arguments)
        if offset + count > extent.count:
            assert error == errors.ARGUMENT_SIZE
            return
        self.model_map(extent, target, ipa_page, extent.first + offset, count, access, error)

    def model_map(self, extent, space, ipa_page, first, count, access, error):
        if access & ~extent.access:
            assert error == errors.ARGUMENT_INVALID
            return
        wishes = {page: (space, ipa_page + page - first, access) for page in range(first, first + count)}
        if extent.kind == SPARSE:
            noted = self.note(extent, wishes)
        else:
            noted = len(extent.slots) < SLOTS
            if noted:
                extent.slots.append(wishes)
        assert error == (errors.OK if noted else errors.MEMEXTENT_MAPPINGS_FULL)
        if noted:
            for page, wish in wishes.items():
                if self.owner[page] is extent:
                    self.show(space, wish[1], page, access)

    @precondition(lambda self: any(extent.slots for extent in self.extents))
    @rule(pick=picks, slot=picks, offset=offsets, count=lengths)
    def unmap(self, pick, slot, offset, count):
        mapped = [extent for extent in self.extents if extent.slots]
        extent = mapped[pick % len(mapped)]
        wishes = extent.slots[slot % len(extent.slots)]
        page = min(wishes)
        space, ipa_page, _ = wishes[page]
        if extent.kind == BASIC:
            assert not unmap_extent(extent.real, space, ipa_page * PAGE)
            victim = next(s for s in extent.slots if s[page][:2] == (space, ipa_page))
            extent.slots.remove(victim)
            pages = list(extent.pages)
        else:
            start = page + offset % len(wishes)
            count = min(count, extent.first + extent.count - start)
            if count <= 0:
                return
            place = ipa_page + start - page
            error = unmap_part(extent.real, space, place * PAGE, (start - extent.first) * PAGE, count * PAGE)
            pages = list(range(start, start + count))
            expected = {each: place + each - start for each in pages}
            victim = next(
                (
                    s
                    for s in extent.slots
                    if all(each in s and s[each][:2] == (space, expected[each]) for each in pages)
                ),
                None,
            )
            assert error == (errors.ADDR_INVALID if victim is None else errors.OK)
            if victim is None:
                return
            for each in pages:
                del victim[each]
            extent.slots = [s for s in extent.slots if s]
            ipa_page, page = place, start
        for each in pages:
            if self.owner[each] is extent:
                self.hide(space, ipa_page + each - page, each)

    @precondition(lambda self: any(extent.slots and extent.kind == BASIC for extent in self.extents))
    @rule(pick=picks, slot=picks, access=rights)
    def update_access(self, pick, slot, access):
        mapped = [extent for extent in self.extents if extent.slots and extent.kind == BASIC]
        extent = mapped[pick % len(mapped)]
        space, ipa_page, _ = extent.slots[slot % len(extent.slots)][extent.first]
        error = update_access_extent(extent.real, space, ipa_page * PAGE, attrs_of(access))
        if access & ~extent.access:
            assert error == errors.ARGUMENT_INVALID
            return
        assert not error
        wishes = next(s for s in extent.slots if s[extent.first][:2] == (space, ipa_page))
        for page in extent.pages:
            wishes[page] = (space, ipa_page + page - extent.first, access)
            if self.owner[page] is extent:
                self.show(space, wishes[page][1], page, access)

    @precondition(lambda self: self.extents)
    @rule(pick=picks)
    def unmap_all(self, pick):
        extent = self.extents[pick % len(self.extents)]
        extent.real.unmap_all()
        for page in extent.pages:
            if self.owner[page] is extent:
                for space, ipa_page, _ in extent.wishes(page):
                    self.hide(space, ipa_page, page)
        extent.slots = []

    # Donation

    @precondition(lambda self: self.extents)
    @rule(pick=picks, offset=offsets, count=lengths, up=st.booleans())
    def donate(self, pick, offset, count, up):
        child = self.extents[pick % len(self.extents)]
        giver, taker = (child, child.parent) if up else (child.parent, child)
        error = range_error(child.real, offset * PAGE, count * PAGE)
        if offset + count > child.count:
            assert error == errors.ARGUMENT_INVALID
            return
        assert not error
        error = (to_parent if up else to_child)(child.real, offset * PAGE, count * PAGE)
        self.model_donation(giver, taker, child, child.first + offset, count, error)

    @precondition(lambda self: len(self.extents) > 1)
    @rule(pick=picks, other=picks, offset=offsets, count=lengths)
    def donate_to_sibling(self, pick, other, offset, count):
        giver, taker = self.extents[pick % len(self.extents)], self.extents[other % len(self.extents)]
        if offset + count > giver.count:
            return
        error = to_sibling(giver.real, taker.real, offset * PAGE, count * PAGE)
        first = giver.first + offset
        inside = taker.first <= first and first + count <= taker.first + taker.count
        if not inside or giver is taker or giver.parent is None or giver.parent is not taker.parent:
            assert error == errors.ARGUMENT_INVALID
            return
        self.model_donation(giver, taker, giver, first, count, error)

    def model_donation(self, giver, taker, asked, first, count, error):
        if asked.kind != SPARSE:
            assert error == errors.MEMEXTENT_TYPE
            return
        if any(extent is not None and extent.kind != SPARSE for extent in (giver, taker)):
            assert error == errors.ARGUMENT_INVALID
            return
        pages = range(first, first + count)
        if any(self.owner[page] is not giver for page in pages):
            assert error == errors.MEMDB_NOT_OWNER
            return
        assert not error
        self.move(pages, giver, taker)

    # What must hold

    @invariant()
    def every_page_has_the_owner_of_the_model(self):
        for page, owner in enumerate(self.owner):
            real = self.memory.owner(BASE + page * PAGE)
            assert real is (self.partition if owner is None else owner.real)

    @invariant()
    def every_ipa_shows_what_the_model_shows(self):
        for space in self.spaces:
            for ipa_page in range(IPA_PAGES + PAGES):
                shown = self.shown.get((space, ipa_page))
                ipa = ipa_page * PAGE
                assert self.mirror.pages.get((space, ipa)) == (
                    None if shown is None else (BASE + shown[0] * PAGE, shown[1])
                )
                found = space.lookup(ipa, PAGE)
                expected = errors.ADDR_INVALID if shown is None else (BASE + shown[0] * PAGE, PAGE, attrs_of(shown[1]))
                assert found == expected

    @invariant()
    def nobody_sees_memory_that_its_owner_did_not_map_there(self):
        for (space, ipa_page), (page, access) in self.shown.items():
            owner = self.owner[page]
            assert owner is not None
            assert any(wish[:2] == (space, ipa_page) for wish in owner.wishes(page))
            assert not access & ~owner.access

    def teardown(self):
        if not hasattr(self, "extents"):
            return
        while self.extents:
            self.drop_extent(0)
        while len(self.spaces) > 1:
            self.drop_space(0)
        self.spaces.pop().release()
        assert self.memory.owns(BASE, PAGES * PAGE, self.partition)
        assert not self.mirror.pages
        assert self.partition.used == self.used


TestMemoryModel = MemoryModel.TestCase
TestMemoryModel.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
