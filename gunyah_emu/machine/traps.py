"""What a data access means that no mapping answers: stage 2, virtual devices and proxy schedulers decide.

Devices appear on a VM's bus when the VM first touches them: the access that found nothing is looked up here, what
answers it is mapped in the engine, and the access is made again.  So an engine holds no device that its address space
might lose without a word, and changes of stage 2 cost nothing here.

Source: Gunyah's order at a stage-2 fault (read): virtual devices, then ranges of `addrspace_configure_vmmio`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gunyah_emu.cpu.decode import decode_access
from gunyah_emu.hypervisor.memory import PAGE_MASK, PAGE_SIZE
from gunyah_emu.machine.scheduler import RetryAccess

if TYPE_CHECKING:
    from gunyah_emu.cpu import Device
    from gunyah_emu.hypervisor.addrspace import Addrspace
    from gunyah_emu.hypervisor.thread import Thread
    from gunyah_emu.machine.machine import Machine
    from gunyah_emu.machine.vm import VCpu

    Place = tuple[int, int, Device]
    """Where a device is on a VM's bus: its first IPA, how many bytes, what answers."""

_STAGE2_WRITE: Final = 2 << 4
_BTYPE: Final = 3 << 10
_MASK64: Final = (1 << 64) - 1
_ZERO_REGISTER: Final = 31


def device_at(machine: Machine, thread: Thread, ipa: int, *, is_write: bool) -> Place | None:
    """What answers an access that nothing on the VM's bus took; `None`: an external abort.

    Arguments:
        machine: the machine.
        thread: who made the access.
        ipa: where.
        is_write: which kind of access.
    """
    addrspace = thread.addrspace
    assert addrspace is not None
    mapped = addrspace.stage2.at(ipa)
    if mapped is None:
        return _unmapped(machine, addrspace, thread, ipa)
    shift, attributes = mapped[2]
    if is_write and not attributes & _STAGE2_WRITE:
        page = ipa & ~PAGE_MASK
        return None if addrspace.registers_at(ipa) is None else (page, PAGE_SIZE, RegisterPage(addrspace, page))
    if addrspace.translate(ipa, is_write) is None or (device := machine.device_around(ipa + shift)) is None:
        return None
    base, size, answers = device
    start, end = max(base - shift, mapped[0]), min(base - shift + size, mapped[1])
    return None if start != base - shift else (start, end - start, answers)


def _unmapped(machine: Machine, addrspace: Addrspace, thread: Thread, ipa: int) -> Place | None:
    vdevice = addrspace.vdevice_at(ipa)
    if vdevice is not None:
        return vdevice.base, vdevice.size, machine.platform.registers(vdevice)
    found = addrspace.vmmio.at(ipa) if thread.proxied else None
    return None if found is None else (found[0], found[1] - found[0], VmmioDevice(machine, found[0]))


class RegisterPage:
    """A page of registers that stage 2 maps read-only: reads never come here, writes are the device's while it lives.

    Arguments:
        addrspace: where it is mapped.
        ipa: at this IPA.
    """

    __slots__ = ("_addrspace", "_ipa")

    def __init__(self, addrspace: Addrspace, ipa: int) -> None:
        self._addrspace = addrspace
        self._ipa = ipa

    def read(self, offset: int, size: int) -> int | None:
        """An external abort: the page was unmapped."""
        del offset, size
        return None

    def write(self, offset: int, size: int, value: int) -> bool:
        """The device's answer; an external abort where there is none any more."""
        found = self._addrspace.registers_at(self._ipa)
        return found is not None and found[0].write(offset, size, value)


class VmmioDevice:
    """A range whose accesses a proxy scheduler answers: each ends the `vcpu_run` of the vCPU that made it.

    Arguments:
        machine: the machine.
        base: the range's first IPA.
    """

    __slots__ = ("_base", "_machine")

    def __init__(self, machine: Machine, base: int) -> None:
        self._machine = machine
        self._base = base

    def read(self, offset: int, size: int) -> int | None:
        """`None`, an external abort, where no proxy scheduler runs the vCPU; else RetryAccess: it is asked."""
        return self._access(offset, size, None)

    def write(self, offset: int, size: int, value: int) -> bool:
        """As `read`."""
        return self._access(offset, size, value) is not None

    def _access(self, offset: int, size: int, value: int | None) -> int | None:
        vcpu = self._machine.scheduler.current
        assert vcpu is not None
        thread, ipa = vcpu.thread, self._base + offset
        instruction = thread.read_memory(pc := vcpu.vm.engine.registers(vcpu.index).pc, 4)
        if instruction is None or not thread.is_vmmio(ipa, size):
            return None
        vcpu.access = (pc, int.from_bytes(instruction, "little"))
        answer = thread.vmmio_access(ipa, size, value)
        if answer is None:
            raise RetryAccess
        return answer


def finish_access(vcpu: VCpu, value: int) -> None:
    """Complete the access that `VmmioDevice` left: the instruction is executed now, before any interrupt is taken.

    Arguments:
        vcpu: whose access.
        value: what it reads; ignored for a write.
    """
    assert vcpu.access is not None
    pc, instruction = vcpu.access
    vcpu.access = None
    registers = vcpu.vm.engine.registers(vcpu.index)
    access = decode_access(instruction, registers.x, registers.sp, pc)
    assert access is not None
    assert access.syndrome_valid
    if access.is_read and access.target != _ZERO_REGISTER:
        bits = 8 * access.size
        if access.is_signed and value >> bits - 1:
            value |= _MASK64 << bits & _MASK64
        registers.x[access.target] = value if access.is_64 else value & 0xFFFF_FFFF
    registers.pc = pc + 4
    if registers.pstate & _BTYPE:
        registers.pstate &= ~_BTYPE
