"""The difference of two traces, as a person wants to read it: what is gone, what is new, and how the new came about."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gunyah_emu.testing.golden import Recording

CONTEXT = 3
WINDOW = 400
"""Lines of each side, from the first that differs, that are compared line by line: what comes later is most often the
same difference again, and comparing everything with everything takes minutes for long traces."""

SHOWN = 60


def difference(
    expected: Sequence[str], found: Sequence[str], names: tuple[str, str], recording: Recording | None
) -> list[str]:
    """The lines of a report; none where both are the same.

    Arguments:
        expected: the lines of one.
        found: the lines of the other.
        names: what the sides are called.
        recording: the run that `found` is of, when its events are at hand: then it is told how the first line that
            differs came about.
    """
    same = next((n for n, pair in enumerate(zip(expected, found, strict=False)) if pair[0] != pair[1]), None)
    if same is None:
        if len(expected) == len(found):
            return []
        same = min(len(expected), len(found))
    start = max(0, same - CONTEXT)
    left, right = expected[start : same + WINDOW], found[start : same + WINDOW]
    report = [f"  -{names[0]}: {len(expected):,} lines", f"  +{names[1]}: {len(found):,} lines"]
    hunks = list(difflib.unified_diff(left, right, n=CONTEXT, lineterm=""))[2:]
    report += [f"  {_moved(line, start)}" for line in hunks[:SHOWN]]
    if len(hunks) > SHOWN or len(expected) > same + WINDOW or len(found) > same + WINDOW:
        report.append("  ... and perhaps more behind this")
    if recording is not None and same < len(recording.events):
        report.append(f"  how line {same + 1} of +{names[1]} came about, newest first:")
        report += [f"    {step}" for step in recording.way(recording.events[same])]
    return report


def _moved(line: str, start: int) -> str:
    """A hunk's heading with line numbers of the whole traces."""
    if not line.startswith("@@"):
        return line
    _, old, new, _ = line.split(" ")
    return f"@@ {_range(old, start)} {_range(new, start)} @@"


def _range(text: str, start: int) -> str:
    first, comma, count = text[1:].partition(",")
    return f"{text[0]}{int(first) + start}{comma}{count}"
