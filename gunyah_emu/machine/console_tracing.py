"""Records what a VM prints, by lines, so that a trace tells when it was said."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gunyah_emu.events import Recorder
    from gunyah_emu.machine.vm import VirtualMachine

LONGEST = 1000
"""Bytes of a line after which it is recorded without its end."""


class ConsoleTracing:
    """Watches one console.

    The texts of its events, one behind the other, are what the guest printed.

    Arguments:
        vm: whose.
        recorder: where events go.
    """

    def __init__(self, vm: VirtualMachine, recorder: Recorder) -> None:
        self._vm = vm
        self._recorder = recorder
        self._held = bytearray()
        vm.console.watch(self)

    def look(self, data: bytes) -> None:
        """Takes new output."""
        held = self._held
        held += data
        if b"\n" not in data and len(held) < LONGEST:
            return
        *lines, rest = held.split(b"\n")
        for line in lines:
            self._emit(line + b"\n")
        held[:] = rest
        if len(held) >= LONGEST:
            self.flush()

    def _emit(self, line: bytearray) -> None:
        for start in range(0, len(line), LONGEST):
            text = line[start : start + LONGEST].decode("utf-8", "replace")
            self._recorder.emit("console", self._vm.name, -1, (text,), 0)

    def flush(self) -> None:
        """Record what is held back: a prompt, a line that has no end."""
        if self._held:
            self._emit(self._held)
            self._held.clear()

    def pause(self) -> None:
        """Watch nothing, until `go_on`; what is held back stays."""
        self._vm.console.unwatch(self)

    def go_on(self) -> None:
        """Watch again."""
        self._vm.console.watch(self)

    def close(self, *, keep: bool) -> None:
        """Watch no longer; `keep` the rest."""
        if keep:
            self.flush()
        self._vm.console.unwatch(self)
