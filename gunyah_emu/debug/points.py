"""Where a machine halts for a debugger, and what a halt is."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection

    from gunyah_emu.machine import Outcome
    from gunyah_emu.machine.vm import VCpu, VirtualMachine

AccessKind = Literal["read", "write", "access"]


class Breakpoint:
    """Halts in front of an instruction.

    Arguments:
        vm: whose; any of its vCPUs.
        address: virtual, as the vCPU sees it.
    """

    __slots__ = ("address", "vm")

    def __init__(self, vm: VirtualMachine, address: int) -> None:
        self.vm = vm
        self.address = address


class Watchpoint:
    """Halts in front of an access by a VM's instruction; what the hypervisor writes there for the VM is not seen.

    Arguments:
        vm: whose; any of its vCPUs.
        address: virtual, of the first byte.
        size: bytes.
        access: which accesses.
    """

    __slots__ = ("access", "address", "size", "vm")

    def __init__(self, vm: VirtualMachine, address: int, size: int, access: AccessKind) -> None:
        self.vm = vm
        self.address = address
        self.size = size
        self.access = access

    def meets(self, address: int, size: int, *, is_read: bool, is_write: bool) -> bool:
        """Whether an access is one of those."""
        wanted = (is_read and self.access != "write") or (is_write and self.access != "read")
        return wanted and address < self.address + self.size and self.address < address + size


class CallCatch:
    """Halts in front of HVCs and SMCs.

    Arguments:
        vm: whose; None: everybody's.
        numbers: of hypercalls 0x60nn by either encoding, of other SMCCC calls the function ID; None: all.
        returns: halt behind them, too.
    """

    __slots__ = ("numbers", "returns", "vm")

    def __init__(self, vm: VirtualMachine | None, numbers: Collection[int] | None, *, returns: bool) -> None:
        self.vm = vm
        self.numbers = None if numbers is None else frozenset(numbers)
        self.returns = returns

    def meets(self, vm: VirtualMachine, number: int) -> bool:
        """Whether a call is one of those."""
        return is_of(self, vm) and (self.numbers is None or number in self.numbers)


class InterruptCatch:
    """Halts behind the instruction that took an interrupt from the GIC.

    Arguments:
        vm: whose; None: everybody's.
    """

    __slots__ = ("vm",)

    def __init__(self, vm: VirtualMachine | None) -> None:
        self.vm = vm


Point = Breakpoint | Watchpoint | CallCatch | InterruptCatch


def is_of(point: Point, vm: VirtualMachine) -> bool:
    """Whether a point is for a VM; by its name, since one that is made again after time went back is another object."""
    return point.vm is None or point.vm.name == vm.name


class HaltKind(enum.Enum):
    """Why a machine stands still; the value says it to a person."""

    STEP = "the step is done"
    BREAKPOINT = "a breakpoint"
    WATCHPOINT = "a watched access is next"
    CALL = "a call is next"
    CALL_RETURN = "the call is done"
    INTERRUPT = "an interrupt was taken"
    POSITION = "the position is reached"
    INTERRUPTED = "interrupted"
    EXITED = "every VM exited"
    IDLE = "every vCPU waits and nothing can wake one"
    FATAL = "a guest brought itself or the hypervisor to a stop"
    BEGINNING = "the beginning of what is remembered"


class Halt(NamedTuple):
    """How a machine came to stand still.

    Arguments:
        kind: why.
        position: instructions that all vCPUs have retired.
        vcpu: whose instruction is next, or was last for a STEP; None where every vCPU waits or has ended.
        point: the point that halted it, if one did.
        address: virtual, of a watched access.
        outcome: of an end: EXITED, IDLE, FATAL.
    """

    kind: HaltKind
    position: int
    vcpu: VCpu | None = None
    point: Point | None = None
    address: int | None = None
    outcome: Outcome | None = None
