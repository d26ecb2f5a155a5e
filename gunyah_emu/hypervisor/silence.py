"""Why a send tells its receiver nothing: what stands between an object and its virtual interrupt.

What lies behind the interrupt controller is the controller's business (`gic.why`), and the machine's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gunyah_emu.hypervisor.doorbell import Doorbell
from gunyah_emu.hypervisor.msgqueue import MsgQueue

if TYPE_CHECKING:
    from gunyah_emu.hypervisor.object import HypervisorObject
    from gunyah_emu.hypervisor.virq import VirqSource

SENDS: Final = {"doorbell_send": "doorbell", "msgqueue_send": "msgqueue"}
"""Calls that may interrupt somebody, and the argument that names the object."""

NOT_BOUND: Final = "no virtual interrupt is bound to it"


def receiver_source(target: HypervisorObject) -> VirqSource | None:
    """The source by which a send to an object interrupts its receiver; None for an object that nobody sends to."""
    if isinstance(target, Doorbell):
        return target.source
    return target.receive_source if isinstance(target, MsgQueue) else None


def silence(source: VirqSource) -> dict[str, str]:
    """Why this source of a receiver asserts nothing now, as names and sentences; empty where its level stands."""
    found = {} if source.vic is not None else {"not_bound": NOT_BOUND}
    owner = source.owner
    if isinstance(owner, Doorbell) and not owner.level():
        if owner.flags:
            masks = f"flags {owner.flags:#x}, enable mask {owner.enable_mask:#x}"
            found["flag_not_enabled"] = f"none of its flags is enabled: {masks}"
        elif not found:
            found["no_flags"] = "no flag of it is set"
    elif isinstance(owner, MsgQueue) and not owner.receive_level():
        count, threshold = len(owner.messages), owner.receive_threshold
        found["below_threshold"] = f"the receive threshold is not reached: {count} of {threshold} messages"
    return found
