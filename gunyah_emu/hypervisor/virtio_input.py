"""The configuration space of a virtio input device, which the hypervisor answers itself (virtio 1.1, 5.8.4).

The driver selects a piece of information by two bytes, and finds its size and content in the page; the back end hands
all pieces over beforehand.
"""

from __future__ import annotations

from typing import ClassVar, Final

from gunyah_emu.abi.errors import ARGUMENT_INVALID, ARGUMENT_SIZE, NORESOURCES, OK

SELECT: Final = 0
SUBSELECT: Final = 1
SIZE: Final = 2
CONTENT: Final = 8

ID_NAME: Final = 0x01
ID_SERIAL: Final = 0x02
ID_DEVIDS: Final = 0x03
PROP_BITS: Final = 0x10
EV_BITS: Final = 0x11
ABS_INFO: Final = 0x12

MAX_EVENT_TYPES: Final = 32
MAX_AXES: Final = 64

_MAX_SIZE: Final = {ID_NAME: 128, ID_SERIAL: 128, ID_DEVIDS: 8, PROP_BITS: 4, EV_BITS: 128, ABS_INFO: 20}
_FIXED_SIZE: Final = (ID_DEVIDS, PROP_BITS, ABS_INFO)
_MAX_SUBSELECT: Final = {EV_BITS: MAX_EVENT_TYPES, ABS_INFO: MAX_AXES}

EVENT_TYPE_COST: Final = 130
AXIS_COST: Final = 21


class VirtioInput:
    """What an input device says about itself.

    Arguments:
        space: the configuration space in the register page.

    """

    __slots__ = ("_pieces", "capacity", "space")

    COST: ClassVar[int] = 320

    def __init__(self, space: memoryview) -> None:
        self.space = space
        #: content by (select, subselect); strings have no entry until they are set
        self._pieces: dict[tuple[int, int], bytes] = {(ID_DEVIDS, 0): bytes(8), (PROP_BITS, 0): bytes(4)}
        #: how many event types and axes it may have; 0: not yet said
        self.capacity = {EV_BITS: 0, ABS_INFO: 0}

    def configure(self, device_ids: int, properties: int) -> None:
        """Set the identifiers and the property bits."""
        self._pieces[ID_DEVIDS, 0] = device_ids.to_bytes(8, "little")
        self._pieces[PROP_BITS, 0] = properties.to_bytes(4, "little")

    def check(self, select: int, subselect: int, size: int) -> int:
        """Whether a piece of this size may be set.

        Errors in order: ARGUMENT_INVALID: no such piece, or no room was made for its kind.  NORESOURCES: that room is
        used up. ARGUMENT_SIZE: no bytes, or too many.
        """
        limit = _MAX_SIZE.get(select)
        if limit is None:
            return ARGUMENT_INVALID
        if select in self.capacity:
            if not self.capacity[select] or subselect >= _MAX_SUBSELECT[select]:
                return ARGUMENT_INVALID
            if sum(1 for key in self._pieces if key[0] == select) >= self.capacity[select]:
                return NORESOURCES
        elif subselect:
            return ARGUMENT_INVALID
        return OK if 0 < size <= limit else ARGUMENT_SIZE

    def put(self, select: int, subselect: int, data: bytes) -> None:
        """Set a piece that `check` allowed; of an entry that exists already, the driver sees the first."""
        if select in _FIXED_SIZE:
            old = self._pieces.get((select, subselect), b"")
            data = data + old[len(data) :].ljust(_MAX_SIZE[select] - len(data), b"\0")
        if select in self.capacity and (select, subselect) in self._pieces:
            # The second entry of the same name takes room and is never found.
            self._pieces[select, -sum(1 for key in self._pieces if key[0] == select)] = data
        else:
            self._pieces[select, subselect] = data

    def drop(self, select: int) -> None:
        """A string could not be read: it is empty."""
        if select in (ID_NAME, ID_SERIAL):
            self._pieces.pop((select, 0), None)

    def write(self, offset: int, size: int, value: int) -> bool:
        """The driver writes `size` bytes; `False`: an external abort, after the selectors among them took effect."""
        for here in range(offset, offset + size):
            if here not in (SELECT, SUBSELECT):
                return False
            self.space[here] = value & 0xFF
            value >>= 8
            self._show()
        return True

    def _show(self) -> None:
        piece = self._pieces.get((self.space[SELECT], self.space[SUBSELECT]), b"")
        self.space[SIZE] = len(piece)
        self.space[CONTENT : CONTENT + len(piece)] = piece
