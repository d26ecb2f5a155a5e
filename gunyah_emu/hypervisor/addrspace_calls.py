"""The hypercalls on address spaces (API section "Address Space Management")."""

from __future__ import annotations

from typing import Annotated, Final

from gunyah_emu.abi.bitfields import (
    ADDRSPACE_VMMIO_CONFIGURE_OP,
    VGIC_GICR_ATTACH_FLAGS,
    AddrspaceMapFlags,
    AddrspaceVmmioConfigureOp,
    MemextentAccessAttrs,
    MemextentMappingAttrs,
    VgicGicrAttachFlags,
)
from gunyah_emu.abi.declare import hypercall
from gunyah_emu.abi.errors import (
    ARGUMENT_INVALID,
    CSPACE_WRONG_OBJECT_TYPE,
    MEMDB_NOT_OWNER,
    OBJECT_STATE,
    OK,
    UNIMPLEMENTED,
)
from gunyah_emu.abi.rights import ACTIVATE, AddrSpaceRights, MemExtentRights, VicRights
from gunyah_emu.abi.types import ANY_STATE, CapId, Index, Results, Size, VmAddr, Vmid
from gunyah_emu.hypervisor.addrspace import Addrspace
from gunyah_emu.hypervisor.memextent import MemExtent
from gunyah_emu.hypervisor.memextent_mapping import (
    map_extent,
    map_part,
    unmap_extent,
    unmap_part,
    update_access_extent,
    update_access_part,
)
from gunyah_emu.hypervisor.object import ACTIVE, INIT
from gunyah_emu.hypervisor.thread import Thread
from gunyah_emu.hypervisor.vdevice import attach_distributor, attach_redistributor
from gunyah_emu.hypervisor.vic import Vic

_PARTIAL: Final = 1 << 0
_LAST_VALID: Final = 1 << 0
_LAST: Final = 1 << 1
_ADD: Final = ADDRSPACE_VMMIO_CONFIGURE_OP.values["ADD"]
_REMOVE: Final = ADDRSPACE_VMMIO_CONFIGURE_OP.values["REMOVE"]


@hypercall(0x602A, order=("thread", "addrspace"))
def addrspace_attach_thread(
    addrspace: Annotated[Addrspace, AddrSpaceRights.ATTACH], thread: Annotated[Thread, ACTIVATE, ANY_STATE]
) -> Results:
    """Attach an address space to a vCPU, before the vCPU is activated; one that was attached leaves.

    Arguments:
        addrspace: an active address space.
        thread: a thread in state INIT.

    Errors:
        OBJECT_STATE: the thread is not in state INIT.
        NOMEM: eight threads are attached already.

    Source: API "Address Space to Thread Attachment"; success recorded, the order read.

    """
    if thread.state != INIT:
        return OBJECT_STATE
    return thread.attach_addrspace(addrspace)


