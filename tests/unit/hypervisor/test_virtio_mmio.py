"""virtio-mmio: what the driver's writes do, and what the back end gets to know."""

from __future__ import annotations

import pytest

from gunyah_emu.abi import errors
from gunyah_emu.abi.rights import VirtioMmioRights
from gunyah_emu.hypervisor import virtio_mmio as registers
from gunyah_emu.hypervisor.memextent import SPARSE
from gunyah_emu.hypervisor.memextent_mapping import map_extent
from gunyah_emu.hypervisor.vic import Vic
from gunyah_emu.hypervisor.virtio_mmio import VirtioMmio

PAGE = 0x1000
IPA = 0x8000_0000
VALID_DEVICE_TYPE = 1 << 6
INPUT = 18


class Controller:
    def __init__(self):
        self.levels = []
        self.checks = {}

    def connect(self, intid, level_check):
        self.checks[intid] = level_check

    def disconnect(self, intid):
        del self.checks[intid]

    def assert_level(self, intid):
        self.levels.append(intid)


@pytest.fixture
def device(world):
    device = VirtioMmio(world.partition)
    extent = world.extent(pages=1, access=6)
    assert not device.configure(extent, 2, None)
    return world.active(device)


@pytest.fixture
def bound(world, device):
    """Both interrupt sources bound: 32 is what the back end raises, 33 what the driver raises."""
    vic = world.active(Vic(world.partition, virqs=8))
    vic.set_controller(Controller())
    assert not device.backend_virq.bind(vic, 32)
    assert not device.frontend_virq.bind(vic, 33)
    return vic.controller


def test_configure_looks_at_the_extent_first(world):
    device = VirtioMmio(world.partition)
    last = world.ladder(
        "virtio_mmio_configure",
        {
            "virtio_mmio": world.null,
            "memextent": world.null,
            "vqs_num": 17,
            "flags": VALID_DEVICE_TYPE | 1,
            "device_type": 0,
        },
        (errors.CSPACE_CAP_NULL, {"memextent": world.cap(world.extent(pages=2))}),
        (errors.CSPACE_CAP_NULL, {"virtio_mmio": world.cap(world.addrspace)}),
        (errors.CSPACE_WRONG_OBJECT_TYPE, {"virtio_mmio": world.cap(device)}),
        (errors.ARGUMENT_INVALID, {"memextent": world.cap(world.extent(offset=0x10000, pages=1, kind=SPARSE))}),
        (errors.ARGUMENT_INVALID, {"memextent": world.cap(world.extent(offset=0x20000, pages=1))}),
        (errors.ARGUMENT_INVALID, {"vqs_num": 16}),
        (errors.ARGUMENT_INVALID, {"device_type": INPUT}),
    )
    assert last == (errors.OK,)
    world.active(device)
    cap, extent = world.cap(device), world.cap(world.extent(offset=0x30000, pages=1))
    assert world.error("virtio_mmio_configure", virtio_mmio=cap, memextent=extent) == errors.OBJECT_STATE


def test_activation_needs_a_page_that_is_free_and_writable(world, device):
    assert VirtioMmio(world.partition).activate() == errors.OBJECT_CONFIG
    second = VirtioMmio(world.partition)
    second.configure(device.extent, 0, None)
    assert second.activate() == errors.BUSY
    third = VirtioMmio(world.partition)
    third.configure(world.extent(offset=0x10000, pages=1, access=4), 0, None)
    assert third.activate() == errors.DENIED
    fourth = VirtioMmio(world.partition)
    fourth.configure(world.extent(offset=0x20000, pages=1), 1, None)
    world.partition.limit = world.partition.used
    assert fourth.activate() == errors.NOMEM


def test_the_driver_reads_the_page_and_its_writes_find_the_device(world, device):
    assert not map_extent(device.extent, world.addrspace, IPA, 0xF0044)
    assert world.addrspace.registers_at(IPA + 0x34) == (device, 0x34)
    device.queues[1].num_max = 64
    assert device.write(registers.QUEUE_SEL, 4, 1)
    assert world.addrspace.read(IPA + registers.QUEUE_NUM_MAX, 4) == (64).to_bytes(4, "little")
    assert device.read(registers.QUEUE_NUM_MAX, 4) == 64


