"""A text or a pattern that is waited for on a console, so that the run stops where it appears.

A text is found the moment its last byte is written, and the slice ends with that block; a pattern is looked for in each
line when the line ends, and in an unfinished line whenever a slice ends.  Both depend on the guest's instructions
alone, and cost the same for each byte however much was printed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from gunyah_emu.devices.console import Console

LONGEST_LINE = 64 << 10
"""Bytes of a line without an end that a pattern is looked for in; older ones are let go."""


class Awaited:
    """Waits for the next match; a watcher of the console for as long as somebody waits.

    Arguments:
        console: where it must appear.
        start: how many bytes of the output are behind us; the search begins there.
        wanted: a text, or a pattern.
        on_match: called when it appears in new output.

    Attributes:
        found: the text, or the match; None as long as there is none.
        end: how many bytes of the output are behind us with the match.
    """

    def __init__(
        self, console: Console, start: int, wanted: str | re.Pattern[str], on_match: Callable[[], None]
    ) -> None:
        self._text = wanted if isinstance(wanted, str) else ""
        self._bytes = self._text.encode()
        self._pattern = None if isinstance(wanted, str) else wanted
        self._on_match = on_match
        self.found: str | re.Match[str] | None = None
        kept = console.data
        unseen = min(console.total - start, len(kept))
        self.end = console.total - unseen
        self._held = b""
        self._search(kept[len(kept) - unseen :])
        self.look_at_open_line()

    def look(self, data: bytes) -> None:
        """Takes new output."""
        if self.found is None:
            self._search(data)
            if self.found is not None:
                self._on_match()

    def look_at_open_line(self) -> bool:
        """Whether it has appeared; a pattern is looked for in the line that has not ended, too."""
        if self.found is None and self._pattern is not None and self._held:
            self._match(self._held)
        return self.found is not None

    def _search(self, data: bytes) -> None:
        """Add output to what is held, and let go what cannot be part of a match any more."""
        self._held += data
        if self._pattern is None:
            at = self._held.find(self._bytes)
            if at >= 0:
                self._take(self._text, at + len(self._bytes))
            else:
                self._release(max(0, len(self._held) - len(self._bytes) + 1))
            return
        if b"\n" not in data:
            if len(self._held) > 2 * LONGEST_LINE:
                self._release(len(self._held) - LONGEST_LINE)
            return
        *lines, _rest = self._held.split(b"\n")
        for line in lines:
            if self._match(line):
                return
            self._release(len(line) + 1)

    def _match(self, line: bytes) -> bool:
        assert self._pattern is not None
        # Bytes that are no UTF-8 survive the way to text and back.
        match = self._pattern.search(line.rstrip(b"\r").decode("utf-8", "surrogateescape"))
        if match is None:
            return False
        self._take(match, len(match.string[: match.end()].encode("utf-8", "surrogateescape")))
        return True

    def _take(self, found: str | re.Match[str], length: int) -> None:
        self._release(length)
        self.found = found

    def _release(self, count: int) -> None:
        self._held = self._held[count:]
        self.end += count
