"""What views are made of: lines of pieces of text, each with the name of a style that a screen may know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Piece = tuple[str, str]
"""Text, and the name of its style; empty: none."""

Line = list[Piece]

STYLES = ("head", "dim", "here", "address", "symbol", "source", "value", "changed", "call", "good", "bad")
"""Every style's name: titles, what matters little, the place where the vCPU stands, addresses, functions, source text,
numbers, what is new since the last move, hypercalls, and what went well or did not."""


def line(*pieces: str | Piece) -> Line:
    """A line; text without a style is plain."""
    return [(piece, "") if isinstance(piece, str) else piece for piece in pieces]


def plain(of: Line) -> str:
    """A line without its styles."""
    return "".join(text for text, _ in of).rstrip()


def table(rows: Iterable[Sequence[Piece]], *, gap: int = 2) -> list[Line]:
    """Rows with aligned columns; the last column is not padded."""
    kept = list(rows)
    widths = [max(len(row[n][0]) for row in kept if n < len(row)) for n in range(max(map(len, kept), default=0))]
    return [
        [
            (text if n == len(row) - 1 else text.ljust(widths[n]) + " " * gap, style)
            for n, (text, style) in enumerate(row)
        ]
        for row in kept
    ]
