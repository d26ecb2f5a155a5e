"""The hypercalls on vCPUs: the order of their checks."""

from __future__ import annotations

import pytest

from gunyah_emu.abi import errors
from gunyah_emu.abi.rights import ThreadRights
from gunyah_emu.hypervisor.object import INIT
from gunyah_emu.hypervisor.thread import Thread
from gunyah_emu.hypervisor.vic import Vic

HALT, RUN_WAKEUP = 0, 1
X, PC, SP_EL = 0, 1, 2


def test_configure_refuses_unknown_options_before_the_capability(world):
    thread = Thread(world.partition)
    last = world.ladder(
        "vcpu_configure",
        {"cap_id": world.null, "vcpu_options": 1 << 6},
        (errors.ARGUMENT_INVALID, {"vcpu_options": 1 << 10}),
        (errors.ARGUMENT_INVALID, {"vcpu_options": 1 << 63 | 0x33F}),
        (errors.CSPACE_CAP_NULL, {"cap_id": world.cap(world.addrspace)}),
        (errors.CSPACE_WRONG_OBJECT_TYPE, {"cap_id": world.cap(world.caller)}),
        (errors.OBJECT_STATE, {"cap_id": world.cap(thread)}),
    )
    assert last == (errors.OK,)
    assert thread.state == INIT


def test_poweron_checks_flags_then_capability_then_state(world):
    vcpu = world.vcpu()
    last = world.ladder(
        "vcpu_poweron",
        {"cap_id": world.null, "entry_point": 0x1000, "context": 5, "flags": 4},
        (errors.ARGUMENT_INVALID, {"flags": 0}),
        (errors.CSPACE_CAP_NULL, {"cap_id": world.cap(world.vcpu(), ThreadRights.AFFINITY)}),
        (errors.CSPACE_INSUFFICIENT_RIGHTS, {"cap_id": world.cap(Thread(world.partition))}),
        (errors.OBJECT_STATE, {"cap_id": world.cap(vcpu)}),
    )
    assert last == (errors.OK,)
    assert world.platform.take() == [("started", vcpu, 0x1000, 5)]
    assert world.error("vcpu_poweron", cap_id=world.cap(vcpu)) == errors.BUSY


@pytest.mark.parametrize(("flags", "started"), [(0, (1, 2)), (1, (0x40, 2)), (2, (1, 0x50)), (3, (0x40, 0x50))])
def test_poweron_preserves_what_it_is_told_to(world, flags, started):
    vcpu = world.vcpu()
    cap = world.cap(vcpu)
    world.call("vcpu_register_write", vcpu=cap, register_set=PC, value=0x40)
    world.call("vcpu_register_write", vcpu=cap, register_set=X, value=0x50)
    world.call("vcpu_poweron", cap_id=cap, entry_point=1, context=2, flags=flags)
    assert world.platform.take() == [("started", vcpu, *started)]


def test_poweroff_is_for_the_caller_itself(world):
    world.caller.power_on(0, 0)
    last = world.ladder(
        "vcpu_poweroff",
        {"cap_id": world.null, "flags": 2},
        (errors.ARGUMENT_INVALID, {"flags": 0}),
        (errors.CSPACE_CAP_NULL, {"cap_id": world.cap(world.vcpu())}),
        (errors.ARGUMENT_INVALID, {"cap_id": world.cap(world.caller)}),
        (errors.DENIED, {"flags": 1}),
    )
    assert last is None
    assert not world.caller.runnable


def test_kill_answers_ok_again_and_does_not_return_to_itself(world):
    vcpu = world.vcpu()
    cap = world.cap(vcpu)
    assert world.error("vcpu_kill", cap_id=world.cap(Thread(world.partition))) == errors.OBJECT_STATE
    assert world.error("vcpu_kill", cap_id=cap) == errors.OK
    assert world.error("vcpu_kill", cap_id=cap) == errors.OK
    assert world.call("vcpu_kill", cap_id=world.cap(world.caller)) is None


