"""Why a vCPU does not execute: the reasons that the hypervisor keeps, and what `vcpu_run` makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gunyah_emu.hypervisor.thread import Thread

BLOCK_OFF: Final = 1 << 0
BLOCK_SUSPEND: Final = 1 << 1
BLOCK_WFI: Final = 1 << 2
BLOCK_FAULT: Final = 1 << 3
BLOCK_VMMIO: Final = 1 << 4
BLOCK_PROXY: Final = 1 << 5

RUN_READY: Final = 0
RUN_EXPECTS_WAKEUP: Final = 1
RUN_POWERED_OFF: Final = 2
RUN_BLOCKED: Final = 3
RUN_VMMIO_READ: Final = 4
RUN_VMMIO_WRITE: Final = 5
RUN_FAULT: Final = 6
RUN_SYSTEM_RESET: Final = 0x100

WAKEUP_FROM_WFI: Final = 1
WAKEUP_FROM_CPU_SUSPEND: Final = 2


class VmmioAccess:
    """An access that a proxy scheduler has to answer: IPA, bytes, the value written (`None`: a read)."""

    __slots__ = ("ipa", "size", "value")

    def __init__(self, ipa: int, size: int, value: int | None) -> None:
        self.ipa = ipa
        self.size = size
        self.value = value


def run_state(vcpu: Thread) -> tuple[int, int, int, int]:
    """Why a vCPU does not execute: a vcpu_run_state and its three words of data (API "vcpu_run")."""
    if vcpu.exited:
        return RUN_POWERED_OFF, 1, 0, 0
    blocks = vcpu.blocks
    access = vcpu.vmmio
    if blocks & BLOCK_VMMIO and access is not None:
        if access.value is None:
            return RUN_VMMIO_READ, access.ipa, access.size, 0
        return RUN_VMMIO_WRITE, access.ipa, access.size, access.value
    if blocks & BLOCK_WFI:
        return RUN_EXPECTS_WAKEUP, 0, WAKEUP_FROM_WFI, 0
    if vcpu.reset_request is not None:
        return RUN_SYSTEM_RESET, *vcpu.reset_request, 0
    if blocks & BLOCK_SUSPEND:
        return RUN_EXPECTS_WAKEUP, vcpu.suspend_state, WAKEUP_FROM_CPU_SUSPEND, 0
    if blocks & BLOCK_FAULT:
        return RUN_FAULT, 0, 0, 0
    return (RUN_POWERED_OFF if blocks & BLOCK_OFF else RUN_BLOCKED), 0, 0, 0
