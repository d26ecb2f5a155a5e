"""What guests print, once: whoever goes back in time and forward again has read it already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from gunyah_emu.machine.machine import Machine

KEPT: Final = 1 << 20
"""Bytes of a console that are remembered as printed; what is older is taken to be the same when it comes again."""


class _Printed:
    """What was printed of one console: bytes from `begin` on."""

    __slots__ = ("begin", "data")

    def __init__(self) -> None:
        self.begin = 0
        self.data = bytearray()

    def news(self, begin: int, data: bytes) -> bytes:
        """The part of some output that was not printed before.

        Arguments:
            begin: how much output there was before it.
            data: the output.
        """
        end = self.begin + len(self.data)
        if begin < end:
            known = self.data[max(begin - self.begin, 0) : max(begin + len(data) - self.begin, 0)]
            again = data[max(self.begin - begin, 0) :][: len(known)]
            if known == again:
                data = data[end - begin :]
                begin = end
            else:  # another future
                del self.data[max(begin - self.begin, 0) :]
        if data:
            self._keep(begin, data)
        return data

    def _keep(self, begin: int, data: bytes) -> None:
        if begin != self.begin + len(self.data):
            self.begin = begin
            self.data.clear()
        self.data += data
        if len(self.data) > 2 * KEPT:
            self.begin += len(self.data) - KEPT
            del self.data[:-KEPT]


class FirstTime:
    """Passes on what guests print for the first time; a machine's `on_console` listener.

    Arguments:
        machine: whose.
        write: called with the VM's name and the new bytes.
    """

    def __init__(self, machine: Machine, write: Callable[[str, bytes], None]) -> None:
        self._machine = machine
        self._write = write
        self._printed: dict[str, _Printed] = {}

    def __call__(self, name: str, data: bytes) -> None:
        """A VM has printed, perhaps not for the first time."""
        total = self._machine.vm(name).console.total
        news = self._printed.setdefault(name, _Printed()).news(total - len(data), data)
        if news:
            self._write(name, news)