def test_bind_checks_capabilities_then_type_then_caller_then_virq(world):
    vcpu, vic = world.vcpu(), world.active(Vic(world.partition, virqs=8))
    last = world.ladder(
        "vcpu_bind_virq",
        {"vcpu": world.null, "vic": world.null, "virq": 31, "virq_type": 2},
        (errors.CSPACE_CAP_NULL, {"vcpu": world.cap(world.caller)}),
        (errors.CSPACE_CAP_NULL, {"vic": world.cap(vic)}),
        (errors.ARGUMENT_INVALID, {"virq_type": RUN_WAKEUP}),
        (errors.BUSY, {"vcpu": world.cap(vcpu)}),
        (errors.ARGUMENT_INVALID, {"virq": 40}),
        (errors.ARGUMENT_INVALID, {"virq": 32}),
    )
    assert last == (errors.OK,)
    assert vcpu.proxied
    arguments = {"vcpu": world.cap(vcpu), "vic": world.cap(vic)}
    assert world.error("vcpu_bind_virq", **arguments, virq=33, virq_type=RUN_WAKEUP) == errors.VIRQ_BOUND
    assert world.error("vcpu_bind_virq", **arguments, virq=32, virq_type=HALT) == errors.BUSY
    assert world.error("vcpu_bind_virq", **arguments, virq=33, virq_type=HALT) == errors.OK
    assert world.error("vcpu_bind_virq", **arguments, virq=34, virq_type=HALT) == errors.VIRQ_BOUND


def test_unbind_frees_the_virq_and_leaves_the_vcpu_proxied(world):
    vcpu, vic = world.vcpu(), world.active(Vic(world.partition, virqs=8))
    cap = world.cap(vcpu)
    world.call("vcpu_bind_virq", vcpu=cap, vic=world.cap(vic), virq=32, virq_type=RUN_WAKEUP)
    assert world.error("vcpu_unbind_virq", vcpu=cap, virq_type=2) == errors.ARGUMENT_INVALID
    for _ in range(2):
        assert world.error("vcpu_unbind_virq", vcpu=cap, virq_type=RUN_WAKEUP) == errors.OK
    assert not vic.sources
    assert vcpu.proxied


def test_a_dead_vcpu_frees_its_virqs(world):
    vcpu, vic = world.vcpu(), world.active(Vic(world.partition, virqs=8))
    world.call("vcpu_bind_virq", vcpu=world.cap(vcpu), vic=world.cap(vic), virq=32, virq_type=HALT)
    vcpu.kill()
    for capability in list(vcpu.caps):
        world.call("cspace_delete_cap_from", cspace=world.cap(world.cspace), cap=capability.id)
    assert not vic.sources


def test_register_write_checks_life_then_power_then_register(world):
    killed, vcpu = world.vcpu(), world.vcpu()
    killed.kill()
    world.caller.power_on(0, 0)
    last = world.ladder(
        "vcpu_register_write",
        {"vcpu": world.null, "register_set": 3, "register_index": 31, "value": 2},
        (errors.CSPACE_CAP_NULL, {"vcpu": world.cap(killed, ThreadRights.POWER)}),
        (errors.CSPACE_INSUFFICIENT_RIGHTS, {"vcpu": world.cap(killed)}),
        (errors.OBJECT_STATE, {"vcpu": world.cap(world.caller)}),
        (errors.BUSY, {"vcpu": world.cap(vcpu)}),
        (errors.ARGUMENT_INVALID, {"register_set": X}),
        (errors.ARGUMENT_INVALID, {"register_set": PC}),
        (errors.ARGUMENT_INVALID, {"register_index": 0}),
        (errors.ARGUMENT_INVALID, {"value": 8}),
    )
    assert last == (errors.OK,)
    assert vcpu.registers == {(PC, 0): 8}


@pytest.mark.parametrize(
    ("register_set", "index", "value", "error"),
    [
        (X, 30, 3, errors.OK),
        (SP_EL, 0, 0x10, errors.OK),
        (SP_EL, 1, 0x10, errors.OK),
        (SP_EL, 2, 0x10, errors.ARGUMENT_INVALID),
        (SP_EL, 0, 0x18, errors.ARGUMENT_INVALID),
        (PC, 0, 2, errors.ARGUMENT_INVALID),
    ],
)
def test_registers_that_exist(world, register_set, index, value, error):
    cap = world.cap(Thread(world.partition))
    arguments = {"vcpu": cap, "register_set": register_set, "register_index": index, "value": value}
    assert world.error("vcpu_register_write", **arguments) == error
