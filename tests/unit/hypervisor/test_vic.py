"""VICs: geometry, vCPUs, and who may be bound."""

import pytest

from gunyah_emu.abi.errors import (
    ARGUMENT_INVALID,
    BUSY,
    CSPACE_INSUFFICIENT_RIGHTS,
    CSPACE_WRONG_OBJECT_TYPE,
    OBJECT_STATE,
    OK,
)
from gunyah_emu.abi.rights import VicRights
from gunyah_emu.hypervisor.doorbell import Doorbell
from gunyah_emu.hypervisor.mpidr import MpidrMapping
from gunyah_emu.hypervisor.thread import Thread
from gunyah_emu.hypervisor.vic import Vic


def configure(world, cap, vcpus=1, virqs=0, options=0, msis=0):
    return world.error("vic_configure", vic=cap, max_vcpus=vcpus, max_virqs=virqs, vic_options=options, max_msis=msis)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"vcpus": 1, "virqs": 0}, OK),
        ({"vcpus": 8, "virqs": 988}, OK),
        ({"vcpus": 0}, ARGUMENT_INVALID),
        ({"vcpus": 9}, ARGUMENT_INVALID),
        ({"virqs": 989}, ARGUMENT_INVALID),
        ({"options": 1, "msis": 0}, OK),
        ({"options": 1, "msis": 1}, ARGUMENT_INVALID),
        ({"options": 2, "msis": 1}, OK),
        ({"options": 4}, ARGUMENT_INVALID),
        ({"vcpus": 1 << 32 | 2}, OK),
    ],
)
def test_geometry(world, arguments, error):
    assert configure(world, world.cap(Vic(world.partition)), **arguments) == error


def test_reserved_options_come_before_the_state_and_ranges_after_it(world):
    cap = world.cap(world.active(Vic(world.partition)))
    assert configure(world, cap, vcpus=99, options=4) == ARGUMENT_INVALID
    assert configure(world, cap, vcpus=99) == OBJECT_STATE


def test_unconfigured_it_has_one_vcpu_and_no_interrupt(world):
    vic = world.active(Vic(world.partition))
    doorbell = world.active(Doorbell(world.partition))
    assert vic.max_vcpus == 1
    assert doorbell.bind(vic, 32) == ARGUMENT_INVALID


def test_attaching_a_vcpu(world):
    vic, thread = world.active(Vic(world.partition, vcpus=2)), Thread(world.partition)
    world.ladder(
        "vic_attach_vcpu",
        {"vic": world.cap(vic, VicRights.BIND_SOURCE), "vcpu": world.cap(vic), "index": 2},
        (CSPACE_INSUFFICIENT_RIGHTS, {"vic": world.cap(vic)}),
        (CSPACE_WRONG_OBJECT_TYPE, {"vcpu": world.cap(world.caller)}),
        (OBJECT_STATE, {"vcpu": world.cap(thread)}),
        (ARGUMENT_INVALID, {"index": 1}),
    )
    assert (thread.vic, thread.vic_index, thread.mpidr) == (vic, 1, 0x8000_0001)


def test_a_place_is_taken_by_activation(world):
    vic = world.active(Vic(world.partition, vcpus=2))
    world.vcpu(vic=vic, index=1)
    second = Thread(world.partition)
    vic.attach_vcpu(second, 1)
    assert second.activate() == BUSY


def test_attaching_elsewhere_leaves_the_first(world):
    first, second = (world.active(Vic(world.partition)) for _ in range(2))
    thread = Thread(world.partition)
    first.attach_vcpu(thread, 0)
    second.attach_vcpu(thread, 0)
    assert (first.references, second.references) == (1, 2)


def test_a_vic_that_dies_unbinds_its_sources(world):
    vic, doorbell = world.active(Vic(world.partition, virqs=4)), world.active(Doorbell(world.partition))
    assert doorbell.bind(vic, 33) == OK
    vic.release()
    other = world.active(Vic(world.partition, virqs=4))
    assert doorbell.bind(other, 34) == OK


def test_no_object_is_an_msi_source(world):
    vic = world.cap(world.active(Vic(world.partition)))
    assert world.error("vic_bind_msi_source", vic=vic, msi_source=vic) == CSPACE_WRONG_OBJECT_TYPE


def mapping(world, vic, mask, shifts, mt=0):
    names = {f"aff{n}_shift": shift for n, shift in enumerate(shifts)}
    return world.error("vgic_set_mpidr_mapping", vic=vic, mask=mask, mt=mt, **names)


def test_mpidr_mapping_decides_the_affinity(world):
    vic = Vic(world.partition, vcpus=8)
    cap = world.cap(vic)
    assert mapping(world, cap, 0x303, (0, 2, 0, 0), mt=1) == OK
    thread = Thread(world.partition)
    world.active(vic)
    vic.attach_vcpu(thread, 6)
    assert thread.mpidr == 0x8100_0102
    assert vic.mpidr_mapping.index_of(thread.mpidr) == 6
    assert mapping(world, cap, 0x303, (0, 2, 0, 0)) == OBJECT_STATE


@pytest.mark.parametrize(
    ("mask", "shifts"),
    [
        pytest.param(0xFF, (32, 0, 0, 0), id="shift too large"),
        pytest.param(0x0303, (0, 1, 0, 0), id="fields overlap"),
        pytest.param(0x5, (0, 0, 0, 0), id="bits missing"),
        pytest.param(0xFF_00FF_00FF, (0, 0, 8, 16), id="too many bits"),
    ],
)
def test_mpidr_mapping_must_give_every_index_a_place(world, mask, shifts):
    assert mapping(world, world.cap(Vic(world.partition)), mask, shifts) == ARGUMENT_INVALID


def test_an_affinity_outside_of_the_mapping_is_no_index():
    checked = MpidrMapping.checked(0x7, (0, 0, 0, 0), multi_thread=False)
    assert checked is not None
    assert [checked.index_of(mpidr) for mpidr in (0x8000_0005, 0x8, 0x100)] == [5, None, None]
