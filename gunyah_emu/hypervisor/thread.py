"""Threads: the vCPUs, which are the callers of every hypercall (API section "VCPU Management").

A vCPU executes while it is ACTIVE, alive, and nothing blocks it.  The reasons that block it are bits of `blocks`, as
in Gunyah's scheduler: off, suspended, waiting in WFI, waiting for a proxy scheduler to answer an access or to run it
at all.  The machine executes it and says what it does (`wfi`, `wake`, `vmmio_access`, `fault`, `slice_ended`); the
hypervisor tells the machine through `platform` when it starts and stops.

The hypercalls are in `vcpu_calls`, `scheduler` and `vcpu_run`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from gunyah_emu.abi.errors import ARGUMENT_INVALID, BUSY, DENIED, FAILURE, NOMEM, OBJECT_CONFIG, OK
from gunyah_emu.abi.rights import ThreadRights
from gunyah_emu.hypervisor.addrspace import MAX_THREADS, Addrspace
from gunyah_emu.hypervisor.fatal import HypervisorFatal
from gunyah_emu.hypervisor.guest_memory import GuestMemory
from gunyah_emu.hypervisor.mpidr import DEFAULT_MAPPING
from gunyah_emu.hypervisor.object import ACTIVE, HypervisorObject
from gunyah_emu.hypervisor.run_state import (
    BLOCK_FAULT,
    BLOCK_PROXY,
    BLOCK_VMMIO,
    BLOCK_WFI,
    RUN_READY,
    VmmioAccess,
    run_state,
)

# What PSCI and the machine ask a thread about: part of this module's interface.
from gunyah_emu.hypervisor.run_state import BLOCK_OFF as BLOCK_OFF
from gunyah_emu.hypervisor.run_state import BLOCK_SUSPEND as BLOCK_SUSPEND
from gunyah_emu.hypervisor.virq import VirqSource

if TYPE_CHECKING:
    from gunyah_emu.hypervisor.cspace import CSpace
    from gunyah_emu.hypervisor.partition import Partition
    from gunyah_emu.hypervisor.platform import Platform
    from gunyah_emu.hypervisor.vdevice import Vdevice
    from gunyah_emu.hypervisor.vic import Vic
    from gunyah_emu.hypervisor.vpm_group import VpmGroup

CORES: Final = 8
"""Of the recorded machine; also the limit of a vpm group."""

NO_CPU: Final = 0xFFFF
"""The affinity of a vCPU that runs only when another yields to it."""

DEFAULT_PRIORITY: Final = 32
MAX_PRIORITY: Final = 62
DEFAULT_TIMESLICE: Final = 5_000_000
MIN_TIMESLICE: Final = 100_000
MAX_TIMESLICE: Final = 100_000_000

OPTION_PINNED: Final = 1 << 0
OPTION_CRITICAL: Final = 1 << 8
OPTION_PROXIED: Final = 1 << 9
OPTION_HLOS: Final = 1 << 63

REGISTER_X: Final = 0
REGISTER_PC: Final = 1
REGISTER_SP_EL: Final = 2

MPIDR_UNIPROCESSOR: Final = 1 << 31 | 1 << 30
"""MPIDR_EL1 of a vCPU without a VIC."""

_STATE_TYPE_POWERDOWN: Final = 1 << 16


class Thread(HypervisorObject, GuestMemory):
    """A vCPU.

    Arguments:
        partition: what it is allocated from.
        label: a name for people.

    """

    __slots__ = (
        "addrspace",
        "affinity",
        "blocks",
        "completed",
        "cspace",
        "entropy_window",
        "exited",
        "gicr",
        "halt_virq",
        "last_run_state",
        "options",
        "pending_wakeup",
        "priority",
        "proxy",
        "registers",
        "reset_request",
        "resume",
        "suspend_state",
        "timeslice",
        "translate",
        "vic",
        "vic_index",
        "vmmio",
        "vmmio_answer",
        "vpm_group",
        "vpm_index",
        "wakeup_virq",
    )

    RIGHTS = ThreadRights
    COST = 8192

    def __init__(self, partition: Partition, label: str = "") -> None:
        super().__init__(partition, label)
        self.cspace: CSpace | None = None
        self.addrspace: Addrspace | None = None
        self.vic: Vic | None = None
        self.vic_index = 0
        self.vpm_group: VpmGroup | None = None
        self.vpm_index = 0
        self.gicr: Vdevice | None = None
        self.options = 0
        self.affinity = NO_CPU
        self.priority = DEFAULT_PRIORITY
        self.timeslice = DEFAULT_TIMESLICE
        self.blocks = BLOCK_OFF
        #: it was killed or ended, and never executes again
        self.exited = False
        #: what `vcpu_register_write` and `power_on` left for the machine, by (register set, index)
        self.registers: dict[tuple[int, int], int] = {}
        self.halt_virq = VirqSource(self, "halt", _no_level)
        self.wakeup_virq = VirqSource(self, "vcpu_run_wakeup", _no_level)
        #: stage 1 as the machine knows it: (virtual address, write) to IPA, or `None` for a fault; `None`: the MMU is
        #: off
        self.translate: Callable[[int, bool], int | None] | None = None
        #: how the machine gets results of a call that had blocked
        self.completed: Callable[[tuple[int, ...]], None] | None = None
        #: whether an interrupt is pending that would end a suspend at once
        self.pending_wakeup: Callable[[], bool] | None = None
        self.suspend_state = 0
        #: (entry point, context) of a power-down suspend
        self.resume: tuple[int, int] | None = None
        #: (type, cookie) of a PSCI reset, for the proxy scheduler
        self.reset_request: tuple[int, int] | None = None
        #: the vCPU whose vcpu_run executes this one now
        self.proxy: Thread | None = None
        self.last_run_state = 0
        self.vmmio: VmmioAccess | None = None
        self.vmmio_answer: int | None = None
        self.entropy_window: tuple[int, int] | None = None

    @property
    def platform(self) -> Platform:
        """The machine around it."""
        assert self.partition is not None
        return self.partition.hypervisor.platform

    @property
    def mpidr(self) -> int:
        """MPIDR_EL1, as its place in its VIC decides it."""
        if self.vic is None:
            return MPIDR_UNIPROCESSOR
        mapping = self.vic.mpidr_mapping or DEFAULT_MAPPING
        return mapping.mpidr(self.vic_index)

    @property
    def runnable(self) -> bool:
        """Whether it may execute now."""
        return self.state == ACTIVE and not self.exited and not self.blocks

    @property
    def proxied(self) -> bool:
        """Whether only a `vcpu_run` executes it."""
        return bool(self.options & OPTION_PROXIED)

    # Life

    def on_activate(self) -> int:
        """Take its place among the VM's vCPUs; it is off until it is powered on.

        Errors in order: DENIED: another vCPU has its place in the vpm group.  BUSY: another vCPU has its place in the
        VIC.  OBJECT_CONFIG: no address space; no cspace; pinned without an affinity.
        """
        group, vic = self.vpm_group, self.vic
        if group is not None and self.vpm_index in group.vcpus:
            return DENIED
        if vic is not None:
            error = vic.add_vcpu(self)
            if error:
                return error
        pinned = self.options & (OPTION_PINNED | OPTION_HLOS)
        if self.addrspace is None or self.cspace is None or (pinned and self.affinity == NO_CPU):
            if vic is not None:
                vic.remove_vcpu(self)
            return OBJECT_CONFIG
        if group is not None:
            group.vcpus[self.vpm_index] = self
        if self.options & OPTION_HLOS:
            self.options |= OPTION_PINNED | OPTION_CRITICAL
        if self.proxied:
            self.blocks |= BLOCK_PROXY
        # A thread that may execute keeps itself alive; `_exit` gives the reference back.
        self.retain()
        return OK

    def on_deactivate(self) -> None:
        """Leave its places and its interrupt sources."""
        self.halt_virq.unbind()
        self.wakeup_virq.unbind()
        if self.gicr is not None:
            self.gicr.detach()
            self.gicr = None
        if self.vic is not None:
            self.vic.remove_vcpu(self)
        if self.vpm_group is not None:
            self.vpm_group.remove(self)

    def on_destroy(self) -> None:
        """Let go of everything it was attached to."""
        if self.addrspace is not None:
            self.addrspace.threads -= 1
            self.addrspace.release()
        for held in (self.cspace, self.vic, self.vpm_group):
            if held is not None:
                held.release()
        self.addrspace = self.cspace = self.vic = self.vpm_group = None

    def attach_addrspace(self, addrspace: Addrspace) -> int:
        """See memory through an address space, before activation; NOMEM where eight threads are attached to it."""
        if addrspace.threads == MAX_THREADS:
            return NOMEM
        addrspace.retain()
        addrspace.threads += 1
        if self.addrspace is not None:
            self.addrspace.threads -= 1
            self.addrspace.release()
        self.addrspace = addrspace
        return OK

    def attach_vpm_group(self, group: VpmGroup, index: int) -> int:
        """Become one of a VM's vCPUs for PSCI, before activation; ARGUMENT_INVALID where the index is no core's."""
        if index & 0xFFFF >= CORES:
            return ARGUMENT_INVALID
        group.retain()
        if self.vpm_group is not None:
            self.vpm_group.release()
        self.vpm_group, self.vpm_index = group, index & 0xFFFF
        return OK

    # Power

    def power_on(self, entry: int | None, context: int | None) -> int:
        """Start at `entry` with `context` in x0 (`None`: as they are): EL1h, MMU off, interrupts masked.

        Errors in order: BUSY: it is not off.  FAILURE: it was killed.
        """
        if not self.blocks & BLOCK_OFF:
            return BUSY
        if self.exited:
            return FAILURE
        if self.vpm_group is not None:
            self.vpm_group.started(self)
        self.blocks &= ~BLOCK_OFF
        self.reset_request = None
        if entry is not None:
            self.registers[REGISTER_PC, 0] = entry
        if context is not None:
            self.registers[REGISTER_X, 0] = context
        self._wake_proxy()
        self._start()
        return OK

    def _start(self) -> None:
        entry = self.registers.get((REGISTER_PC, 0), 0)
        self.platform.vcpu_started(self, entry, self.registers.get((REGISTER_X, 0), 0))

    def power_off(self, *, last: bool = False, force: bool = False) -> int:
        """Stop the calling vCPU until somebody powers it on.

        Arguments:
            last: the caller means to be the last vCPU that is on.
            force: whether it is or not, as a system reset does; raises the halt interrupt.

        Errors: DENIED: it is the last one and does not say so, or says so and is not (a vCPU without a group always
        is).

        """
        group = self.vpm_group
        if group is None:
            if not (last or force):
                return DENIED
        elif not group.may_stop(last=last, force=force):
            return DENIED
        self.blocks |= BLOCK_OFF
        self._stopped()
        if force:
            self.halt_virq.assert_edge()
        return OK

    def kill(self) -> None:
        """End this vCPU for good; again: nothing.

        Raises:
            HypervisorFatal: it is critical: the system does not outlive it.

        """
        if self.exited:
            return
        if self.options & OPTION_CRITICAL:
            raise HypervisorFatal("a critical vCPU was killed")
        self.exited = True
        self.vmmio = None
        self._wake_proxy()
        self._stopped()
        self.release()

    def _stopped(self) -> None:
        if self.vpm_group is not None:
            self.vpm_group.stopped(self)
        self.platform.vcpu_stopped(self)
        self._return_to_proxy()

    def suspend(self, power_state: int, entry: int, context: int) -> bool:
        """PSCI CPU_SUSPEND by the calling vCPU: wait for an interrupt in a power state.

        Arguments:
            power_state: in PSCI's original format; bit 16: power down, and start at `entry` when woken.
            entry: where a power-down suspend resumes.
            context: what it finds in x0 then.

        Returns whether it waits; otherwise an interrupt is pending and the call returns at once.  A standby suspend
        ends with `complete((0,))`.

        """
        if self.pending_wakeup is not None and self.pending_wakeup():
            return False
        self.suspend_state = power_state
        self.resume = (entry, context) if power_state & _STATE_TYPE_POWERDOWN else None
        self.blocks |= BLOCK_SUSPEND
        if self.vpm_group is not None:
            self.vpm_group.suspended(self, power_state)
        self._return_to_proxy()
        return True

    # What the machine says

    def wfi(self) -> None:
        """It waits for an interrupt."""
        self.blocks |= BLOCK_WFI
        self._return_to_proxy()

    def wake(self) -> bool:
        """An interrupt is there for it.

        Returns whether the machine has to let it run.  Otherwise it was told already, by `vcpu_started` or `complete`
        (the end of a suspend), or something else still blocks the vCPU.
        """
        if self.exited:
            return False
        blocks = self.blocks
        self.blocks = blocks & ~(BLOCK_WFI | BLOCK_SUSPEND)
        self._wake_proxy()
        if not blocks & BLOCK_SUSPEND:
            return self.runnable
        if self.vpm_group is not None:
            self.vpm_group.resumed(self)
        if self.resume is None:
            self.complete((0,))
        else:
            self.registers[REGISTER_PC, 0], self.registers[REGISTER_X, 0] = self.resume
            self._start()
        return False

    def fault(self) -> None:
        """It did what it cannot go on from; it stays where it is for good."""
        self.blocks |= BLOCK_FAULT
        self._return_to_proxy()

    def slice_ended(self) -> None:
        """The time is up that its proxy scheduler gave it."""
        self._return_to_proxy()

    def vmmio_access(self, ipa: int, size: int, value: int | None) -> int | None:
        """An access in a range of `addrspace_configure_vmmio`, by a vCPU that a proxy scheduler runs.

        Arguments:
            ipa: the address.
            size: bytes.
            value: what is written; `None`: a read.

        Returns what is read (0 for a write) when the scheduler has answered.  `None`: it has to be asked; the vCPU is
        blocked, and the machine executes the same instruction again when it runs the next time.

        """
        answer = self.vmmio_answer
        if answer is not None:
            self.vmmio_answer = None
            return answer
        self.vmmio = VmmioAccess(ipa, size, value)
        self.blocks |= BLOCK_VMMIO
        self._return_to_proxy()
        return None

    def is_vmmio(self, ipa: int, size: int) -> bool:
        """Whether an access that nothing else takes is for its proxy scheduler to answer."""
        return self.proxied and self.addrspace is not None and self.addrspace.is_vmmio(ipa, size)

    # Proxy scheduling

    def enable_proxy(self) -> None:
        """From now on only a `vcpu_run` executes it."""
        if not self.proxied:
            self.options |= OPTION_PROXIED
            self.blocks |= BLOCK_PROXY
            self.platform.vcpu_stopped(self)

    def _wake_proxy(self) -> None:
        if self.blocks & BLOCK_PROXY:
            self.wakeup_virq.assert_edge()

    def _return_to_proxy(self) -> None:
        proxy = self.proxy
        if proxy is not None:
            self.proxy = None
            proxy.complete((OK, *self.end_run()))

    def end_run(self) -> tuple[int, int, int, int]:
        """Its proxy scheduler has the word again: the run state and the state data."""
        result = (RUN_READY, 0, 0, 0) if self.runnable else run_state(self)
        self.last_run_state = result[0]
        self.blocks |= BLOCK_PROXY
        return result

    def complete(self, results: tuple[int, ...]) -> None:
        """Results of a call that had blocked this thread, as the native encoding returns them."""
        if self.completed is not None and not self.exited:
            self.completed(results)


def _no_level() -> bool:
    return False