@pytest.mark.parametrize(
    ("offset", "size", "taken"),
    [
        (0x100, 1, True),
        (0x103, 1, True),
        (0x104, 4, True),
        (0xFFF, 1, True),
        (0x102, 4, False),
        (0x100, 2, False),
        (0x100, 8, False),
        (0x070, 1, False),
        (0x000, 4, False),
        (0x060, 4, False),
        (0x0FC, 4, False),
    ],
)
def test_which_writes_are_taken(device, offset, size, taken):
    assert device.write(offset, size, 0xFFFF_FFFF_FFFF_FFFF) == taken


def test_what_the_driver_writes_about_a_queue_reaches_the_back_end(world, device):
    cap = world.cap(device)
    assert not world.error("virtio_mmio_backend_set_queue_num_max", virtio_mmio=cap, sel=1, queue_num_max=8)
    device.write(registers.QUEUE_SEL, 4, 1)
    for offset, value in ((0x38, 8), (0x44, 1), (0x80, 1), (0x84, 2), (0x90, 3), (0x94, 4), (0xA0, 5), (0xA4, 6)):
        assert device.write(offset, 4, value)
    info = world.call("virtio_mmio_backend_get_queue_info", virtio_mmio=cap, sel=1)
    assert info == (errors.OK, 8, 1, 2 << 32 | 1, 4 << 32 | 3, 6 << 32 | 5)
    assert world.call("virtio_mmio_backend_get_queue_info", virtio_mmio=cap, sel=0) == (errors.OK, 0, 0, 0, 0, 0)
    assert not device.write(registers.QUEUE_SEL, 4, 2)


def test_calls_refuse_what_does_not_exist(world, device):
    cap = world.cap(device)
    for name in ("get_queue_info", "set_queue_num_max", "get_drv_features", "set_dev_features"):
        error = world.error(f"virtio_mmio_backend_{name}", virtio_mmio=cap, sel=2)
        assert error == errors.ARGUMENT_INVALID
    weak = world.cap(device, VirtioMmioRights.ASSERT_VIRQ)
    for name in ("get_notification", "acknowledge_reset", "update_status"):
        error = world.error(f"virtio_mmio_backend_{name}", virtio_mmio=weak)
        assert error == errors.CSPACE_INSUFFICIENT_RIGHTS


def test_features_cross_in_words(world, device):
    cap = world.cap(device)
    set_features = "virtio_mmio_backend_set_dev_features"
    assert world.error(set_features, virtio_mmio=cap, sel=0, dev_feat=0xF0) == errors.OK
    for denied in (0b01, 0b10, 0b1000011):
        assert world.error(set_features, virtio_mmio=cap, sel=1, dev_feat=denied) == errors.DENIED
    assert world.error(set_features, virtio_mmio=cap, sel=1, dev_feat=0b111) == errors.OK
    assert device.write(registers.DEVICE_FEATURES_SEL, 4, 1)
    assert device.read(registers.DEVICE_FEATURES, 4) == 0b111
    assert not device.write(registers.DEVICE_FEATURES_SEL, 4, 2)
    assert device.write(registers.DRIVER_FEATURES_SEL, 4, 1)
    assert device.write(registers.DRIVER_FEATURES, 4, 0b11)
    assert not device.write(registers.DRIVER_FEATURES_SEL, 4, 2)
    assert world.call("virtio_mmio_backend_get_drv_features", virtio_mmio=cap, sel=1) == (errors.OK, 0b11)


def test_notifications_are_fetched_once(world, device, bound):
    cap = world.cap(device)
    device.write(registers.QUEUE_NOTIFY, 4, 1)
    device.write(registers.STATUS, 4, 0x0F)
    assert bound.levels == [33, 33]
    assert bound.checks[33]()
    get = "virtio_mmio_backend_get_notification"
    assert world.call(get, virtio_mmio=cap) == (errors.OK, 2, 0b1001)
    assert not bound.checks[33]()
    assert world.call(get, virtio_mmio=cap) == (errors.OK, 0, 0)
    device.write(registers.QUEUE_NOTIFY, 4, 0xFFFF_FFFF)
    assert world.call(get, virtio_mmio=cap) == (errors.OK, 1 << 63, 1)