@hypercall(0x602B, reserved=None, strict=("map_attrs", "map_flags"))
def addrspace_map(
    addrspace: Annotated[Addrspace, AddrSpaceRights.MAP],
    memextent: Annotated[MemExtent, MemExtentRights.MAP],
    vbase: VmAddr,
    map_attrs: MemextentMappingAttrs,
    map_flags: AddrspaceMapFlags,
    offset: Size,
    size: Size,
) -> Results:
    """Map a memory extent, or a part of a sparse one, into an address space.

    Only memory that the extent owns is mapped; the rest of the mapping is remembered, and takes effect when the
    memory comes.  What was mapped there before is replaced without a word.  An extent has four mappings; mapping it
    again at the same place takes another one (recorded).

    Arguments:
        addrspace: an active address space.
        memextent: an active extent.
        vbase: the IPA of the extent's first byte, or of the part's; whole pages.
        map_attrs: rights of user and kernel, stage-2 memory type.
        map_flags: bit 0 partial: map [offset, offset + size); bit 31 no_sync: do not wait for other CPUs.
        offset: bytes from the extent's start, only with partial.
        size: bytes, only with partial.

    Errors:
        ARGUMENT_INVALID: unknown bits in `map_attrs` or `map_flags` (before any capability; recorded).
        ARGUMENT_ALIGNMENT: `vbase`, or with partial `offset` or `size`, is not a multiple of the page size.
        ARGUMENT_SIZE: with partial: no bytes, or beyond the extent or the address space of 64 bits.
        ARGUMENT_INVALID: rights that the extent lacks, or a memory type that it forbids.
        MEMEXTENT_TYPE: partial on a basic extent.
        ADDR_OVERFLOW: a basic extent would end beyond 64 bits.
        ADDR_INVALID: a sparse extent would end beyond 48 bits.
        MEMEXTENT_MAPPINGS_FULL: the extent has no mapping left.
        NOMEM: no memory for tables.
        ADDR_INVALID: starts beyond the 36 bits of the address space.
        ADDR_OVERFLOW: ends beyond them.

    Stops the hypervisor: rights of user and kernel that differ in more than execution, a kernel that may only
    execute, and a sparse extent that would wrap around 64 bits (read: failed assertions).

    Source: API "Address Space Map"; the marked errors recorded, the order read.

    """
    if map_flags & _PARTIAL:
        return map_part(memextent, addrspace, vbase, offset, size, map_attrs)
    return map_extent(memextent, addrspace, vbase, map_attrs)


@hypercall(0x602C, reserved=None, strict=("map_flags",))
def addrspace_unmap(
    addrspace: Annotated[Addrspace, AddrSpaceRights.MAP],
    memextent: Annotated[MemExtent, MemExtentRights.MAP],
    vbase: VmAddr,
    map_flags: AddrspaceMapFlags,
    offset: Size,
    size: Size,
) -> Results:
    """Undo a mapping of a memory extent, or a part of it where the extent is sparse.

    Stage 2 loses only what is still mapped to the extent's memory.

    Arguments:
        addrspace: an active address space.
        memextent: an active extent.
        vbase: as it was given to `addrspace_map`.
        map_flags: as for `addrspace_map`.
        offset: bytes from the extent's start, only with partial.
        size: bytes, only with partial.

    Errors:
        ARGUMENT_INVALID: unknown bits in `map_flags` (before any capability).
        ARGUMENT_ALIGNMENT, ARGUMENT_SIZE, MEMEXTENT_TYPE: as for `addrspace_map`.
        ADDR_INVALID: the extent has no such mapping (recorded).

    Stops the hypervisor: to unmap memory that never could be mapped, because the address is beyond the address space.

    Source: API "Address Space Unmap"; the marked errors recorded, the order read.

    """
    if map_flags & _PARTIAL:
        return unmap_part(memextent, addrspace, vbase, offset, size)
    return unmap_extent(memextent, addrspace, vbase)


@hypercall(0x602D, reserved=None, strict=("access_attrs", "map_flags"))
def addrspace_update_access(
    addrspace: Annotated[Addrspace, AddrSpaceRights.MAP],
    memextent: Annotated[MemExtent, MemExtentRights.MAP],
    vbase: VmAddr,
    access_attrs: MemextentAccessAttrs,
    map_flags: AddrspaceMapFlags,
    offset: Size,
    size: Size,
) -> Results:
    """Change the rights of a mapping.

    The recorded build never finds the mapping of a sparse extent here, and answers ADDR_INVALID (read: a loop forgets
    its result).

    Arguments:
        addrspace: an active address space.
        memextent: an active extent.
        vbase: as it was given to `addrspace_map`.
        access_attrs: the new rights of user and kernel.
        map_flags: as for `addrspace_map`.
        offset: bytes from the extent's start, only with partial.
        size: bytes, only with partial.

    Errors:
        ARGUMENT_INVALID: unknown bits in `access_attrs` or `map_flags` (before any capability).
        ARGUMENT_INVALID: rights that the extent lacks.
        ARGUMENT_ALIGNMENT, ARGUMENT_SIZE, MEMEXTENT_TYPE: as for `addrspace_map`.
        ADDR_INVALID: the extent has no such mapping, or is sparse.

    Stops the hypervisor: as `addrspace_map`.

    Source: API "Address Space Update Access"; read, not recorded.

    """
    if map_flags & _PARTIAL:
        return update_access_part(memextent, addrspace, vbase, offset, size, access_attrs)
    return update_access_extent(memextent, addrspace, vbase, access_attrs)


