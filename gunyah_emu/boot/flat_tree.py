"""Writes flattened device trees, to the byte as libfdt's sequential writer does.

libfdt itself is not used: its Python binding has no wheels, so that a machine without a C compiler could not install
this package; and what is needed of it is this.  The tests compare with it.

Source: Devicetree Specification 0.4, section 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct, pack

MAGIC, VERSION, LAST_COMPATIBLE_VERSION = 0xD00D_FEED, 17, 16
BEGIN_NODE, END_NODE, PROPERTY, END = 1, 2, 3, 9
HEADER = Struct(">10I")
TOKEN = Struct(">I")


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


class Writer:
    """One tree, written from its root on.

    Arguments:
        reserved: memory reservations, address and bytes of each.
    """

    __slots__ = ("_names", "_names_at", "_reserved", "_structure")

    def __init__(self, reserved: Sequence[tuple[int, int]] = ()) -> None:
        self._reserved = b"".join(pack(">QQ", *entry) for entry in (*reserved, (0, 0)))
        self._structure = bytearray()
        self._names = b""  # of properties; a new one comes in front, and may be the end of a longer one
        #: where the structure means a name, and how far from the end of all names that one begins
        self._names_at: list[tuple[int, int]] = []

    def begin(self, name: str) -> None:
        """Opens a node."""
        self._structure += TOKEN.pack(BEGIN_NODE) + _padded(name.encode() + b"\0")

    def end(self) -> None:
        """Closes the node that was opened last."""
        self._structure += TOKEN.pack(END_NODE)

    def property(self, name: str, value: bytes) -> None:
        """A property of raw bytes."""
        self._structure += TOKEN.pack(PROPERTY) + TOKEN.pack(len(value))
        self._names_at.append((len(self._structure), self._name(name.encode() + b"\0")))
        self._structure += TOKEN.pack(0) + _padded(value)

    def _name(self, name: bytes) -> int:
        """How far from the end of all names this one begins."""
        at = self._names.find(name)
        if at < 0:
            self._names = name + self._names
            at = 0
        return len(self._names) - at

    def strings(self, name: str, *values: str) -> None:
        """A property of strings, each with its NUL."""
        self.property(name, b"".join(value.encode() + b"\0" for value in values))

    def cells(self, name: str, *values: int) -> None:
        """A property of 32-bit cells."""
        self.property(name, pack(f">{len(values)}I", *values))

    def cells64(self, name: str, *values: int) -> None:
        """A property of 64-bit numbers, two cells each."""
        self.property(name, pack(f">{len(values)}Q", *values))

    def finish(self) -> bytes:
        """The tree, to a multiple of 8 bytes; nothing is written to it afterwards."""
        for at, distance in self._names_at:
            TOKEN.pack_into(self._structure, at, len(self._names) - distance)
        structure = bytes(self._structure) + TOKEN.pack(END)
        at_structure = HEADER.size + len(self._reserved)
        at_names = at_structure + len(structure)
        size = at_names + len(self._names)
        sizes = (len(self._names), len(structure))
        header = (MAGIC, size, at_structure, at_names, HEADER.size, VERSION, LAST_COMPATIBLE_VERSION, 0, *sizes)
        whole = HEADER.pack(*header) + self._reserved + structure + self._names
        return whole + bytes(-size % 8)
