"""Events as columns of small numbers, and every distinct text once: what the page's script reads.

A run says the same few things many times.  What an event says (kind, label, fields) goes into a pool, its place in the
run into columns; sequence numbers, times and causes are written as differences.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gunyah_emu.events.kinds import KINDS
from gunyah_emu.events.labels import CLOSERS, Names, label, values

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gunyah_emu.events.recorder import Event

MAX_TEXT = 2000
"""Characters of one value; the longest that the emulator itself writes are shorter."""


def encode(events: Iterable[Event], names: Names, order: Iterable[str] = ()) -> dict[str, object]:
    """The columns and tables of a report, to be written as JSON.

    Arguments:
        events: what happened.
        names: who knows symbols and results.
        order: VMs in the order of their lanes; those that are not among them follow as they appear.
    """
    kinds = {name: index for index, name in enumerate(KINDS)}
    vms = {name: index for index, name in enumerate(order)}
    pool: dict[tuple[str, str, str], int] = {}
    entries: list[tuple[int, str, list[tuple[str, str]]]] = []
    columns: dict[str, list[int]] = {name: [] for name in ("seq", "time", "vm", "vcpu", "cause", "what")}
    seqs, times, vm_column, vcpus, causes, whats = columns.values()
    last_seq = last_time = 0
    for event in events:
        seq, time, vm, vcpu, kind, cause, fields = event
        key = kind, vm, repr(fields)  # an address has another name in another VM
        what = pool.get(key)
        if what is None:
            what = pool[key] = len(entries)
            entries.append((kinds[kind], label(event)[:MAX_TEXT], pairs(event, names)))
        seqs.append(seq - last_seq)
        times.append(time - last_time)
        vm_column.append(vms.setdefault(vm, len(vms)))
        vcpus.append(vcpu)
        causes.append(seq - cause if cause else 0)
        whats.append(what)
        last_seq, last_time = seq, time
    table = [{"name": kind.name, "about": kind.about, "closes": CLOSERS.get(kind.name, "")} for kind in KINDS.values()]
    return {"vms": list(vms), "kinds": table, "pool": entries, **columns}


def pairs(event: Event, names: Names) -> list[tuple[str, str]]:
    """Names and texts of an event's values; what a capability names stands behind its id."""
    found: dict[str, str] = {}
    for value in values(event, names):
        text = value.text[:MAX_TEXT]
        of = value.name.rpartition(".")[2]
        if of != value.name and of in found:
            found[of] += f" ({text})"
        else:
            found[value.name] = text
    return list(found.items())