@hypercall(0x602E)
def addrspace_configure(addrspace: Annotated[Addrspace, ACTIVATE], vmid: Vmid) -> Results:
    """Choose the VMID of an address space, before it is activated.

    Without a VMID, or with one that is in use, the activation answers BUSY (recorded).

    Arguments:
        addrspace: an address space in state INIT.
        vmid: 1..255.

    Errors:
        ARGUMENT_INVALID: 0, or above 255.

    Source: API "Configure an Address Space"; read, not recorded.

    """
    return addrspace.configure(vmid)


@hypercall(0x602F)
def addrspace_attach_vdma(
    addrspace: Annotated[Addrspace, AddrSpaceRights.ATTACH], dma_device: CapId, index: Index
) -> Results:
    """Attach a virtual DMA device: this build has no kind of object that could be one, and does not look.

    Arguments:
        addrspace: an active address space.
        dma_device: ignored.
        index: ignored.

    Errors:
        CSPACE_WRONG_OBJECT_TYPE: always.

    Source: API "Address Space to DMA-capable Object Attachment"; read, not recorded.

    """
    del addrspace, dma_device, index
    return CSPACE_WRONG_OBJECT_TYPE


@hypercall(0x605A)
def addrspace_lookup(
    addrspace: Annotated[Addrspace, AddrSpaceRights.LOOKUP],
    memextent: Annotated[MemExtent, MemExtentRights.LOOKUP],
    vbase: VmAddr,
    size: Size,
) -> Annotated[Results, "offset: size", "size: size", "map_attrs: memextent_mapping_attrs"]:
    """Find where in a memory extent an IPA range leads: its first part that is contiguous and has the same rights.

    Arguments:
        addrspace: an active address space.
        memextent: the extent that is expected there.
        vbase: the IPA; whole pages.
        size: bytes; whole pages.

    Errors:
        ARGUMENT_SIZE: `size` is 0.
        ADDR_OVERFLOW: the range ends beyond 64 bits.
        ARGUMENT_ALIGNMENT: `vbase` or `size` is not a multiple of the page size.
        ADDR_INVALID: the first page is not mapped (recorded).
        MEMDB_NOT_OWNER: the extent does not own all that was found (recorded).

    Source: API "Address Space Lookup"; the marked errors recorded, the order read.

    """
    found = addrspace.lookup(vbase, size)
    if isinstance(found, int):
        return found
    pa, length, attrs = found
    if not addrspace.memory.owns(pa, length, memextent):
        return MEMDB_NOT_OWNER
    return OK, pa - memextent.base, length, attrs


@hypercall(0x605B)
def addrspace_configure_info_area(
    addrspace: Annotated[Addrspace, ACTIVATE, ANY_STATE],
    info_area_me: Annotated[MemExtent, MemExtentRights.ATTACH],
    ipa: VmAddr,
) -> Results:
    """Give an address space a page in which the hypervisor publishes information, before it is activated.

    This build publishes nothing: the page is zero.

    Arguments:
        addrspace: an address space in state INIT.
        info_area_me: a basic extent of at most a page, readable and writable, of any memory type.
        ipa: where the guest will see it; the guest's memory map is the caller's affair.

    Errors:
        OBJECT_STATE: the address space is not in state INIT.
        ARGUMENT_INVALID: the extent is larger than a page.
        ADDR_INVALID: `ipa` is not a multiple of the page size, or not in the address space.
        ARGUMENT_INVALID: the extent is sparse, not readable and writable, or has a memory type.

    Source: read, not recorded.

    """
    if addrspace.state != INIT:
        return OBJECT_STATE
    return addrspace.configure_info_area(info_area_me, ipa)


