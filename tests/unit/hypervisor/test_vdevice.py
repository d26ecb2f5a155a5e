"""Virtual devices: registers are where they were attached, for as long as their VIC or vCPU lives."""

from __future__ import annotations

from gunyah_emu.abi import errors
from gunyah_emu.hypervisor.vdevice import attach_distributor, attach_redistributor
from gunyah_emu.hypervisor.vic import Vic


def test_the_platform_hears_where_registers_are_and_that_they_are_gone(world):
    vic = world.active(Vic(world.partition, vcpus=1, virqs=64))
    assert attach_distributor(vic, world.addrspace, 0x800_0000, 0x10000) == errors.OK
    assert world.platform.take() == [("attached", world.addrspace, "gicd", 0x800_0000, 0x10000)]
    assert world.addrspace.vdevice_at(0x800_FFFF) is vic.gicd
    assert world.addrspace.vdevice_at(0x801_0000) is None
    vic.release()
    assert world.platform.take() == [("detached", world.addrspace, "gicd", 0x800_0000, 0x10000)]
    assert world.addrspace.vdevice_at(0x800_0000) is None


def test_a_redistributor_goes_with_its_vcpu(world):
    vic = world.active(Vic(world.partition, vcpus=1, virqs=64))
    vcpu = world.vcpu(vic=vic)
    assert attach_redistributor(vic, 0, world.addrspace, 0x80A_0000, 0x20000, None) == errors.OK
    assert world.addrspace.vdevice_at(0x80A_0000) is vcpu.gicr
    vcpu.kill()
    vcpu.release()
    assert world.addrspace.vdevice_at(0x80A_0000) is None
    assert 0 not in vic.vcpus
