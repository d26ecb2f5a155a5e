"""Numbers events, gives them time and cause, and hands them to sinks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from gunyah_emu.errors import UserError
from gunyah_emu.events.kinds import KINDS


class Event(NamedTuple):
    """One thing that happened.

    Arguments:
        seq: position in the run, from 1.
        time: virtual nanoseconds since the machine started.
        vm: name of the VM it happened in or to.
        vcpu: index of its vCPU; -1 when it concerns the VM.
        kind: a name from `KINDS`.
        cause: seq of the event that caused it, 0 for none.
        fields: values in the order of the kind's fields.
    """

    seq: int
    time: int
    vm: str
    vcpu: int
    kind: str
    cause: int
    fields: tuple[object, ...]

    def as_dict(self) -> dict[str, object]:
        """The event as a trace file spells it: common fields first, then the kind's own."""
        common = {
            "seq": self.seq,
            "time": self.time,
            "vm": self.vm,
            "vcpu": self.vcpu,
            "kind": self.kind,
            "cause": self.cause,
        }
        return common | dict(zip(KINDS[self.kind].fields, self.fields, strict=True))


class Sink(Protocol):
    """Something that keeps events."""

    def write(self, event: Event) -> None:
        """Keep one event."""

    def close(self, *, complete: bool) -> None:
        """Finish; `complete` is false when the run was cut short by an error of ours or by the user."""


class Recorder:
    """The one place where events get their number.

    Arguments:
        now: virtual nanoseconds since the machine started.
        sinks: who keeps the events.
    """

    __slots__ = ("cause", "now", "seq", "sinks")

    def __init__(self, now: Callable[[], int], sinks: Iterable[Sink]) -> None:
        self.now = now
        self.sinks = tuple(sinks)
        self.seq = 0
        #: what is being carried out now; the default cause of an event
        self.cause = 0

    def emit(self, kind: str, vm: str, vcpu: int, fields: tuple[object, ...], cause: int | None = None) -> int:
        """Record one event and return its number."""
        self.seq += 1
        event = Event(self.seq, self.now(), vm, vcpu, kind, self.cause if cause is None else cause, fields)
        for sink in self.sinks:
            sink.write(event)
        return self.seq

    def close(self, *, complete: bool) -> None:
        """Close every sink, all of them even when one fails."""
        failure: UserError | None = None
        for sink in self.sinks:
            try:
                sink.close(complete=complete)
            except UserError as error:
                failure = failure or error
        if failure is not None:
            raise failure
