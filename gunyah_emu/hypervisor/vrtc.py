"""The virtual real-time clock's calls, which no guest can reach.

The API names them but leaves their numbers to the vendor, and the recorded build has none.  They are declared, so that
whoever looks for them learns that.
"""

from __future__ import annotations

from typing import Annotated

from gunyah_emu.abi.declare import hypercall
from gunyah_emu.abi.errors import UNIMPLEMENTED
from gunyah_emu.abi.types import CapId, Nanoseconds, Results, Ticks, VmAddr


@hypercall(None, absent=True)
def partition_create_vrtc(src_partition: CapId, cspace: CapId) -> Annotated[Results, "new_cap: cap_id_t"]:
    """Create a virtual real-time clock: without a number, and so without a caller."""
    del src_partition, cspace
    return UNIMPLEMENTED


@hypercall(None, absent=True)
def vrtc_attach_addrspace(vrtc: CapId, addrspace: CapId) -> Results:
    """Attach a clock to an address space: without a number, and so without a caller."""
    del vrtc, addrspace
    return UNIMPLEMENTED


@hypercall(None, absent=True)
def vrtc_configure(vrtc: CapId, ipa: VmAddr) -> Results:
    """Place a clock in its address space: without a number, and so without a caller."""
    del vrtc, ipa
    return UNIMPLEMENTED


@hypercall(None, absent=True)
def vrtc_set_time_base(vrtc: CapId, time_base: Nanoseconds, sys_timer_ref: Ticks) -> Results:
    """Set a clock: without a number, and so without a caller."""
    del vrtc, time_base, sys_timer_ref
    return UNIMPLEMENTED
