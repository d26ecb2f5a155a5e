"""The state of a graph of objects: every kind of container and object, brought back in place."""

from collections import OrderedDict, deque
from functools import partial

from gunyah_emu.machine.memento import Memento


class Slotted:
    __slots__ = ("late", "other", "value")

    def __init__(self, value, other=None):
        self.value = value
        self.other = other


class Plain:
    def __init__(self, **fields):
        vars(self).update(fields)

    def bump(self):
        self.count += 1


class Table(dict):
    __slots__ = ("note",)


class Marked:
    def __init__(self):
        self.value = 1
        self.walked = ([1],)

    def mark(self):
        return self.value

    def rewind(self, mark):
        self.value = mark


for ours in (Slotted, Plain, Table, Marked):
    ours.__module__ = "gunyah_emu.test"


def changed_and_restored(root, change):
    memento = Memento([root])
    change()
    memento.restore()


def test_containers_keep_their_identity_order_and_contents():
    parts = [[1, 2], {"b": 1, "a": 2}, {3, 4}, deque([5]), bytearray(b"six"), OrderedDict(x=1)]
    originals = list(parts)

    def change():
        parts[0].append(3)
        parts[1].clear()
        parts[1]["a"] = 0
        parts[2].add(9)
        parts[3].extend((6, 7))
        parts[4][:] = b"seven!"
        parts[5].clear()
        parts.pop()

    changed_and_restored(parts, change)
    assert all(now is then for now, then in zip(parts, originals, strict=True))
    assert parts == [[1, 2], {"b": 1, "a": 2}, {3, 4}, deque([5]), bytearray(b"six"), OrderedDict(x=1)]
    assert list(parts[1]) == ["b", "a"]


def test_objects_with_slots_and_with_dictionaries():
    inner = Plain(count=0)
    outer = Slotted([inner], other=inner)

    def change():
        inner.count = 5
        inner.extra = 1
        outer.value = None
        outer.late = 1

    changed_and_restored(outer, change)
    assert vars(inner) == {"count": 0}
    assert outer.value == [inner]
    assert not hasattr(outer, "late")


def test_methods_partials_and_closures_lead_on():
    reached = [Plain(count=0) for _ in range(3)]

    def closure():
        return reached[2]

    closure.__module__ = "gunyah_emu.test"
    root = [reached[0].bump, partial(Plain.bump, reached[1]), closure]

    def change():
        for found in reached:
            found.count = 7

    changed_and_restored(root, change)
    assert [found.count for found in reached] == [0, 0, 0]


def test_a_container_of_ours_keeps_both_its_contents_and_its_fields():
    table = Table(a=1)
    table.note = "x"

    def change():
        table["b"] = 2
        table.note = "y"

    changed_and_restored([table], change)
    assert (dict(table), table.note) == ({"a": 1}, "x")


def test_an_object_may_say_itself_how_its_state_is_taken():
    marked = Marked()
    behind = marked.walked[0]

    def change():
        marked.value = 2
        behind.append(2)

    changed_and_restored([marked], change)
    assert (marked.value, behind) == (1, [1])


def test_what_is_not_ours_is_left_alone():
    class Theirs:
        value = 1

    theirs = Theirs()
    kept = []
    changed_and_restored([theirs, lambda: kept], lambda: (setattr(theirs, "value", 2), kept.append(1)))
    assert (theirs.value, kept) == (2, [1])
