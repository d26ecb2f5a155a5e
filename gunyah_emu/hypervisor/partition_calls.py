"""Creating objects from a partition (API section "Partitions").

The creator gets a master capability with all rights of the type; the object is in state INIT.
"""

from __future__ import annotations

from typing import Annotated, Final

from gunyah_emu.abi.declare import hypercall
from gunyah_emu.abi.errors import NOMEM, OK, UNIMPLEMENTED
from gunyah_emu.abi.rights import CSpaceRights, PartitionRights
from gunyah_emu.abi.types import CapId, Results
from gunyah_emu.hypervisor.cspace import CSpace
from gunyah_emu.hypervisor.object import OBJECT_TYPES
from gunyah_emu.hypervisor.partition import Partition

Creator = Annotated[Partition, PartitionRights.OBJECT_CREATE]
Destination = Annotated[CSpace, CSpaceRights.CAP_CREATE]
NewCap = Annotated[Results, "new_cap: cap_id_t"]

INVALID_CAP: Final = 0xFFFF_FFFF_FFFF_FFFF


def create(partition: Partition, cspace: CSpace, type_name: str) -> Results:
    """Make an object of the class `type_name` and a master capability to it: (OK, id), or an error.

    Errors: NOMEM: no memory for the object or for a table of slots.  CSPACE_FULL: no slot; the object is gone again.
    """
    kind = OBJECT_TYPES[type_name]
    if not partition.has_room(kind.COST):
        return NOMEM
    created = kind(partition)
    capability = cspace.allocate(created, kind.RIGHTS.ALL, master=True)
    if isinstance(capability, int):
        created.release()
        return capability
    return OK, capability.id


@hypercall(0x6001)
def partition_create_partition(src_partition: CapId, cspace: CapId) -> NewCap:
    """Create a partition: unimplemented in the recorded build, which looks at neither capability; x1 = 64-bit -1.

    Arguments:
        src_partition: ignored.
        cspace: ignored.

    Errors:
        UNIMPLEMENTED: always.

    Source: API "Partition Object Creation"; recorded.

    """
    del src_partition, cspace
    return UNIMPLEMENTED, INVALID_CAP


@hypercall(0x6009, absent=True)
def partition_create_watchdog(src_partition: CapId, cspace: CapId) -> NewCap:
    """Create a watchdog: the recorded build has none, and answers as to any number without a call.

    Source: API "Watchdog object creation"; recorded.
    """
    del src_partition, cspace
    return UNIMPLEMENTED


@hypercall(0x6002)
def partition_create_cspace(src_partition: Creator, cspace: Destination) -> NewCap:
    """Create a cspace; it has to be configured, and activated before it can hold capabilities.

    Arguments:
        src_partition: what it is allocated from.
        cspace: where its master capability goes.

    Errors:
        NOMEM: no memory for the object or for a table of slots.
        CSPACE_FULL: the cspace holds as many capabilities as it was configured for.

    Source: API "Capability Space Object Creation"; recorded.

    """
    return create(src_partition, cspace, "CSpace")


@hypercall(0x6003)
def partition_create_addrspace(src_partition: Creator, cspace: Destination) -> NewCap:
    """Create an address space; it has to be configured with a VMID, and activated.

    Arguments:
        src_partition: what it is allocated from.
        cspace: where its master capability goes.

    Errors:
        NOMEM: no memory for the object or for a table of slots.
        CSPACE_FULL: the cspace holds as many capabilities as it was configured for.

    Source: API "Address Space Object Creation"; recorded.

    """
    return create(src_partition, cspace, "Addrspace")


@hypercall(0x6004)
def partition_create_memextent(src_partition: Creator, cspace: Destination) -> NewCap:
    """Create a memory extent; it has to be configured or derived, and activated.

    Arguments:
        src_partition: what it is allocated from.
        cspace: where its master capability goes.

    Errors:
        NOMEM: no memory for the object or for a table of slots.
        CSPACE_FULL: the cspace holds as many capabilities as it was configured for.

    Source: API "Memory Extent Object Creation"; recorded.

    """
    return create(src_partition, cspace, "MemExtent")


@hypercall(0x6005)
def partition_create_thread(src_partition: Creator, cspace: Destination) -> NewCap:
    """Create a thread (vCPU); it has to be configured, attached to an address space, a cspace and a VIC, and activated.

    Arguments:
        src_partition: what it is allocated from.
        cspace: where its master capability goes.

    Errors:
        NOMEM: no memory for the object or for a table of slots.
        CSPACE_FULL: the cspace holds as many capabilities as it was configured for.

    Source: API "Thread (Virtual CPU) Object Creation"; recorded.

    """
    return create(src_partition, cspace, "Thread")


@hypercall(0x6006)
def partition_create_doorbell(src_partition: Creator, cspace: Destination) -> NewCap:
    """Create a doorbell; it has to be activated.

    Arguments:
        src_partition: what it is allocated from.
        cspace: where its master capability goes.

    Errors:
        NOMEM: no memory for the object or for a table of slots.
        CSPACE_FULL: the cspace holds as many capabilities as it was configured for.

    Source: API "Doorbell Object Creation"; recorded.

    """
    return create(src_partition, cspace, "Doorbell")


@hypercall(0x6007)
def partition_create_msgqueue(src_partition: Creator, cspace: Destination) -> NewCap:
    """Create a message queue; it has to be configured, and activated.

    Arguments:
        src_partition: what it is allocated from.
        cspace: where its master capability goes.

    Errors:
        NOMEM: no memory for the object or for a table of slots.
        CSPACE_FULL: the cspace holds as many capabilities as it was configured for.

    Source: API "Message Queue Object Creation"; recorded.

    """
    return create(src_partition, cspace, "MsgQueue")


@hypercall(0x600A)
def partition_create_vic(src_partition: Creator, cspace: Destination) -> NewCap:
    """Create a virtual interrupt controller; it has to be configured, and activated.

    Arguments:
        src_partition: what it is allocated from.
        cspace: where its master capability goes.

    Errors:
        NOMEM: no memory for the object or for a table of slots.
        CSPACE_FULL: the cspace holds as many capabilities as it was configured for.

    Source: API "Virtual Interrupt Controller Object Creation"; recorded.

    """
    return create(src_partition, cspace, "Vic")


@hypercall(0x600B)
def partition_create_vpm_group(src_partition: Creator, cspace: Destination) -> NewCap:
    """Create a virtual power management group; it has to be activated before vCPUs are attached.

    Arguments:
        src_partition: what it is allocated from.
        cspace: where its master capability goes.

    Errors:
        NOMEM: no memory for the object or for a table of slots.
        CSPACE_FULL: the cspace holds as many capabilities as it was configured for.

    Source: API "Virtual PM Group Object Creation"; recorded.

    """
    return create(src_partition, cspace, "VpmGroup")


@hypercall(0x6048)
def partition_create_virtio_mmio(src_partition: Creator, cspace: Destination) -> NewCap:
    """Create a virtio-mmio device; it has to be configured, and activated.

    Arguments:
        src_partition: what it is allocated from.
        cspace: where its master capability goes.

    Errors:
        NOMEM: no memory for the object or for a table of slots.
        CSPACE_FULL: the cspace holds as many capabilities as it was configured for.

    Source: API "Virtual IO MMIO object creation"; recorded.

    """
    return create(src_partition, cspace, "VirtioMmio")
