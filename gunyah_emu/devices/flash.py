"""The flash that a VM starts from: its contents are memory, and what is stored to it is a command.

No command is obeyed, so the contents stay as they are.  U-Boot stores to the flash that it runs from before it has
moved to RAM, by mistake; QEMU's flash takes that for an unknown command, too.
"""

from __future__ import annotations


class Flash:
    """What answers stores to the flash; loads and fetches are memory's."""

    def read(self, _offset: int, _size: int) -> int | None:
        """Nothing: there is memory wherever this device is."""
        return None

    def write(self, _offset: int, _size: int, _value: int) -> bool:
        """A command, which is ignored."""
        return True
