"""A dialogue with a guest: wait for a text, type an answer, wait for the next.

It happens inside the guest's own write to its console, so it depends on the guest's instructions alone: the same guest
gets the same input at the same instruction in every run.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gunyah_emu.devices.console import Console


class Script:
    """A dialogue that starts now.

    Arguments:
        console: the guest's.
        steps: pairs of a text to wait for and a text to type then.  Each is looked for behind the one before it; an
            empty one is there at once.
    """

    __slots__ = ("_console", "_seen", "_steps")

    def __init__(self, console: Console, steps: Iterable[tuple[bytes, bytes]]) -> None:
        self._console = console
        self._steps = deque(steps)
        self._seen = b""
        console.watch(self)
        self.look(b"")

    @property
    def waits_for(self) -> bytes | None:
        """The text that has not come yet; None once the dialogue is over."""
        return self._steps[0][0] if self._steps else None

    def look(self, data: bytes) -> None:
        """Takes new output."""
        seen, steps = self._seen + data, self._steps
        while steps and (at := seen.find(steps[0][0])) >= 0:
            wanted, answer = steps.popleft()
            seen = seen[at + len(wanted) :]
            self._console.type(answer)
        if steps:
            # What is older cannot be the beginning of the text.
            self._seen = seen[max(0, len(seen) - len(steps[0][0]) + 1) :]
        else:
            self._console.unwatch(self)
