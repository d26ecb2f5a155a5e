"""Values over ranges of addresses: who owns memory, where it is mapped, which accesses are trapped.

Everything that Gunyah keeps in page tables, guarded page tables (GPT) and the memory ownership database is a function
from addresses to values that is constant over long ranges.  One sorted list of disjoint ranges holds such a function:
a look-up is a bisection, a change costs the ranges it replaces plus a move of the list's tail.  Values relate two
address spaces by their difference, never by a base, so that a range keeps its value when it is cut, and neighbours
merge when they continue each other.

Rejected: a dictionary of pages (a guest that maps 64 GiB would fill the host's memory) and a tree (bounded lists of
10^4 ranges move faster than Python walks nodes).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Generic, TypeVar

V = TypeVar("V")


class RangeMap(Generic[V]):
    """Disjoint half-open ranges in order, each with a value; neighbours that touch have different values."""

    __slots__ = ("_ends", "_starts", "_values")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._values: list[V] = []

    def __len__(self) -> int:
        return len(self._starts)

    def __iter__(self) -> Iterator[tuple[int, int, V]]:
        return zip(self._starts, self._ends, self._values, strict=True)

    def at(self, key: int) -> tuple[int, int, V] | None:
        """The range around `key` as (start, end, value)."""
        index = bisect_right(self._starts, key) - 1
        if index < 0 or key >= self._ends[index]:
            return None
        return self._starts[index], self._ends[index], self._values[index]

    def vacant(self, start: int, end: int) -> bool:
        """Whether no range touches [start, end)."""
        index = bisect_left(self._starts, end) - 1
        return index < 0 or self._ends[index] <= start

    def runs(self, start: int, end: int) -> list[tuple[int, int, V | None]]:
        """What covers [start, end), cut to it and in order; a gap has the value None."""
        starts, ends, values = self._starts, self._ends, self._values
        index = bisect_right(starts, start) - 1
        if index < 0 or ends[index] <= start:
            index += 1
        runs: list[tuple[int, int, V | None]] = []
        here = start
        while here < end and index < len(starts) and starts[index] < end:
            if starts[index] > here:
                runs.append((here, starts[index], None))
                here = starts[index]
            stop = min(ends[index], end)
            runs.append((here, stop, values[index]))
            here = stop
            index += 1
        if here < end:
            runs.append((here, end, None))
        return runs

    def assign(self, start: int, end: int, value: V) -> None:
        """Give [start, end) one value, whatever was there."""
        self._splice(start, end, [(start, end, value)])

    def remove(self, start: int, end: int) -> None:
        """Leave [start, end) without a value."""
        self._splice(start, end, [])

    def clear(self) -> None:
        """Leave nothing."""
        self._starts.clear()
        self._ends.clear()
        self._values.clear()

    def _splice(self, start: int, end: int, middle: list[tuple[int, int, V]]) -> None:
        starts, ends, values = self._starts, self._ends, self._values
        # Ranges that only touch are taken in too: they are the candidates for a merge.
        low = bisect_left(ends, start)
        high = bisect_right(starts, end)
        pieces: list[tuple[int, int, V]] = []
        if low < high and starts[low] < start:
            pieces.append((starts[low], min(ends[low], start), values[low]))
        pieces += middle
        if low < high and ends[high - 1] > end:
            pieces.append((max(starts[high - 1], end), ends[high - 1], values[high - 1]))
        merged: list[tuple[int, int, V]] = []
        for piece in pieces:
            if merged and merged[-1][1] == piece[0] and merged[-1][2] == piece[2]:
                merged[-1] = (merged[-1][0], piece[1], piece[2])
            else:
                merged.append(piece)
        starts[low:high] = [piece[0] for piece in merged]
        ends[low:high] = [piece[1] for piece in merged]
        values[low:high] = [piece[2] for piece in merged]
