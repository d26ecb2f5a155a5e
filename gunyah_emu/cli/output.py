"""What the guests print, as a person reads it: whole lines, each with the name of its VM.

Readable without colour and when piped; colour only on a terminal, and not where NO_COLOR is set.
"""

from __future__ import annotations

import os
import sys
from typing import BinaryIO

COLOURS = (36, 33, 35, 32, 34, 31)
"""ANSI foreground colours, one a VM in turn."""

HOLD = 4096
"""Bytes of a line without an end that are held back before they are printed as they are."""


class ConsolePrinter:
    """Prints the consoles of several VMs to one stream, line by line.

    Arguments:
        names: the VMs.  With one VM nothing is prefixed and every byte is passed on at once.
        stream: where to; standard output by default.
        always_named: prefix the lines of one VM, too.
    """

    def __init__(self, names: list[str], stream: BinaryIO | None = None, *, always_named: bool = False) -> None:
        self._stream = sys.stdout.buffer if stream is None else stream
        self._alone = len(names) == 1 and not always_named
        width = max((len(name) for name in names), default=0)
        colour = self._stream.isatty() and "NO_COLOR" not in os.environ
        self._prefixes = {
            name: (
                f"\x1b[{COLOURS[index % len(COLOURS)]}m{name:{width}} |\x1b[0m " if colour else f"{name:{width}} | "
            ).encode()
            for index, name in enumerate(names)
        }
        self._held = dict.fromkeys(names, b"")

    def write(self, name: str, data: bytes) -> None:
        """Take bytes that a VM printed."""
        if self._alone:
            self._stream.write(data)
            if b"\n" in data:
                self._stream.flush()
            return
        *lines, rest = (self._held[name] + data).split(b"\n")
        prefix = self._prefixes[name]
        for line in lines:
            self._stream.write(prefix + line.rstrip(b"\r") + b"\n")
        if len(rest) > HOLD:
            self._stream.write(prefix + rest + b"\n")
            rest = b""
        self._held[name] = rest
        if lines:
            self._stream.flush()

    def close(self) -> None:
        """Print what is held back: lines that never ended."""
        for name, rest in self._held.items():
            if rest:
                self._stream.write(self._prefixes[name] + rest + b"\n")
        self._stream.flush()
