"""Doorbells: a word of 64 flags that can raise one virtual interrupt on a receiver (API section "Doorbell Management").

State: flags F, enable mask E, acknowledge mask A; F = 0, E = all ones, A = 0 at first and after a reset.  Everything
below happens alike while no vIRQ is bound; the assertions then have no target (recorded).
"""

from __future__ import annotations

from typing import Annotated, Final

from gunyah_emu.abi.declare import hypercall
from gunyah_emu.abi.errors import ARGUMENT_INVALID, OK
from gunyah_emu.abi.rights import DoorbellRights, VicRights
from gunyah_emu.abi.types import U64, Results, Virq
from gunyah_emu.hypervisor.object import HypervisorObject
from gunyah_emu.hypervisor.partition import Partition
from gunyah_emu.hypervisor.vic import Vic
from gunyah_emu.hypervisor.virq import VirqSource

ALL_FLAGS: Final = 0xFFFF_FFFF_FFFF_FFFF


class Doorbell(HypervisorObject):
    """A doorbell.

    Arguments:
        partition: what it is allocated from.
        label: a name for people.

    """

    __slots__ = ("ack_mask", "enable_mask", "flags", "source")

    RIGHTS = DoorbellRights

    def __init__(self, partition: Partition, label: str = "") -> None:
        super().__init__(partition, label)
        self.flags = 0
        self.enable_mask = ALL_FLAGS
        self.ack_mask = 0
        self.source = VirqSource(self, "doorbell", self.level)

    def level(self) -> bool:
        """Whether an enabled flag is set: what the interrupt controller asks at end of interrupt."""
        return self.flags & self.enable_mask != 0

    def bind(self, vic: Vic, virq: int) -> int:
        """Bind the vIRQ; errors as `VirqSource.bind`."""
        return self.source.bind(vic, virq)

    def reset(self) -> None:
        """Back to the first state, and clear the interrupt."""
        self.source.clear()
        self.flags = 0
        self.enable_mask = ALL_FLAGS
        self.ack_mask = 0

    def mask(self, enable_mask: int, ack_mask: int) -> None:
        """Set both masks; the interrupt follows what that changes."""
        was_high = self.level()
        self.enable_mask = enable_mask
        self.ack_mask = ack_mask
        if self.level():
            if not was_high:
                self.source.assert_level()
            self.flags &= ~ack_mask
        elif was_high:
            self.source.clear()

    def on_deactivate(self) -> None:
        """A doorbell that dies unbinds its vIRQ."""
        self.source.unbind()


@hypercall(0x6010)
def doorbell_bind_virq(
    doorbell: Annotated[Doorbell, DoorbellRights.BIND], vic: Annotated[Vic, VicRights.BIND_SOURCE], virq: Virq
) -> Results:
    """Bind a doorbell to a virtual interrupt.

    Flags and masks stay, and flags that are set already assert nothing until the next send or mask (recorded).

    Arguments:
        doorbell: the doorbell.
        vic: the receiver's interrupt controller.
        virq: the interrupt, an SPI (32..1019).

    Errors:
        VIRQ_BOUND: the doorbell is bound already; checked before the number.
        ARGUMENT_INVALID: `virq` is not an SPI, or beyond the VIC's number of vIRQs.
        BUSY: another source is bound to this interrupt.

    Unspecified: whether flags that are set already raise the interrupt; they do not (recorded).

    Source: API "Doorbell Bind"; recorded.

    """
    return doorbell.source.bind(vic, virq)


@hypercall(0x6011)
def doorbell_unbind_virq(doorbell: Annotated[Doorbell, DoorbellRights.BIND]) -> Results:
    """Unbind a doorbell; no error when it is unbound already.

    A pending level assertion is gone at once, also while the interrupt is active; a pending edge stays (recorded).

    Arguments:
        doorbell: the doorbell.

    Unspecified: what becomes of an interrupt that is pending or active; here as said above.

    Source: API "Doorbell Unbind"; recorded.

    """
    doorbell.source.unbind()
    return OK


@hypercall(0x6012)
def doorbell_send(
    doorbell: Annotated[Doorbell, DoorbellRights.SEND], new_flags: U64
) -> Annotated[Results, "old_flags: uint64"]:
    """Set flags, and raise the interrupt.

    F |= new_flags.  If an enabled flag is set then, the level is asserted and the flags of the acknowledge mask are
    cleared; otherwise only an edge is asserted, which signals only where the receiver made the interrupt
    edge-triggered (recorded).  The returned flags are all those before the call, not only the enabled ones.

    Arguments:
        doorbell: the doorbell.
        new_flags: flags to set; 0 is allowed.

    Differs: the document returns the unmasked flags; all flags come back (recorded).

    Source: API "Doorbell Send"; recorded.

    """
    # In line: the busiest call of all.
    old = doorbell.flags
    doorbell.flags = flags = old | new_flags
    source = doorbell.source
    controller = source.controller
    if flags & doorbell.enable_mask:
        if controller is not None:
            controller.assert_level(source.virq)
        doorbell.flags &= ~doorbell.ack_mask
    elif controller is not None:
        controller.assert_edge(source.virq)
    return 0, old


@hypercall(0x6013)
def doorbell_receive(
    doorbell: Annotated[Doorbell, DoorbellRights.RECEIVE], clear_flags: U64
) -> Annotated[Results, "old_flags: uint64"]:
    """Read the flags and clear some of them.

    An interrupt that is pending is not retracted; a level is looked at again at its end of interrupt (recorded).

    Arguments:
        doorbell: the doorbell.
        clear_flags: flags to clear.

    Errors:
        ARGUMENT_INVALID: `clear_flags` is 0.

    Unspecified: when a level falls, and what becomes of an edge; here neither is touched, and a level is sampled
    again at its end of interrupt (recorded).

    Source: API "Doorbell Receive"; recorded.

    """
    if not clear_flags:
        return ARGUMENT_INVALID
    old = doorbell.flags
    doorbell.flags = old & ~clear_flags
    return 0, old


@hypercall(0x6014)
def doorbell_reset(doorbell: Annotated[Doorbell, DoorbellRights.RECEIVE]) -> Results:
    """Clear the interrupt's level and all flags, enable all flags, acknowledge none.

    A pending edge is not retracted (recorded).

    Arguments:
        doorbell: the doorbell.

    Differs: the document de-asserts a pending interrupt; a pending edge stays (recorded).

    Source: API "Doorbell Reset"; recorded.

    """
    doorbell.reset()
    return OK


@hypercall(0x6015)
def doorbell_mask(doorbell: Annotated[Doorbell, DoorbellRights.RECEIVE], enable_mask: U64, ack_mask: U64) -> Results:
    """Choose which flags raise the interrupt, and which are cleared by raising it.

    If an enabled flag was set and none is now, the level is cleared.  If none was and one is now, the level is
    asserted.  Where one is set now, the flags of the new acknowledge mask are cleared, also when one was set before
    (recorded).

    Arguments:
        doorbell: the doorbell.
        enable_mask: flags that raise the interrupt.
        ack_mask: flags that raising it clears.

    Unspecified: whether flags that were raised before are acknowledged by the new mask; they are (recorded).

    Source: API "Doorbell Mask"; recorded.

    """
    doorbell.mask(enable_mask, ack_mask)
    return OK
