"""Compares a machine's run with its golden trace, or writes that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gunyah_emu.errors import UserError
from gunyah_emu.testing.golden import GoldenTrace, Recording, default_header
from gunyah_emu.testing.golden_diff import difference
from gunyah_emu.testing.golden_file import load, store
from gunyah_emu.testing.make import shown

if TYPE_CHECKING:
    from pathlib import Path

    from gunyah_emu.testing.under_test import MachineUnderTest


def unlike_golden(machine: MachineUnderTest, path: Path) -> str | None:
    """What differs between a run and its golden trace, for a person; None when nothing does.

    Errors: UserError when the file is no golden trace or cannot be written.
    """
    if machine.lost_events:
        return (
            f"a golden trace must hold a whole run; of this one the first {machine.lost_events:,} events are no longer "
            "kept: raise the setting gunyah_events"
        )
    name = shown(path)
    golden = load(path)
    recording = Recording(machine.events, golden.header if golden is not None else default_header())
    if machine.updates_golden:
        return _update(machine, path, golden, recording)
    if golden is None:
        return f"there is no golden trace {name}: look at what the run did, then record it by pytest --gunyah-update"
    differs = difference(golden.lines, recording.lines, ("golden", "run"), recording)
    if not differs:
        return None
    return "\n".join([f"the run is not that of the golden trace {name}", *differs])


def _update(machine: MachineUnderTest, path: Path, old: GoldenTrace | None, recording: Recording) -> str | None:
    # Two tests that write one file differently would take turns for ever.
    earlier = machine.golden_writes.setdefault(path, recording.lines)
    if earlier != recording.lines:
        differs = difference(earlier, recording.lines, ("written before", "this run"), recording)
        cure = "give each a file of its own, or name in the file's head what may vary"
        return "\n".join([f"two runs write the golden trace {shown(path)}, and are not the same: {cure}", *differs])
    if old is not None and old.lines == recording.lines:
        return None
    header = old.header if old is not None else default_header()
    try:
        told = store(path, GoldenTrace(header, recording.lines))
    except UserError:
        del machine.golden_writes[path]
        raise
    for note in told:
        machine.golden_notes(note)
    what = "recorded" if old is None else "updated"
    machine.golden_notes(f"{shown(path)}: {what}, {len(recording.lines):,} events")
    return None
