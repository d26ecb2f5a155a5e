"""What a GIC tells whoever records what happens: only the shape; events are the recorder's business."""

from __future__ import annotations

from typing import Protocol


class GicObserver(Protocol):
    """Receives what happens to interrupts, in order.  `vcpu` is -1 where an SPI has no target."""

    def pended(self, vcpu: int, intid: int) -> None:
        """The interrupt became pending: by a source, a register write or an SGI."""

    def dropped(self, vcpu: int, intid: int) -> None:
        """The interrupt's source was withdrawn before the interrupt ended."""

    def acknowledged(self, vcpu: int, intid: int) -> None:
        """The guest took the interrupt: ICC_IAR returned it."""

    def ended(self, vcpu: int, intid: int) -> None:
        """The guest wrote ICC_EOIR for it."""

    def unknown_register(self, frame: str, offset: int, write: bool) -> None:
        """A reserved offset of `frame` (GICD, GICR) was accessed; told once per offset and direction."""
