"""Virtual interrupt controllers: the objects' side (API section "Interrupt Management").

A VIC owns the numbers of its vIRQs and who is bound to them; the GICv3 that a guest sees is the `controller`, which
the platform gives when the VIC is activated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from gunyah_emu.abi.bitfields import VIC_OPTION_FLAGS, VicOptionFlags
from gunyah_emu.abi.declare import hypercall
from gunyah_emu.abi.errors import ARGUMENT_INVALID, BUSY, CSPACE_WRONG_OBJECT_TYPE, NOMEM, OBJECT_STATE, OK
from gunyah_emu.abi.rights import ACTIVATE, VicRights
from gunyah_emu.abi.types import ANY_STATE, U64, Bool, CapId, Count, Index, Results
from gunyah_emu.hypervisor.mpidr import DEFAULT_MAPPING, MpidrMapping
from gunyah_emu.hypervisor.object import INIT, HypervisorObject

if TYPE_CHECKING:
    from gunyah_emu.hypervisor.partition import Partition
    from gunyah_emu.hypervisor.thread import Thread
    from gunyah_emu.hypervisor.vdevice import Vdevice
    from gunyah_emu.hypervisor.virq import InterruptController, VirqSource

MAX_VCPUS: Final = 8
MAX_VIRQS: Final = 988

_MAX_MSIS_VALID: Final = 1 << 0
_PRIVATE_VIRQS: Final = 32
_VIRQ_COST: Final = 128
"""Bytes that the state of an interrupt takes here: VICs are small, their interrupts are many."""


class Vic(HypervisorObject):
    """A virtual interrupt controller; activated unconfigured it has one vCPU and no SPI (recorded).

    Arguments:
        partition: what it is allocated from.
        label: a name for people.
        vcpus: how many vCPUs may attach.
        virqs: how many SPIs it has, from 32 on.

    """

    __slots__ = ("controller", "gicd", "max_vcpus", "max_virqs", "mpidr_mapping", "sources", "vcpus")

    RIGHTS = VicRights
    COST = 4096

    def __init__(self, partition: Partition, label: str = "", vcpus: int = 1, virqs: int = 0) -> None:
        super().__init__(partition, label)
        self.max_vcpus = vcpus
        self.max_virqs = virqs
        self.sources: dict[int, VirqSource] = {}
        self.vcpus: dict[int, Thread] = {}
        self.controller: InterruptController | None = None
        #: where the distributor is attached as a virtual device
        self.gicd: Vdevice | None = None
        self.mpidr_mapping = DEFAULT_MAPPING
        partition.hypervisor.vics[self] = None

    def on_activate(self) -> int:
        """Ask the platform for the controller.

        Errors: NOMEM: no memory for the state of its interrupts.
        """
        assert self.partition is not None
        size = (self.max_vcpus * _PRIVATE_VIRQS + self.max_virqs) * _VIRQ_COST
        if not self.partition.has_room(size):
            return NOMEM
        self.partition.charge(self, size)
        if self.controller is None:
            self.set_controller(self.partition.hypervisor.platform.interrupt_controller(self))
        return OK

    def set_controller(self, controller: InterruptController | None) -> None:
        """Give the VIC its controller; sources that are bound already are connected to it."""
        self.controller = controller
        for source in self.sources.values():
            source.attach(controller)

    def configure(self, vcpus: int, virqs: int) -> int:
        """Set the geometry; ARGUMENT_INVALID when out of range (the number of vCPUs may be stored nevertheless)."""
        if not 1 <= vcpus <= MAX_VCPUS:
            return ARGUMENT_INVALID
        self.max_vcpus = vcpus
        if virqs > MAX_VIRQS:
            return ARGUMENT_INVALID
        self.max_virqs = virqs
        return OK

    def attach_vcpu(self, thread: Thread, index: int) -> int:
        """Attach a vCPU that is not activated yet; it takes its place when it is (`add_vcpu`).

        Errors: ARGUMENT_INVALID: no such index.
        """
        if index >= self.max_vcpus:
            return ARGUMENT_INVALID
        if thread.vic is not None:
            thread.vic.release()
        self.retain()
        thread.vic = self
        thread.vic_index = index
        return OK

    def add_vcpu(self, thread: Thread) -> int:
        """An attached vCPU is being activated: it takes its place.

        Errors: BUSY: another vCPU has it.
        """
        if thread.vic_index in self.vcpus:
            return BUSY
        self.vcpus[thread.vic_index] = thread
        return OK

    def remove_vcpu(self, thread: Thread) -> None:
        """A vCPU dies; its place is free."""
        if self.vcpus.get(thread.vic_index) is thread:
            del self.vcpus[thread.vic_index]

    def on_deactivate(self) -> None:
        """Sources do not keep their VIC alive: they lose their binding; the distributor's registers go."""
        for source in list(self.sources.values()):
            source.unbind()
        if self.gicd is not None:
            self.gicd.detach()

    def on_destroy(self) -> None:
        """The hypervisor forgets it."""
        assert self.partition is not None
        del self.partition.hypervisor.vics[self]


