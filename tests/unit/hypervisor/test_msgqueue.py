"""Message queues: geometry, buffers at the edge of memory, and what stops the hypervisor."""

import pytest

from gunyah_emu.abi.errors import (
    ARGUMENT_INVALID,
    FAILURE,
    MSGQUEUE_EMPTY,
    NOMEM,
    OBJECT_CONFIG,
    OBJECT_STATE,
    OK,
    UNIMPLEMENTED,
)
from gunyah_emu.hypervisor.fatal import HypervisorFatal
from gunyah_emu.hypervisor.memextent import MEMTYPE_DEVICE, MemExtent, attributes
from gunyah_emu.hypervisor.memextent_mapping import map_extent
from gunyah_emu.hypervisor.msgqueue import MsgQueue
from gunyah_emu.hypervisor.object import FAILED
from gunyah_emu.testing.conformance_direct import DEVICE_RW, NORMAL_RW

BASE = 0x8000_0000
PAGES = 4
END = BASE + PAGES * 0x1000
UART = 0x0900_0000


@pytest.fixture
def memory(world):
    """Four pages of RAM at `BASE`."""
    assert map_extent(world.extent(pages=PAGES), world.addrspace, BASE, NORMAL_RW) == OK
    return world.addrspace


@pytest.fixture
def queue(world, memory):
    return world.cap(world.active(MsgQueue(world.partition, depth=2, max_message_size=32)))


def send(world, queue, size, data, flags=0):
    return world.call("msgqueue_send", msgqueue=queue, size=size, data=data, send_flags=flags)


def receive(world, queue, buffer, size=0x100):
    return world.call("msgqueue_receive", msgqueue=queue, buffer=buffer, buf_size=size)


@pytest.mark.parametrize(
    ("depth", "size", "error"),
    [
        (1, 1, OK),
        (255, 1023, OK),
        (0, 1, ARGUMENT_INVALID),
        (1, 0, ARGUMENT_INVALID),
        (256, 1, ARGUMENT_INVALID),
        (1, 1024, ARGUMENT_INVALID),
    ],
)
def test_geometry(world, depth, size, error):
    target = MsgQueue(world.partition)
    cap = world.cap(target)
    assert world.error("msgqueue_configure", msgqueue=cap, create_info=7 << 40 | size << 16 | depth) == error
    assert world.error("object_activate", cap=cap) == (OBJECT_CONFIG if error else OK)


def test_geometry_may_be_changed_until_it_is_active(world):
    cap = world.cap(MsgQueue(world.partition))
    assert world.error("msgqueue_configure", msgqueue=cap, create_info=0x10001) == OK
    assert world.error("msgqueue_configure", msgqueue=cap, create_info=0x20002) == OK
    assert world.error("object_activate", cap=cap) == OK
    assert world.error("msgqueue_configure", msgqueue=cap, create_info=0x10001) == OBJECT_STATE


def test_messages_need_memory(world):
    world.partition.limit = world.partition.used + 100_000
    target = MsgQueue(world.partition, depth=255, max_message_size=1023)
    assert target.activate() == NOMEM
    assert target.state == FAILED


def test_memory_comes_back(world):
    before = world.partition.used
    target = world.active(MsgQueue(world.partition, depth=255, max_message_size=1023))
    assert world.partition.used > before + 255 * 1023
    target.release()
    assert world.partition.used == before


def test_a_message_may_cross_pages_and_needs_no_alignment(world, queue, memory):
    memory.write(BASE + 0xFF9, bytes(range(32)))
    assert send(world, queue, 32, BASE + 0xFF9) == (OK, 1)
    assert receive(world, queue, BASE + 0x1FF1) == (OK, 32, 0)
    assert memory.read(BASE + 0x1FF1, 33) == bytes(range(32)) + b"\0"


@pytest.mark.parametrize("place", [0, 8, END - 1, END, 0xFFFF_FFFF_FFFF_FFF8], ids=hex)
def test_a_bad_buffer_is_no_error_and_loses_nothing(world, queue, place):
    assert send(world, queue, 8, place) == (OK, 1)
    assert receive(world, queue, BASE) == (MSGQUEUE_EMPTY,)
    assert send(world, queue, 8, BASE) == (OK, 1)
    assert receive(world, queue, place) == (OK, 0, 1)
    assert receive(world, queue, BASE) == (OK, 8, 0)


def test_the_part_before_a_hole_is_written(world, queue, memory):
    memory.write(BASE, b"abcdefgh")
    send(world, queue, 8, BASE)
    assert receive(world, queue, END - 3) == (OK, 0, 1)
    assert memory.read(END - 3, 3) == b"abc"


@pytest.mark.parametrize("size", [0, 33, 1 << 40])
def test_a_wrong_size_is_no_error_and_queues_nothing(world, queue, size):
    assert send(world, queue, size, BASE) == (OK, 1)
    assert receive(world, queue, BASE) == (MSGQUEUE_EMPTY,)


def test_holdoffs_are_unimplemented_before_anything_else(world, queue):
    for call, threshold, holdoff in (
        ("msgqueue_configure_send", "not_full_thres", "not_full_holdoff"),
        ("msgqueue_configure_receive", "not_empty_thres", "not_empty_holdoff"),
    ):
        assert world.error(call, msgqueue=queue, **{threshold: 99, holdoff: 5}) == UNIMPLEMENTED
        assert world.error(call, msgqueue=queue, **{threshold: 99, holdoff: 0xFFFF_FFFF}) == ARGUMENT_INVALID


@pytest.fixture
def uart(world):
    """A page of device registers, mapped."""
    world.memory.add_device(UART, 0x1000)
    extent = MemExtent(world.partition, device=True)
    extent.configure(UART, 0x1000, attributes(6, MEMTYPE_DEVICE))
    assert map_extent(world.active(extent), world.addrspace, UART, DEVICE_RW) == OK
    return UART


def test_a_buffer_in_device_memory_stops_the_hypervisor(world, queue, uart):
    with pytest.raises(HypervisorFatal, match=r"0x9000000"):
        send(world, queue, 8, uart)
    send(world, queue, 8, BASE)
    with pytest.raises(HypervisorFatal):
        receive(world, queue, uart)


def test_the_user_may_choose_an_error_instead(world, queue, uart):
    world.hypervisor.fatal = "error"
    assert send(world, queue, 8, uart) == (FAILURE,)
    assert send(world, queue, 8, BASE) == (OK, 1)
