"""Causes backwards, consequences forwards, and who made a reason true."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from gunyah_emu.debug.why.trace import Entry, Trace


def causes(trace: Trace, entry: Entry) -> list[Entry]:
    """From the first cause that the trace has to the event itself."""
    chain = [entry]
    while (cause := trace.get(chain[-1].cause)) is not None and cause.seq < chain[-1].seq:
        chain.append(cause)
    return chain[::-1]


class Consequence(NamedTuple):
    """An event that another one caused, so many steps behind it."""

    depth: int
    entry: Entry


def consequences(trace: Trace, entry: Entry) -> list[Consequence]:
    """Everything that an event caused, directly or not, in the order in which it happened."""
    found: list[Consequence] = []
    waiting = [Consequence(0, entry)]
    while waiting:
        depth, parent = waiting.pop()
        below = [Consequence(depth + 1, child) for child in trace.caused_by(parent.seq) if child.seq > parent.seq]
        found += below
        waiting += below
    return sorted(found, key=lambda one: one.entry.seq)


def succeeded(trace: Trace, call: Entry) -> bool:
    """Whether a hypercall returned OK."""
    for child in trace.caused_by(call.seq):
        if child.kind == "hypercall_return":
            results = child.fields.get("results")
            return isinstance(results, list) and results[:1] == [0]
    return False


def _call_on_source(*calls: str) -> Callable[[Trace, Entry], Entry | None]:
    def find(trace: Trace, blocked: Entry) -> Entry | None:
        source = blocked.text("source")
        if not any(letter.isdigit() for letter in source):
            return None  # an object without a label: another of its type has the same name
        for entry in trace.backwards(blocked.seq):
            if entry.text("call") not in calls or entry.kind != "hypercall":
                continue
            objects = entry.table("objects").values()
            is_same = any(isinstance(one, str) and f"{source} ".startswith(f"{one} ") for one in objects)
            if is_same and succeeded(trace, entry):
                return entry
        return None

    return find


def _last_of(kind: str, *, same_vcpu: bool) -> Callable[[Trace, Entry], Entry | None]:
    def find(trace: Trace, blocked: Entry) -> Entry | None:
        for entry in trace.backwards(blocked.seq):
            if entry.kind == kind and entry.vm == blocked.vm and (not same_vcpu or entry.vcpu == blocked.vcpu):
                return entry
        return None

    return find


def _active(trace: Trace, blocked: Entry) -> Entry | None:
    """The interrupt that this vCPU took last and has not ended."""
    ended: set[int] = set()
    for entry in trace.backwards(blocked.seq):
        if (entry.vm, entry.vcpu) != (blocked.vm, blocked.vcpu):
            continue
        if entry.kind == "irq_ended":
            ended.add(entry.cause)
        elif entry.kind == "irq_acknowledged" and entry.seq not in ended:
            return entry
    return None


def _already_pending(trace: Trace, blocked: Entry) -> Entry | None:
    """The call that made it pending."""
    intid = blocked.number("intid")
    for entry in trace.backwards(blocked.cause if trace.get(blocked.cause) is not None else blocked.seq):
        if entry.kind == "irq_pending" and entry.vm == blocked.vm and entry.number("intid") == intid:
            return causes(trace, entry)[0]
    return None


MAKERS: dict[str, Callable[[Trace, Entry], Entry | None]] = {
    "not_bound": _call_on_source("doorbell_unbind_virq", "msgqueue_unbind_receive_virq", "msgqueue_unbind_send_virq"),
    "flag_not_enabled": _call_on_source("doorbell_mask", "doorbell_reset"),
    "below_threshold": _call_on_source("msgqueue_configure_receive"),
    "already_pending": _already_pending,
    "active": _active,
    "running_priority": _active,
    "vcpu_off": _last_of("vcpu_off", same_vcpu=True),
    "vm_ended": _last_of("exit", same_vcpu=False),
}
"""By reason: who made it true.  The others are register writes of the guest's own, which are not recorded."""


def maker(trace: Trace, blocked: Entry) -> Entry | None:
    """The event that made the first reason of an `irq_blocked` true; None where the trace does not tell."""
    for reason in blocked.table("reasons"):
        find = MAKERS.get(reason)
        return None if find is None else find(trace, blocked)
    return None


def woken_by(trace: Trace, wait: Entry) -> Entry | None:
    """The wake that ended a wait; None: nothing did."""
    return next(
        (one for one in trace.forwards(wait.seq) if one.kind == "wake" and (one.vm, one.vcpu) == (wait.vm, wait.vcpu)),
        None,
    )


def obstacle(trace: Trace, wait: Entry) -> Entry | None:
    """Of a wait that nothing ended: the last interrupt that did not get through since, else the last taken before."""
    for entry in trace.backwards():
        if entry.vm != wait.vm or entry.vcpu not in (wait.vcpu, -1):
            continue
        if entry.kind == "irq_blocked" and entry.seq > wait.seq:
            return entry
        if entry.kind == "irq_acknowledged" and entry.seq < wait.seq:
            return entry
    return None


def waiting(trace: Trace, idle: Entry) -> list[Entry]:
    """The last wait of each vCPU that waits when nothing can happen any more."""
    waits: dict[tuple[str, int], Entry | None] = {}
    ended: set[str] = set()
    for entry in trace.backwards(idle.seq):
        if entry.kind == "exit":
            ended.add(entry.vm)
        elif entry.kind in ("wait", "wake", "vcpu_off"):
            waits.setdefault((entry.vm, entry.vcpu), entry if entry.kind == "wait" else None)
    found = [entry for entry in waits.values() if entry is not None and entry.vm not in ended]
    return sorted(found, key=lambda entry: (entry.vm, entry.vcpu))


def evidence(trace: Trace, entry: Entry) -> list[Entry]:
    """The events that the verdict on one rests on, the event itself among them, in order."""
    waits = waiting(trace, entry) if entry.kind == "idle" else [entry] if entry.kind == "wait" else []
    found = {one.seq: one for one in causes(trace, entry)}
    blocked = [entry] if entry.kind == "irq_blocked" else []
    for wait in waits:
        found[wait.seq] = wait
        if (woken := woken_by(trace, wait)) is not None:
            found |= {one.seq: one for one in causes(trace, woken)}
        elif (last := obstacle(trace, wait)) is not None:
            blocked.append(last)
    for one in blocked:
        found |= {cause.seq: cause for cause in causes(trace, one)}
        if one.kind == "irq_blocked" and (made := maker(trace, one)) is not None:
            found[made.seq] = made
    return [found[seq] for seq in sorted(found)]
