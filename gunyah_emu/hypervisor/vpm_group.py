"""Virtual power management groups: the vCPUs of a VM, as PSCI sees them (API section "Virtual PM Group Management").

A vCPU in a group has PSCI; one without has not.  The group counts who is on (the last one cannot turn itself off by
CPU_OFF) and knows who is awake, which is what its state and its system-suspend interrupt are about.  With the option
no_aggregation the group keeps no such state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from gunyah_emu.abi.bitfields import VPM_STATE, VpmGroupOptionFlags
from gunyah_emu.abi.declare import hypercall
from gunyah_emu.abi.errors import OBJECT_STATE, OK, UNIMPLEMENTED
from gunyah_emu.abi.rights import ACTIVATE, VicRights, VpmGroupRights
from gunyah_emu.abi.types import ANY_STATE, Index, Results, Virq
from gunyah_emu.hypervisor.object import INIT, HypervisorObject
from gunyah_emu.hypervisor.thread import Thread
from gunyah_emu.hypervisor.vic import Vic
from gunyah_emu.hypervisor.virq import VirqSource

if TYPE_CHECKING:
    from gunyah_emu.hypervisor.partition import Partition

RUNNING: Final = VPM_STATE.values["running"]
CPUS_SUSPENDED: Final = VPM_STATE.values["cpus_suspended"]

_NO_AGGREGATION: Final = 1 << 0
_CPU_STATE: Final = 0xF
"""The CPU's part of a PSCI power state on the recorded platform; 0 means awake."""


class VpmGroup(HypervisorObject):
    """A virtual power management group.

    Arguments:
        partition: what it is allocated from.
        label: a name for people.

    """

    __slots__ = ("awake", "online", "options", "suspend_virq", "vcpus")

    RIGHTS = VpmGroupRights
    COST = 1024

    def __init__(self, partition: Partition, label: str = "") -> None:
        super().__init__(partition, label)
        self.options = 0
        #: the active vCPUs by index
        self.vcpus: dict[int, Thread] = {}
        #: how many of them are on
        self.online = 0
        #: the indices of those that are on and not suspended
        self.awake: set[int] = set()
        self.suspend_virq = VirqSource(self, "system_suspend", lambda: False)

    @classmethod
    def type_name(cls) -> str:
        """As the API writes it."""
        return "vpm_group"

    @property
    def aggregates(self) -> bool:
        """Whether the group keeps the power state of its vCPUs."""
        return not self.options & _NO_AGGREGATION

    @property
    def power_state(self) -> int:
        """What `vpm_group_get_state` answers: a group without any vCPU that is on is suspended, too."""
        return RUNNING if self.awake else CPUS_SUSPENDED

    def started(self, vcpu: Thread) -> None:
        """A vCPU is powered on."""
        self.online += 1
        self.resumed(vcpu)

    def may_stop(self, *, last: bool, force: bool) -> bool:
        """Whether a vCPU that is on may power itself off; counts it as off when it may."""
        if self.aggregates:
            if not force and last != (self.online == 1):
                return False
            self.online -= 1
        return True

    def stopped(self, vcpu: Thread) -> None:
        """A vCPU is off, or was killed."""
        self.awake.discard(vcpu.vpm_index)

    def suspended(self, vcpu: Thread, power_state: int) -> None:
        """A vCPU is in a PSCI power state."""
        if power_state & _CPU_STATE:
            self.awake.discard(vcpu.vpm_index)

    def resumed(self, vcpu: Thread) -> None:
        """A vCPU is awake."""
        if self.aggregates:
            self.awake.add(vcpu.vpm_index)

    def remove(self, vcpu: Thread) -> None:
        """A vCPU dies; its place is free."""
        if self.vcpus.get(vcpu.vpm_index) is vcpu:
            del self.vcpus[vcpu.vpm_index]

    def on_deactivate(self) -> None:
        """Leave the interrupt source."""
        self.suspend_virq.unbind()


@hypercall(0x603C)
def vpm_group_attach_vcpu(
    vpm_group: Annotated[VpmGroup, VpmGroupRights.ATTACH_VCPU],
    vcpu: Annotated[Thread, ACTIVATE, ANY_STATE],
    index: Index,
) -> Results:
    """Make a vCPU one of a VM's, before it is activated; it has PSCI then.

    Arguments:
        vpm_group: an active group.
        vcpu: a thread in state INIT; it leaves a group that it was attached to.
        index: its place, 0..7; bits above 15 do not count.

    Errors:
        OBJECT_STATE: the thread is not in state INIT (recorded).
        ARGUMENT_INVALID: `index` is above 7.

    Source: API "Virtual PM Group to VCPU Attachment"; the marked errors recorded, the order read.

    """
    if vcpu.state != INIT:
        return OBJECT_STATE
    return vcpu.attach_vpm_group(vpm_group, index)


@hypercall(0x6043)
def vpm_group_bind_virq(
    vpm_group: Annotated[VpmGroup, VpmGroupRights.BIND_VIRQ],
    vic: Annotated[Vic, VicRights.BIND_SOURCE],
    virq: Virq,
) -> Results:
    """Bind a group's system-suspend interrupt source to a vIRQ.

    This build never raises it: it has no system suspend.

    Arguments:
        vpm_group: an active group.
        vic: an active VIC.
        virq: an SPI's INTID, 32..1019.

    Errors:
        VIRQ_BOUND: the source is bound already.
        ARGUMENT_INVALID: not an SPI, or beyond the VIC's number of vIRQs.
        BUSY: another source has the vIRQ.

    Source: API "Virtual PM Group vIRQ Bind"; success recorded, the errors as for other sources.

    """
    return vpm_group.suspend_virq.bind(vic, virq)


@hypercall(0x6044)
def vpm_group_unbind_virq(vpm_group: Annotated[VpmGroup, VpmGroupRights.BIND_VIRQ]) -> Results:
    """Unbind a group's system-suspend interrupt source; unbound already: OK.

    Arguments:
        vpm_group: an active group.

    Source: API "Virtual PM Group vIRQ Unbind"; read, not recorded.

    """
    vpm_group.suspend_virq.unbind()
    return OK


@hypercall(0x6045)
def vpm_group_get_state(
    vpm_group: Annotated[VpmGroup, VpmGroupRights.QUERY],
) -> Annotated[Results, "vpm_state: uregister"]:
    """Ask whether any of a VM's vCPUs is awake.

    Arguments:
        vpm_group: an active group.

    The result is 1 (running, recorded) or 2 (cpus_suspended), also for a group without vCPUs; this build has no other.

    Source: API "Virtual PM Group Get State"; recorded.

    """
    return OK, vpm_group.power_state


@hypercall(0x6066, strict=("flags",), strict_error=UNIMPLEMENTED)
def vpm_group_configure(vpm_group: Annotated[VpmGroup, ACTIVATE], flags: VpmGroupOptionFlags) -> Results:
    """Choose a group's options, before it is activated.

    Arguments:
        vpm_group: a group in state INIT.
        flags: bit 0 no_aggregation: keep no power state of the vCPUs.

    Errors:
        UNIMPLEMENTED: unknown bits in `flags` (before the capability).

    Source: read, not recorded.

    """
    vpm_group.options = flags
    return OK
