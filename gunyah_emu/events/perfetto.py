"""A trace for Perfetto: a process for each VM, a thread for each vCPU, and arrows from causes to effects.

On a vCPU's thread are its calls, with what went in and came out, and the interrupts that it handles, from
acknowledgement to end; on a track below, whether it runs or waits.  An event that lasts no time is an instant.

Perfetto wants slices of a thread to nest.  A guest need not: it may end interrupts in any order, and may never come
back from a call.  What stands in the way of an end is therefore ended too, and begun again.

A flow leads from an event to the next one that it caused; where it caused several, from one to the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gunyah_emu.errors import UserError
from gunyah_emu.events.labels import CLOSERS, OPENERS, Form, Names, label, values
from gunyah_emu.events.whole_file import WholeFile

if TYPE_CHECKING:
    from pathlib import Path

    from gunyah_emu.events.recorder import Event

try:
    from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import TracePacket, TrackEvent
    from perfetto.trace_builder.proto_builder import TraceProtoBuilder
except ImportError:
    raise UserError("a trace for Perfetto wants the package `perfetto`: pip install 'gunyah-emu[perfetto]'") from None

SEQUENCE = 1
PACKETS = 1000
"""How many are held before they are written."""

CALLS = OPENERS - {"irq_acknowledged"}
"""A vCPU is in one of these at a time."""

STATES = {"vcpu_on": "running", "wake": "running", "wait": "waiting", "vcpu_off": None, "exit": None}
BLOCKED = "blocked in a call"
ENDS_ALL = frozenset({"vcpu_off", "exit"})


class Open(NamedTuple):
    """A slice that has begun: by which event, its name, whether it is a call."""

    seq: int
    name: str
    is_call: bool


class Lane:
    """What is going on in one vCPU.

    Arguments:
        thread: its track.
        state: the track that says whether it runs.
    """

    __slots__ = ("open", "running", "state", "thread")

    def __init__(self, thread: int, state: int) -> None:
        self.thread = thread
        self.state = state
        self.open: list[Open] = []
        #: what the state track shows now
        self.running: str | None = None

    @classmethod
    def again(cls, thread: int, state: int, opened: list[Open], running: str | None) -> Lane:
        """A lane as it was."""
        lane = cls(thread, state)
        lane.open = opened.copy()
        lane.running = running
        return lane


class PerfettoSink:
    """Writes a trace that Perfetto's UI and trace processor read.

    Arguments:
        path: the file to be; whole, or under its name with `.partial` added.
        names: who knows symbols and results.
    """

    def __init__(self, path: str | Path, names: Names | None = None) -> None:
        self._file = WholeFile[bytes](path, "trace file", "wb")
        self._names = names or Names()
        self._builder = TraceProtoBuilder()
        self._pending = 0
        self._last_uuid = 0
        #: (pid, the VM's own track, its console) of each VM
        self._vms: dict[str, tuple[int, int, int]] = {}
        self._lanes: dict[str, dict[int, Lane]] = {}
        self._time = 0

    # packets

    def _packet(self) -> TracePacket:
        if self._pending == PACKETS:
            self._flush()
        self._pending += 1
        packet = self._builder.add_packet()
        packet.trusted_packet_sequence_id = SEQUENCE
        return packet

    def _flush(self) -> None:
        self._file.write(self._builder.serialize())
        self._builder = TraceProtoBuilder()
        self._pending = 0

    def _emit(self, track: int, kind: int, time: int, name: str | None = None) -> TrackEvent:
        packet = self._packet()
        packet.timestamp = time
        event = packet.track_event
        event.type = kind
        event.track_uuid = track
        if name is not None:
            event.name = name
        return event

    def _track(self, parent: int | None, name: str | None = None) -> TracePacket:
        self._last_uuid += 1
        packet = self._packet()
        descriptor = packet.track_descriptor
        descriptor.uuid = self._last_uuid
        if parent is not None:
            descriptor.parent_uuid = parent
        if name is not None:
            descriptor.name = name
        return packet

    # tracks

    def _vm(self, name: str) -> tuple[int, int, int]:
        found = self._vms.get(name)
        if found is None:
            pid = len(self._vms) + 1
            process = self._track(None).track_descriptor
            process.process.pid = pid
            process.process.process_name = name or "machine"
            console = self._track(process.uuid, "console").track_descriptor.uuid
            found = self._vms[name] = pid, process.uuid, console
            self._lanes[name] = {}
        return found

    def _lane(self, vm: str, vcpu: int) -> Lane:
        pid, process, _ = self._vm(vm)
        lane = self._lanes[vm].get(vcpu)
        if lane is None:
            thread = self._track(process).track_descriptor
            thread.thread.pid = pid
            thread.thread.tid = pid * 1000 + vcpu + 1
            thread.thread.thread_name = f"vCPU {vcpu}"
            state = self._track(thread.uuid, f"vCPU {vcpu} state").track_descriptor
            lane = self._lanes[vm][vcpu] = Lane(thread.uuid, state.uuid)
        return lane

    # events

    def write(self, event: Event) -> None:
        """Add one event; UserError when the host has no room for it."""
        self._time = event.time
        lanes: list[Lane] = []
        if event.vcpu >= 0:
            lanes = [self._lane(event.vm, event.vcpu)]
        elif event.kind in ENDS_ALL:
            self._vm(event.vm)
            lanes = list(self._lanes[event.vm].values())
        if event.vcpu >= 0 and event.kind in CLOSERS and self._close_slice(lanes[0], event):
            return
        if event.kind in OPENERS and lanes:
            self._begin(lanes[0], event)
        elif event.kind not in ("wait", "wake"):
            self._instant(event, lanes)
        if event.kind in STATES:
            for lane in lanes:
                self._state(lane, STATES[event.kind], event.time, event.cause if event.kind == "wake" else 0)
        if event.kind in ENDS_ALL:
            for lane in lanes:
                self._cut(lane, 0)

    def _describe(self, event: Event, into: TrackEvent) -> None:
        for value in values(event, self._names):
            annotation = into.debug_annotations.add()
            annotation.name = value.name
            if isinstance(value.value, str):
                annotation.string_value = value.value
            elif isinstance(value.value, bool):
                annotation.bool_value = value.value
            elif value.form is Form.REGISTER and value.value >= 0:
                annotation.pointer_value = value.value
            else:
                annotation.int_value = value.value

    def _arrows(self, event: Event, into: TrackEvent) -> None:
        into.flow_ids.append(event.seq)
        if event.cause:
            into.flow_ids.append(event.cause)
        for name, number in (("seq", event.seq), ("cause", event.cause)):
            annotation = into.debug_annotations.add()
            annotation.name = name
            annotation.int_value = number

    def _begin(self, lane: Lane, event: Event) -> None:
        self._leave_call(lane)
        opened = Open(event.seq, label(event), event.kind in CALLS)
        begun = self._emit(lane.thread, TrackEvent.TYPE_SLICE_BEGIN, event.time, opened.name)
        begun.categories.append(event.kind)
        self._describe(event, begun)
        self._arrows(event, begun)
        lane.open.append(opened)

    def _close_slice(self, lane: Lane, event: Event) -> bool:
        """Take an event that ends something; False when what it ends is not there."""
        if event.fields[-1] is None:  # no answer yet
            self._state(lane, BLOCKED, event.time)
            return True
        if lane.running == BLOCKED and event.kind != "irq_ended":
            self._state(lane, "running", event.time)
        return self._end(lane, event)

    def _end(self, lane: Lane, event: Event) -> bool:
        """End the slice that the event's cause began; False when there is none."""
        depth = next((n for n, opened in enumerate(lane.open) if opened.seq == event.cause), None)
        if depth is None:
            return False
        above = [opened for opened in lane.open[depth + 1 :] if not opened.is_call]
        self._cut(lane, depth + 1)
        lane.open.pop()
        self._describe(event, self._emit(lane.thread, TrackEvent.TYPE_SLICE_END, event.time))
        for opened in above:
            self._emit(lane.thread, TrackEvent.TYPE_SLICE_BEGIN, event.time, opened.name)
            lane.open.append(opened)
        return True

    def _leave_call(self, lane: Lane) -> None:
        """The vCPU does something else: a call that did not return is over."""
        if lane.running == BLOCKED:
            self._state(lane, "running", self._time)
        if lane.open and lane.open[-1].is_call:
            self._cut(lane, len(lane.open) - 1)

    def _cut(self, lane: Lane, depth: int) -> None:
        while len(lane.open) > depth:
            lane.open.pop()
            self._emit(lane.thread, TrackEvent.TYPE_SLICE_END, self._time)

    def _instant(self, event: Event, lanes: list[Lane]) -> None:
        _, process, console = self._vm(event.vm)
        track = lanes[0].thread if event.vcpu >= 0 else process
        if event.kind == "console":
            track = console
        text = label(event)
        name = text if event.kind in ("console", text) else f"{event.kind}: {text}"
        instant = self._emit(track, TrackEvent.TYPE_INSTANT, event.time, name)
        instant.categories.append(event.kind)
        self._describe(event, instant)
        self._arrows(event, instant)

    def _state(self, lane: Lane, state: str | None, time: int, cause: int = 0) -> None:
        if lane.running is not None:
            self._emit(lane.state, TrackEvent.TYPE_SLICE_END, time)
        if state is not None:
            begun = self._emit(lane.state, TrackEvent.TYPE_SLICE_BEGIN, time, state)
            if cause:
                annotation = begun.debug_annotations.add()
                annotation.name = "cause"
                annotation.int_value = cause
        lane.running = state

    def mark(self) -> object:
        """How long the file is, and what is going on."""
        self._flush()
        lanes = {
            vm: {vcpu: (lane.thread, lane.state, lane.open.copy(), lane.running) for vcpu, lane in some.items()}
            for vm, some in self._lanes.items()
        }
        return self._file.length(), self._last_uuid, self._time, self._vms.copy(), lanes

    def rewind(self, mark: object) -> None:
        """Forget what was written since: a machine was brought back to an earlier state."""
        assert isinstance(mark, tuple)
        length, self._last_uuid, self._time, vms, lanes = mark
        self._flush()
        self._file.cut(length)
        self._vms = vms.copy()
        self._lanes = {vm: {vcpu: Lane.again(*lane) for vcpu, lane in some.items()} for vm, some in lanes.items()}

    def close(self, *, complete: bool) -> None:
        """End what is still going on, and finish the file."""
        try:
            for lanes in self._lanes.values():
                for lane in lanes.values():
                    self._cut(lane, 0)
                    if lane.running is not None:
                        self._emit(lane.state, TrackEvent.TYPE_SLICE_END, self._time)
            self._flush()
        except UserError:
            self._file.close(complete=False)
            if complete:
                raise
            return
        self._file.close(complete=complete)