@hypercall(0x6028, reserved=None)
def vic_configure(
    vic: Annotated[Vic, ACTIVATE, ANY_STATE],
    max_vcpus: Count,
    max_virqs: Count,
    vic_options: VicOptionFlags,
    max_msis: Count,
) -> Results:
    """Set a VIC's geometry before it is activated; repeatable until then.

    Without it the VIC is activated with one vCPU and no SPI.  A call that fails for `max_virqs` or `max_msis` may
    have stored `max_vcpus`.

    Arguments:
        vic: a VIC in state INIT.
        max_vcpus: 1..8.
        max_virqs: SPIs, 0..988.
        vic_options: bit 0: `max_msis` is valid; bit 1: no default address.
        max_msis: MSIs; this build has none, so it must be 0 where it is valid, and is ignored where it is not.

    Errors:
        ARGUMENT_INVALID: a reserved bit of `vic_options`; checked before the state.
        OBJECT_STATE: the VIC is not in state INIT.
        ARGUMENT_INVALID: `max_vcpus`, `max_virqs` or `max_msis` is out of range.

    Unspecified: the largest numbers.

    Differs: the document has a reserved register in x3 where the recorded build has `vic_options` and `max_msis`.

    Source: API "Configure a Virtual Interrupt Controller"; recorded.

    """
    if vic_options & VIC_OPTION_FLAGS.reserved:
        return ARGUMENT_INVALID
    if vic.state != INIT:
        return OBJECT_STATE
    error = vic.configure(max_vcpus, max_virqs)
    if error:
        return error
    return ARGUMENT_INVALID if vic_options & _MAX_MSIS_VALID and max_msis else OK


@hypercall(0x6029)
def vic_attach_vcpu(
    vic: Annotated[Vic, VicRights.ATTACH_VCPU], vcpu: Annotated[Thread, ACTIVATE], index: Index
) -> Results:
    """Attach a vCPU to a VIC, before the vCPU is activated.

    Arguments:
        vic: the VIC.
        vcpu: a thread in state INIT; one that was attached elsewhere leaves there.
        index: its place, below the VIC's number of vCPUs; it decides the vCPU's MPIDR.

    Errors:
        ARGUMENT_INVALID: `index` is not below the number of vCPUs.

    Unspecified: when a place is taken: by the activation of the vCPU, not by this call (read).

    Source: API "Virtual Interrupt Controller to VCPU Attachment"; recorded.

    """
    return vic.attach_vcpu(vcpu, index)


@hypercall(0x6056)
def vic_bind_msi_source(vic: Annotated[Vic, VicRights.BIND_SOURCE], msi_source: CapId) -> Results:
    """Bind an MSI source: this build has no kind of object that could be one, and does not look.

    Arguments:
        vic: the VIC.
        msi_source: ignored.

    Errors:
        CSPACE_WRONG_OBJECT_TYPE: always.

    Differs: the document has an index in x2 and a reserved register after it; the recorded release has one reserved
    register in x2.

    Source: API "MSI Source to Virtual Interrupt Controller Attachment"; read, not recorded.

    """
    del vic, msi_source
    return CSPACE_WRONG_OBJECT_TYPE


@hypercall(0x6067, reserved=None)
def vgic_set_mpidr_mapping(
    vic: Annotated[Vic, ACTIVATE],
    mask: U64,
    aff0_shift: Count,
    aff1_shift: Count,
    aff2_shift: Count,
    aff3_shift: Count,
    mt: Bool,
) -> Results:
    """Choose which bits of a vCPU's index become which affinity field of its MPIDR, before the VIC is activated.

    Arguments:
        vic: a VIC in state INIT.
        mask: bits of the affinity fields that are used, in the layout of MPIDR_EL1.
        aff0_shift: lowest bit of the index that Aff0 holds.
        aff1_shift: the same for Aff1.
        aff2_shift: the same for Aff2.
        aff3_shift: the same for Aff3.
        mt: MPIDR_EL1.MT.

    Errors:
        ARGUMENT_INVALID: a shift above 31, fields that overlap, or a mask of index bits that is not 2^n - 1 with n <=
            15.

    Source: read, not recorded.

    """
    shifts = (aff0_shift, aff1_shift, aff2_shift, aff3_shift)
    mapping = MpidrMapping.checked(mask, shifts, multi_thread=mt != 0)
    if mapping is None:
        return ARGUMENT_INVALID
    vic.mpidr_mapping = mapping
    return OK
