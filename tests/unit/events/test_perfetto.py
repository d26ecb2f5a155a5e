"""A trace for Perfetto, decoded as Perfetto's own descriptors say: processes, threads, slices that nest, flows."""

import builtins
import importlib
import sys
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TrackEvent

from gunyah_emu import Machine
from gunyah_emu.errors import UserError
from gunyah_emu.events import Event
from gunyah_emu.events.perfetto import PerfettoSink
from gunyah_emu.machine.names import machine_names

GUESTS = Path(__file__).parents[3] / "guest_images"


class Slice(NamedTuple):
    track: str
    name: str
    begin: int
    end: int
    depth: int
    arguments: dict[str, object]
    flows: frozenset[int]


def arguments_of(event: TrackEvent) -> dict[str, object]:
    return {one.name: getattr(one, one.WhichOneof("value")) for one in event.debug_annotations}


def decode(path: Path) -> tuple[dict[str, str], list[Slice]]:
    """Tracks (name: name of what they belong to) and slices, read as a trace processor reads them; instants too."""
    trace = Trace()
    trace.ParseFromString(path.read_bytes())
    names, owners, stacks, slices, last = {}, {}, {}, [], 0
    for packet in trace.packet:
        assert packet.trusted_packet_sequence_id
        if packet.HasField("track_descriptor"):
            track = packet.track_descriptor
            own = track.process.process_name or track.thread.thread_name or track.name
            owner = names.get(track.parent_uuid, "")
            names[track.uuid] = f"{owner}/{own}" if owner else own
            owners[names[track.uuid]] = owner
            continue
        assert packet.timestamp >= last, "time goes backwards"
        last = packet.timestamp
        event = packet.track_event
        stack = stacks.setdefault(event.track_uuid, [])
        place = names[event.track_uuid]
        if event.type == TrackEvent.TYPE_SLICE_BEGIN:
            stack.append((event.name, last, arguments_of(event), frozenset(event.flow_ids)))
        elif event.type == TrackEvent.TYPE_SLICE_END:
            name, begin, arguments, flows = stack.pop()
            slices.append(Slice(place, name, begin, last, len(stack), arguments | arguments_of(event), flows))
        else:
            flows = frozenset(event.flow_ids)
            slices.append(Slice(place, event.name, last, last, len(stack), arguments_of(event), flows))
    assert not any(stacks.values()), "a slice was never ended"
    return owners, slices


def written(tmp_path: Path, *events: Event) -> list[Slice]:
    sink = PerfettoSink(tmp_path / "run.pftrace")
    for event in events:
        sink.write(event)
    sink.close(complete=True)
    return decode(tmp_path / "run.pftrace")[1]


@pytest.fixture(scope="module")
def doorbells(tmp_path_factory):
    path = tmp_path_factory.mktemp("perfetto") / "run.pftrace"
    with Machine.from_toml(GUESTS / "doorbell_irq" / "machine.toml") as machine:
        machine.record(PerfettoSink(path, machine_names(machine)))
        machine.run()
    return decode(path)


def test_a_vm_is_a_process_and_a_vcpu_a_thread(doorbells):
    owners, _ = doorbells
    assert {name: owner for name, owner in owners.items() if "machine" not in name} == {
        "sender": "",
        "sender/console": "sender",
        "sender/vCPU 0": "sender",
        "sender/vCPU 0/vCPU 0 state": "sender/vCPU 0",
        "receiver": "",
        "receiver/console": "receiver",
        "receiver/vCPU 0": "receiver",
        "receiver/vCPU 0/vCPU 0 state": "receiver/vCPU 0",
    }


def test_a_hypercall_is_a_slice_with_arguments_results_and_place(doorbells):
    call = next(one for one in doorbells[1] if one.name == "doorbell_send")
    assert call.track == "sender/vCPU 0"
    assert call.arguments["new_flags"] == 1
    assert call.arguments["error"] == "OK"
    assert call.arguments["old_flags"] == 0
    assert call.arguments["objects.doorbell"] == "doorbell 1"
    assert "doorbell_send+" in call.arguments["pc"]


def test_flows_lead_from_the_hypercall_to_the_interrupt_in_the_other_process(doorbells):
    slices = doorbells[1]
    call = next(one for one in slices if one.name == "doorbell_send")
    asserted = next(one for one in slices if one.name.startswith("virq_assert"))
    pending = next(one for one in slices if one.name == "irq_pending: SPI 8")
    handled = next(one for one in slices if one.name == "SPI 8")
    assert handled.track == pending.track == "receiver/vCPU 0"
    assert asserted.track == "receiver"
    for cause, effect in ((call, asserted), (asserted, pending), (pending, handled)):
        assert cause.arguments["seq"] in cause.flows & effect.flows
    assert handled.end > handled.begin


