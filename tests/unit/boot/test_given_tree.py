"""A device tree from the user stays as it is, except for what only the machine knows."""

from __future__ import annotations

from struct import pack, unpack

import libfdt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gunyah_emu.boot.device_tree import (
    RESOURCE_ROOM,
    Chosen,
    Description,
    Doorbell,
    Hypervisor,
    Interrupt,
    MessageQueue,
    build,
)
from gunyah_emu.boot.given_tree import amend
from gunyah_emu.errors import UserError

ROOM = 0x1_0000
DESCRIPTION = Description(
    [(0x4000_0000, 0x400_0000), (0x1_0000_0000, 0x1000)],
    chosen=Chosen("quiet", (0x4200_0000, 0x4200_1000)),
    hypervisor=Hypervisor(3, "board", [Doorbell(21, 7, is_source=False, interrupt=Interrupt(8, 1))]),
)


def board(*, address_cells: int = 2) -> bytes:
    """A board's tree with memory, an old command line, an old hypervisor node, and a device of its own."""
    tree = libfdt.FdtSw()
    tree.finish_reservemap()
    tree.begin_node("")
    tree.property_u32("#address-cells", address_cells)
    tree.property_u32("#size-cells", 2)
    for name in ("memory@80000000", "memory@90000000"):
        tree.begin_node(name)
        tree.property_string("device_type", "memory")
        tree.property("reg", pack(">QQ", 0x8000_0000, 0x1000))
        tree.end_node()
    tree.begin_node("chosen")
    tree.property_string("bootargs", "old")
    tree.property_string("stdout-path", "/uart")
    tree.property("linux,initrd-start", bytes(8))
    tree.property("linux,initrd-end", bytes(8))
    tree.end_node()
    tree.begin_node("hypervisor")
    tree.property_string("compatible", "another,hypervisor")
    tree.end_node()
    tree.begin_node("sensor@1000")
    tree.property_string("compatible", "board,sensor")
    tree.end_node()
    tree.end_node()
    fdt = tree.as_fdt()
    fdt.pack()
    return bytes(fdt.as_bytearray())


def test_memory_command_line_ram_disk_and_gunyah_are_the_machine_s_and_the_rest_the_board_s() -> None:
    fdt = libfdt.Fdt(amend(board(), DESCRIPTION, "board.dtb", ROOM))
    nodes, node = [], fdt.first_subnode(0)
    while node >= 0:
        nodes.append(fdt.get_name(node))
        node = fdt.next_subnode(node, [libfdt.NOTFOUND])
    assert sorted(nodes) == ["chosen", "hypervisor", "memory@100000000", "memory@40000000", "sensor@1000"]

    def value(path: str, name: str) -> bytes:
        return bytes(fdt.getprop(fdt.path_offset(path), name))

    assert unpack(">QQ", value("/memory@40000000", "reg")) == (0x4000_0000, 0x400_0000)
    assert value("/chosen", "bootargs") == b"quiet\0"
    assert value("/chosen", "stdout-path") == b"/uart\0"
    assert value("/chosen", "linux,initrd-end") == pack(">Q", 0x4200_1000)
    assert value("/hypervisor", "compatible").startswith(b"gunyah-hypervisor\0")
    assert value("/hypervisor/doorbell@15", "qcom,label") == pack(">I", 7)
    assert value("/sensor@1000", "compatible") == b"board,sensor\0"


def test_a_board_s_command_line_stays_when_the_machine_has_none_and_its_ram_disk_does_not() -> None:
    fdt = libfdt.Fdt(amend(board(), Description([(0x4000_0000, 0x1000)]), "board.dtb", ROOM))
    chosen = fdt.path_offset("/chosen")
    assert fdt.getprop(chosen, "bootargs").as_str() == "old"
    assert not fdt.hasprop(chosen, "linux,initrd-start")
    assert not fdt.hasprop(chosen, "linux,initrd-end")


def test_a_tree_that_was_generated_can_be_given_again() -> None:
    tree = amend(build(DESCRIPTION), DESCRIPTION, "own.dtb", ROOM)
    assert amend(tree, DESCRIPTION, "own.dtb", ROOM) == tree


def header(**changes: int) -> bytes:
    """A board's tree with words of its header changed."""
    data = bytearray(board())
    for name, value in changes.items():
        data[4 * HEADER.index(name) : 4 * HEADER.index(name) + 4] = value.to_bytes(4, "big")
    return bytes(data)


HEADER = ["magic", "totalsize", "off_dt_struct", "off_dt_strings", "off_mem_rsvmap", "version", "last_comp_version"]
SIZE = len(board())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "must be a flattened device tree; its header has 0 bytes of 40"),
        (b"/dts-v1/; " * 9, "must be a flattened device tree; it begins with 2f 64 74 73 instead of d0 0d fe ed"),
        (board()[:-1], f"must be a flattened device tree; it has {SIZE:#x} bytes, and the file {SIZE - 1:#x}"),
        (
            header(version=16, last_comp_version=16),
            "must be a flattened device tree; it is of version 16, compatible with 16, not 17",
        ),
        (header(off_dt_struct=SIZE), "must be a flattened device tree; its structure is damaged"),
        (header(off_dt_struct=0xFFFF_FFFC), "must be a flattened device tree; its structure is damaged"),
        (header(off_dt_strings=SIZE), "must be a flattened device tree; its structure is damaged"),
        (board(address_cells=1), "#address-cells of the root must be 2; it is 1"),
    ],
)
def test_what_is_no_usable_device_tree_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(UserError) as caught:
        amend(data, DESCRIPTION, "board.dtb", ROOM)
    assert str(caught.value) == f"board.dtb: {message}"


def test_a_tree_that_is_too_long_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"^board\.dtb: must have at most 0x100 bytes when it is amended; it has 0x\w+$"
    ):
        amend(board(), DESCRIPTION, "board.dtb", 0x100)


@settings(deadline=None)
@given(st.integers(0), st.binary(min_size=1, max_size=8))
def test_a_damaged_tree_is_amended_or_refused(at: int, damage: bytes) -> None:
    data = bytearray(board())
    at %= len(data)
    data[at : at + len(damage)] = damage
    try:
        amend(bytes(data), DESCRIPTION, "board.dtb", ROOM)
    except UserError:
        return


def test_no_capability_s_node_takes_more_room_than_is_kept_for_it() -> None:
    interrupt = Interrupt(987, 4)
    for resource in (
        Doorbell((1 << 64) - 1, (1 << 32) - 1, is_source=False, interrupt=interrupt),
        MessageQueue((1 << 64) - 1, (1 << 32) - 1, is_sender=True, depth=255, message_size=1023, interrupt=interrupt),
        MessageQueue((1 << 64) - 1, (1 << 32) - 1, is_sender=False, depth=255, message_size=1023, interrupt=interrupt),
    ):
        without = Description([(0x4000_0000, 0x1000)], hypervisor=Hypervisor(3, "a"))
        alone = Description([(0x4000_0000, 0x1000)], hypervisor=Hypervisor(3, "a", [resource]))
        assert len(build(alone)) - len(build(without)) <= RESOURCE_ROOM
