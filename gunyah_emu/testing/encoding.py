"""Which hypercall encoding a guest executed: it is in the instruction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gunyah_emu.hypervisor.fatal import HypervisorFatal

if TYPE_CHECKING:
    from gunyah_emu.machine.vm import VirtualMachine


def encoding_at(vm: VirtualMachine, vcpu: int, address: int) -> str:
    """Of the HVC or SMC at a virtual address: an immediate of 0 is SMCCC's, any other the native encoding's."""
    code = instruction_at(vm, vcpu, address)
    return "unknown" if code is None else "native" if int.from_bytes(code, "little") >> 5 & 0xFFFF else "smccc"


def instruction_at(vm: VirtualMachine, vcpu: int, address: int) -> bytes | None:
    """The four bytes at a virtual address of a vCPU, through its stage 1; None where nothing can be read."""
    ipa = vm.engine.translate(vcpu, address & 0xFFFF_FFFF_FFFF_FFFF, False)
    addrspace = vm.vcpus[vcpu].thread.addrspace
    if ipa is None or addrspace is None:
        return None
    try:
        return addrspace.read(ipa, 4)
    except HypervisorFatal:  # nothing is there, or a device
        return None