def test_a_vcpu_runs_or_waits_from_beginning_to_end(doorbells):
    states = [one for one in doorbells[1] if one.track == "receiver/vCPU 0/vCPU 0 state"]
    assert [one.name for one in states[:3]] == ["running", "waiting", "running"]
    assert all(first.end == second.begin for first, second in pairwise(states))


def test_consoles_have_a_track(doorbells):
    said = [one.name for one in doorbells[1] if one.track == "receiver/console"]
    assert said[0].startswith("SPI 8 (INTID 40) taken")


def test_interrupts_that_are_ended_out_of_order_still_nest(tmp_path):
    slices = written(
        tmp_path,
        Event(1, 10, "a", 0, "irq_acknowledged", 0, (40, 0)),
        Event(2, 20, "a", 0, "irq_acknowledged", 0, (41, 0)),
        Event(3, 30, "a", 0, "irq_ended", 1, (40,)),
        Event(4, 40, "a", 0, "irq_ended", 2, (41,)),
    )
    found = {(one.name, one.begin, one.end, one.depth) for one in slices}
    assert found == {("SPI 9", 20, 30, 1), ("SPI 8", 10, 30, 0), ("SPI 9", 30, 40, 0)}


def test_a_call_that_never_returns_ends_where_the_vcpu_does_something_else(tmp_path):
    slices = written(
        tmp_path,
        Event(1, 10, "a", 0, "service", 0, ("CPU_SUSPEND", [0], 0, 0)),
        Event(2, 20, "a", 0, "hypercall", 0, ("vcpu_run", {}, {}, 0, 0)),
        Event(3, 25, "a", 0, "hypercall_return", 2, ("vcpu_run", [0])),
        Event(4, 30, "a", 0, "service", 0, ("SYSTEM_OFF", [], 0, 0)),
        Event(5, 30, "a", -1, "exit", 4, (0, "PSCI SYSTEM_OFF")),
    )
    found = [(one.name, one.begin, one.end, one.depth) for one in slices if one.track == "a/vCPU 0"]
    assert found == [("CPU_SUSPEND", 10, 20, 0), ("vcpu_run", 20, 25, 0), ("SYSTEM_OFF", 30, 30, 0)]


def test_a_call_that_blocks_its_caller_lasts_until_it_is_answered(tmp_path):
    slices = written(
        tmp_path,
        Event(1, 0, "a", 0, "vcpu_on", 0, (0, 0)),
        Event(2, 20, "a", 0, "hypercall", 0, ("vcpu_run", {}, {}, 0, 0)),
        Event(3, 20, "a", 0, "hypercall_return", 2, ("vcpu_run", None)),
        Event(4, 90, "a", 0, "hypercall_return", 2, ("vcpu_run", [0, 5])),
        Event(5, 95, "a", 0, "vcpu_off", 0, ()),
    )
    assert [(one.name, one.begin, one.end) for one in slices if one.track == "a/vCPU 0/vCPU 0 state"] == [
        ("running", 0, 20), ("blocked in a call", 20, 90), ("running", 90, 95),
    ]  # fmt: skip
    call = next(one for one in slices if one.name == "vcpu_run")
    assert (call.begin, call.end, call.arguments["x1"]) == (20, 90, 5)


def test_an_end_without_a_beginning_is_shown_and_breaks_nothing(tmp_path):
    """A trace that begins in the middle of a run."""
    slices = written(tmp_path, Event(7, 10, "a", 0, "irq_ended", 3, (40,)), Event(8, 10, "a", 0, "wake", 0, ()))
    assert [one.name for one in slices] == ["irq_ended: SPI 8", "running"]


def test_a_run_that_is_cut_short_leaves_a_trace_that_can_be_read(tmp_path):
    sink = PerfettoSink(tmp_path / "run.pftrace")
    sink.write(Event(1, 10, "a", 0, "hypercall", 0, ("doorbell_send", {}, {}, 0, 0)))
    sink.close(complete=False)
    assert not (tmp_path / "run.pftrace").exists()
    assert [one.name for one in decode(tmp_path / "run.pftrace.partial")[1]] == ["doorbell_send"]


def test_without_the_package_a_person_learns_how_to_get_it(monkeypatch):
    whole = builtins.__import__

    def without(name, *rest):
        if name.startswith("perfetto"):
            raise ImportError(name)
        return whole(name, *rest)

    monkeypatch.delitem(sys.modules, "gunyah_emu.events.perfetto")
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=r"pip install 'gunyah-emu\[perfetto\]'"):
        importlib.import_module("gunyah_emu.events.perfetto")
