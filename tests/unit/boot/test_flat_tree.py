"""Device trees as bytes: what libfdt writes, to the byte."""

import random

import libfdt
import pytest

from gunyah_emu.boot.flat_tree import Writer

NAMES = ("reg", "#reg", "compatible", "ible", "size-cells", "#size-cells", "a", "ba", "qcom,label", "label")
"""Some are the ends of others, which share their bytes."""


class Libfdt:
    """The same, by libfdt."""

    def __init__(self, reserved):
        self.tree = libfdt.FdtSw()
        for address, size in reserved:
            self.tree.add_reservemap_entry(address, size)
        self.tree.finish_reservemap()
        self.begin, self.end, self.property = self.tree.begin_node, self.tree.end_node, self.tree.property

    def finish(self):
        tree = self.tree.as_fdt()
        tree.pack()
        data = bytes(tree.as_bytearray())
        return data + bytes(-len(data) % 8)


def write_node(chance, writers, name, depth):
    for writer in writers:
        writer.begin(name)
    for _ in range(chance.randrange(5)):
        prop, value = chance.choice(NAMES), chance.randbytes(chance.randrange(9))
        for writer in writers:
            writer.property(prop, value)
    for number in range(chance.randrange(3) if depth < 4 else 0):
        write_node(chance, writers, f"node@{number:x}", depth + 1)
    for writer in writers:
        writer.end()


@pytest.mark.parametrize("seed", range(30))
def test_any_tree_is_written_as_libfdt_writes_it(seed):
    chance = random.Random(seed)
    reserved = [(chance.getrandbits(40), chance.getrandbits(20)) for _ in range(chance.randrange(3))]
    writers = Writer(reserved), Libfdt(reserved)
    write_node(chance, writers, "", 0)
    ours, theirs = (writer.finish() for writer in writers)
    assert ours == theirs
