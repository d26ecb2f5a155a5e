"""The whole answer from a trace: one line, and the chain that it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gunyah_emu.debug.why.chain import consequences, evidence
from gunyah_emu.debug.why.verdict import verdict
from gunyah_emu.debug.why.words import phrase

if TYPE_CHECKING:
    from gunyah_emu.debug.why.places import Places
    from gunyah_emu.debug.why.trace import Entry, Trace

CONSEQUENCES = 40
"""How many are shown unless somebody asks for all."""


def answer(trace: Trace, entry: Entry, places: Places, *, limit: int | None = CONSEQUENCES) -> list[str]:
    """The verdict, an empty line, and a line for each event that it rests on (`>`: the event itself) or that followed.

    Arguments:
        trace: where the event is.
        entry: the event.
        places: what its VMs' addresses mean.
        limit: how many consequences are shown; None: all.
    """
    back, forth = evidence(trace, entry), consequences(trace, entry)
    back_seqs = {one.seq for one in back}
    forth = [one for one in forth if one.entry.seq not in back_seqs]
    shown = forth if limit is None else forth[:limit]
    events = [*back, *(one.entry for one in shown)]
    width = max(len(one.place) for one in events)
    digits = max(len(str(one.seq)) for one in events), max(len(str(one.time)) for one in events)
    lines = [*verdict(trace, entry, places).splitlines(), ""]
    for one in back:
        lines.append(_line(one, places, width, digits, mark=">" if one.seq == entry.seq else " "))
    lines += [_line(one, places, width, digits, indent=depth) for depth, one in shown]
    if len(forth) > len(shown):
        lines.append(f"  ... and {len(forth) - len(shown)} further consequences (--all)")
    return lines


def _line(
    entry: Entry, places: Places, width: int, digits: tuple[int, int], *, mark: str = " ", indent: int = 0
) -> str:
    place = f"{entry.place:{width}}"
    return (
        f"{mark} {entry.seq:{digits[0]}} {entry.time:{digits[1]}} ns  {place}  {'  ' * indent}{phrase(entry, places)}"
    )