@hypercall(0x6060)
def addrspace_configure_vmmio(
    addrspace: Annotated[Addrspace, AddrSpaceRights.ADD_VMMIO_RANGE, ANY_STATE],
    vbase: VmAddr,
    size: Size,
    op: AddrspaceVmmioConfigureOp,
) -> Results:
    """Nominate a range whose accesses by a proxy-scheduled vCPU end the `vcpu_run` of its scheduler.

    The recorded build cannot remove a range: it finds none equal to the one given and answers BUSY (read).

    Arguments:
        addrspace: an address space in state INIT or ACTIVE.
        vbase: the range's first IPA.
        size: bytes.
        op: 0: add; 1: remove.

    Errors:
        OBJECT_STATE: neither INIT nor ACTIVE.
        UNIMPLEMENTED: an unknown `op`.
        ARGUMENT_SIZE: `size` is 0.
        ADDR_OVERFLOW: the range ends at or beyond 64 bits.
        NORESOURCES: 128 ranges were added.
        ARGUMENT_SIZE: the range ends beyond 52 bits.
        BUSY: it overlaps another range; always for a removal.

    Source: API "Address Space Virtual MMIO Area Configuration"; read, not recorded.

    """
    if addrspace.state not in (INIT, ACTIVE):
        return OBJECT_STATE
    if op == _ADD:
        return addrspace.add_vmmio_range(vbase, size)
    return addrspace.remove_vmmio_range(vbase, size) if op == _REMOVE else UNIMPLEMENTED


@hypercall(0x6062, reserved=None)
def addrspace_attach_vdevice(
    addrspace: Annotated[Addrspace, AddrSpaceRights.MAP],
    vdevice: Annotated[Vic, VicRights.ATTACH_VDEVICE],
    index: Index,
    vbase: VmAddr,
    size: Size,
    flags: VgicGicrAttachFlags,
) -> Results:
    """Put a VIC's registers into an address space: the distributor, or a vCPU's redistributor.

    Arguments:
        addrspace: an active address space.
        vdevice: an active VIC.
        index: 0: the distributor; n: the redistributor of the vCPU with index n - 1.
        vbase: the registers' first IPA.
        size: bytes; 64 KiB for a distributor, 128 KiB for a redistributor are usual, any are accepted.
        flags: redistributors only: bit 0 last_valid, bit 1 last: GICR_TYPER.Last.

    Errors:
        ARGUMENT_INVALID: `index` above the VIC's number of vCPUs (recorded).
        ARGUMENT_INVALID: unknown bits in `flags`; for the distributor, any bit.
        BUSY: the distributor is attached already (recorded).
        IDLE: no active vCPU has that index.
        BUSY: the redistributor is attached already.
        ARGUMENT_INVALID: `size` is 0, or the range ends beyond 64 bits.
        ARGUMENT_SIZE: the range ends beyond 44 bits.
        BUSY: another virtual device is there.

    Source: API "Address Space to Virtual Device Attachment"; the marked errors recorded, the order read.

    """
    if index > vdevice.max_vcpus:
        return ARGUMENT_INVALID
    if index == 0:
        return ARGUMENT_INVALID if flags else attach_distributor(vdevice, addrspace, vbase, size)
    if flags & VGIC_GICR_ATTACH_FLAGS.reserved:
        return ARGUMENT_INVALID
    last = bool(flags & _LAST) if flags & _LAST_VALID else None
    return attach_redistributor(vdevice, index - 1, addrspace, vbase, size, last)
