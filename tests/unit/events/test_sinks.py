"""A trace is whole or clearly partial, bounded in memory, and equal for equal runs."""

import json

import pytest

from gunyah_emu.errors import UserError
from gunyah_emu.events import KINDS, DigestSink, JsonLinesSink, MemorySink, Recorder


def ring(recorder: Recorder) -> None:
    call = recorder.emit("hypercall", "sender", 0, ("doorbell_send", [1, 2], {}, 0x40, 0x44))
    recorder.cause = call
    pending = recorder.emit("irq_pending", "receiver", 0, (40,))
    recorder.emit("irq_acknowledged", "receiver", 0, (40, 0x80), cause=pending)


def test_causes_lead_from_the_interrupt_back_to_the_hypercall():
    memory = MemorySink()
    ring(Recorder(lambda: 5, [memory]))
    by_seq = {event.seq: event for event in memory.events}
    taken = memory.events[-1]
    assert taken.kind == "irq_acknowledged"
    assert by_seq[taken.cause].kind == "irq_pending"
    assert by_seq[by_seq[taken.cause].cause].fields[0] == "doorbell_send"


def test_a_trace_file_has_its_name_only_when_it_is_whole(tmp_path):
    sink = JsonLinesSink(tmp_path / "run.jsonl")
    recorder = Recorder(lambda: 7, [sink])
    ring(recorder)
    assert not (tmp_path / "run.jsonl").exists()
    recorder.close(complete=True)
    lines = [json.loads(line) for line in (tmp_path / "run.jsonl").read_text().splitlines()]
    assert lines[0] == {
        "seq": 1, "time": 7, "vm": "sender", "vcpu": 0, "kind": "hypercall", "cause": 0,
        "call": "doorbell_send", "arguments": [1, 2], "objects": {}, "pc": 0x40, "lr": 0x44,
    }  # fmt: skip
    assert [line["kind"] for line in lines] == ["hypercall", "irq_pending", "irq_acknowledged"]


def test_a_run_that_is_cut_short_leaves_an_older_trace_alone(tmp_path):
    (tmp_path / "run.jsonl").write_text("old\n")
    recorder = Recorder(lambda: 0, [JsonLinesSink(tmp_path / "run.jsonl")])
    ring(recorder)
    recorder.close(complete=False)
    assert (tmp_path / "run.jsonl").read_text() == "old\n"
    assert len((tmp_path / "run.jsonl.partial").read_text().splitlines()) == 3


def test_an_impossible_trace_file_is_the_users_mistake(tmp_path):
    with pytest.raises(
        UserError, match=r"nowhere/run\.jsonl: the trace file cannot be written: No such file or directory"
    ):
        JsonLinesSink(tmp_path / "nowhere" / "run.jsonl")


def test_equal_runs_have_equal_digests_and_one_bit_differs():
    digests = []
    for time in (1, 1, 2):
        digest = DigestSink()
        ring(Recorder(lambda time=time: time, [digest]))
        digests.append(digest.hexdigest())
    assert digests[0] == digests[1] != digests[2]


def test_memory_forgets_the_oldest():
    memory = MemorySink(capacity=2)
    ring(Recorder(lambda: 0, [memory]))
    assert [event.seq for event in memory.events] == [2, 3]


def test_every_kind_says_what_its_cause_is():
    for kind in KINDS.values():
        assert kind.about.endswith(".")
        assert kind.cause
