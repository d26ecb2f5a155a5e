"""An input device: what the back end hands over is what the driver finds."""

from __future__ import annotations

import pytest

from gunyah_emu.abi import errors
from gunyah_emu.hypervisor.memextent_mapping import map_extent
from gunyah_emu.hypervisor.virtio_mmio import VirtioMmio

NAME, SERIAL, DEVIDS, PROPERTIES, EVENTS, AXES = 1, 2, 3, 0x10, 0x11, 0x12
CONFIG = 0x100
BUFFER = 0x8000_0000
INPUT = 18


@pytest.fixture
def device(world):
    device = VirtioMmio(world.partition)
    assert not device.configure(world.extent(pages=1), 1, INPUT)
    assert not map_extent(world.extent(offset=0x10000, pages=1), world.addrspace, BUFFER, 0xF0077)
    world.device_cap = world.cap(device)
    return world.active(device)


def give(world, select, subselect, data, size=None):
    world.addrspace.write(BUFFER, data)
    return world.error(
        "virtio_input_set_data",
        virtio_mmio_cap=world.device_cap,
        sel=select,
        subsel=subselect,
        size=len(data) if size is None else size,
        data=BUFFER,
    )


def configure(world, **arguments):
    return world.error("virtio_input_configure", virtio_mmio_cap=world.device_cap, **arguments)


def find(device, select, subselect):
    """What the driver finds: it writes the two selectors and reads size and content."""
    assert device.write(CONFIG + 1, 1, subselect)
    assert device.write(CONFIG, 1, select)
    size = device.read(CONFIG + 2, 1)
    return bytes(device.page[CONFIG + 8 : CONFIG + 8 + size])


def test_configure_stores_the_identifiers_even_where_it_fails(world, device):
    assert configure(world, devids=0x0102, prop_bits=5, num_evtypes=33) == errors.ARGUMENT_INVALID
    assert configure(world, devids=0x0304, num_evtypes=32, num_absaxes=65) == errors.ARGUMENT_INVALID
    assert find(device, DEVIDS, 0) == b"\x04\x03" + bytes(6)
    assert find(device, PROPERTIES, 0) == bytes(4)


def test_counts_are_given_once(world, device):
    assert configure(world, num_evtypes=2) == errors.OK
    assert configure(world, num_evtypes=2, num_absaxes=1) == errors.BUSY
    assert configure(world, num_absaxes=1) == errors.OK
    assert configure(world, num_absaxes=1) == errors.BUSY
    assert configure(world) == errors.OK


def test_counts_cost_memory(world, device):
    world.partition.limit = world.partition.used
    assert configure(world, num_evtypes=1) == errors.NOMEM
    assert configure(world, num_absaxes=1) == errors.NOMEM
    assert configure(world) == errors.OK


def test_other_devices_are_no_input_devices(world):
    plain = VirtioMmio(world.partition)
    plain.configure(world.extent(pages=1), 0, None)
    cap = world.cap(world.active(plain))
    assert world.error("virtio_input_configure", virtio_mmio_cap=cap) == errors.OBJECT_CONFIG
    assert world.error("virtio_input_set_data", virtio_mmio_cap=cap) == errors.CSPACE_WRONG_OBJECT_TYPE


@pytest.mark.parametrize(("select", "longest"), [(NAME, 128), (SERIAL, 128), (DEVIDS, 8), (PROPERTIES, 4)])
def test_pieces_have_a_longest_size_and_no_subselect(world, device, select, longest):
    data = bytes(range(1, longest + 1))
    assert give(world, select, 0, data) == errors.OK
    assert find(device, select, 0) == data
    assert find(device, select, 1) == b""
    assert give(world, select, 1, data) == errors.ARGUMENT_INVALID
    assert give(world, select, 0, data, size=longest + 1) == errors.ARGUMENT_SIZE
    assert give(world, select, 0, data, size=0) == errors.ARGUMENT_SIZE


def test_a_string_that_could_not_be_read_is_empty(world, device):
    give(world, NAME, 0, b"keyboard")
    arguments = {"virtio_mmio_cap": world.device_cap, "sel": NAME, "size": 4}
    assert world.error("virtio_input_set_data", **arguments, data=BUFFER - 2) == errors.ADDR_INVALID
    assert find(device, NAME, 0) == b""


def test_identifiers_are_overwritten_from_the_start(world, device):
    configure(world, devids=0x1111_1111_1111_1111)
    assert give(world, DEVIDS, 0, b"\x22\x22") == errors.OK
    assert find(device, DEVIDS, 0) == b"\x22\x22" + b"\x11" * 6


def test_event_types_need_room_and_take_it(world, device):
    assert give(world, EVENTS, 1, b"x") == errors.ARGUMENT_INVALID
    configure(world, num_evtypes=2)
    assert give(world, EVENTS, 32, b"x") == errors.ARGUMENT_INVALID
    assert give(world, EVENTS, 1, b"first") == errors.OK
    assert give(world, EVENTS, 1, b"second") == errors.OK
    assert give(world, EVENTS, 2, b"third") == errors.NORESOURCES
    assert find(device, EVENTS, 1) == b"first"
    assert find(device, EVENTS, 2) == b""


def test_axes_always_have_twenty_bytes(world, device):
    configure(world, num_absaxes=1)
    assert give(world, AXES, 64, b"x") == errors.ARGUMENT_INVALID
    assert give(world, AXES, 63, b"abc") == errors.OK
    assert find(device, AXES, 63) == b"abc" + bytes(17)


@pytest.mark.parametrize("select", [0, 4, 0x13, 0xFF, 0xFFFF_FFFF])
def test_unknown_pieces_are_refused_and_empty(world, device, select):
    assert give(world, select, 0, b"x") == errors.ARGUMENT_INVALID
    assert find(device, select & 0xFF, 0) == b""


def test_only_the_selectors_can_be_written(device):
    assert not device.write(CONFIG + 2, 1, 1)
    assert not device.write(CONFIG + 8, 4, 1)
    assert not device.write(CONFIG, 4, 0x0001)
    assert device.read(CONFIG, 1) == 1