def test_the_back_ends_interrupt_stands_until_it_is_acknowledged(world, device, bound):
    cap = world.cap(device)
    assert not world.error("virtio_mmio_backend_assert_virq", virtio_mmio=cap, interrupt_status=3)
    assert bound.levels == [32]
    device.write(registers.INTERRUPT_ACK, 4, 1)
    assert bound.checks[32]()
    assert device.read(registers.INTERRUPT_STATUS, 4) == 2
    device.write(registers.INTERRUPT_ACK, 4, 2)
    assert not bound.checks[32]()


def test_a_reset_is_asked_for_and_acknowledged(world, device, bound):
    cap = world.cap(device)
    assert device.write(registers.STATUS, 4, 0)
    assert bound.levels == []
    device.write(registers.STATUS, 4, 0x8F)
    device.queues[0].ready = 1
    assert device.write(registers.STATUS, 4, 0)
    assert device.read(registers.STATUS, 4) == 0x8F | 0x40
    assert device.queues[0].ready == 0
    assert world.error("virtio_mmio_backend_assert_virq", virtio_mmio=cap, interrupt_status=1) == errors.DENIED
    assert world.call("virtio_mmio_backend_get_notification", virtio_mmio=cap) == (errors.OK, 0, 0b1010)
    assert not world.error("virtio_mmio_backend_acknowledge_reset", virtio_mmio=cap)
    assert device.read(registers.STATUS, 4) == 0
    assert not world.error("virtio_mmio_backend_update_status", virtio_mmio=cap, val=0x40)
    assert device.read(registers.STATUS, 4) == 0x40


def test_a_driver_that_fails_says_so_once(world, device, bound):
    device.write(registers.STATUS, 4, 0x80)
    device.write(registers.STATUS, 4, 0x80)
    assert bound.levels == [33]
    assert device.reason == registers.REASON_FAILED


def test_sources_bind_with_their_own_rights(world, device):
    vic = world.cap(world.active(Vic(world.partition, virqs=8)))
    front, back = (world.cap(device, right) for right in (2, 1))
    name = "virtio_mmio_{}_{}_virq"
    denied = errors.CSPACE_INSUFFICIENT_RIGHTS
    assert world.error(name.format("backend", "bind"), virtio_mmio=front, vic=vic, virq=32) == denied
    assert world.error(name.format("frontend", "bind"), virtio_mmio=back, vic=vic, virq=32) == denied
    assert world.error(name.format("backend", "bind"), virtio_mmio=back, vic=vic, virq=32) == errors.OK
    assert world.error(name.format("frontend", "bind"), virtio_mmio=front, vic=vic, virq=32) == errors.BUSY
    assert world.error(name.format("frontend", "bind"), virtio_mmio=front, vic=vic, virq=33) == errors.OK
    assert world.error(name.format("frontend", "bind"), virtio_mmio=front, vic=vic, virq=34) == errors.VIRQ_BOUND
    assert world.error(name.format("backend", "unbind"), virtio_mmio=back) == errors.OK
    assert world.error(name.format("frontend", "unbind"), virtio_mmio=front) == errors.OK
    assert device.backend_virq.vic is None


def test_a_device_without_queues_ignores_what_is_written_about_them(world):
    device = VirtioMmio(world.partition)
    device.configure(world.extent(pages=1), 0, None)
    world.active(device)
    assert device.write(registers.QUEUE_NUM, 4, 1)
    assert device.write(registers.QUEUE_READY, 4, 1)
    assert not device.write(registers.QUEUE_SEL, 4, 0)


def test_a_dead_device_leaves_its_page(world, device):
    extent = device.extent
    device.release()
    assert extent.vdevice is None
    assert not extent.attached
