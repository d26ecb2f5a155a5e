"""A trace of any length is read in little memory, and what is wrong with one is told with its line."""

import json

import pytest

from gunyah_emu.errors import UserError
from gunyah_emu.events import Event, JsonLinesSink
from gunyah_emu.events.trace_file import TraceFile


def pending(seq: int) -> Event:
    return Event(seq, seq * 10, "a", 0, "irq_pending", 0, (40,))


@pytest.fixture
def trace(tmp_path):
    path = tmp_path / "run.jsonl"
    sink = JsonLinesSink(path)
    sink.write(Event(1, 0, "", -1, "machine", 0, ("m.toml", {})))
    sink.write(Event(2, 5, 'b "kind":"x" "time":99,', -1, "console", 0, ("early\n",)))
    for seq in range(3, 53):
        sink.write(pending(seq))
    sink.write(Event(53, 600, "a", -1, "exit", 0, (0, "done")))
    sink.close(complete=True)
    return path


def seqs(file: TraceFile, limit: int = 1000) -> list[int]:
    return [event.seq for event in file.events(limit)]


def test_what_was_written_is_read(trace):
    file = TraceFile(trace)
    events = list(file.events(1000))
    assert [event.seq for event in events] == list(range(1, 54))
    assert events[2] == pending(3)
    assert (file.skipped, file.unknown, file.is_cut) == (0, 0, False)


def test_the_end_of_a_long_trace_keeps_consoles_and_ends_of_the_whole_run(trace):
    file = TraceFile(trace)
    assert seqs(file, 4) == [1, 2, 49, 50, 51, 52, 53]
    assert file.skipped == 46


def test_a_part_is_what_lies_between_two_times(trace):
    assert seqs(TraceFile(trace, first=100, last=120)) == [1, 2, 10, 11, 12, 53]


def test_a_trace_that_somebody_else_spelt_is_read_too(tmp_path):
    path = tmp_path / "run.jsonl"
    lines = [pending(seq).as_dict() for seq in range(1, 4)]
    path.write_text("\n".join(json.dumps(dict(reversed(line.items())), indent=None) for line in lines))
    assert seqs(TraceFile(path)) == [1, 2, 3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a trace must hold an event; here is none"),
        ("{}\n", "run.jsonl:1:1: a line of a trace must be an event as JSON; its 'seq' must be an integer"),
        ("[]\n", "this is list, not an object"),
        ("[" * 100_000 + "\n", "a line of a trace must be an event as JSON"),
        ("{\n", "Expecting property name"),
    ],
)
def test_what_is_no_trace_is_the_users_mistake(tmp_path, text, message):
    (tmp_path / "run.jsonl").write_text(text)
    with pytest.raises(UserError) as raised:
        seqs(TraceFile(tmp_path / "run.jsonl"))
    assert message in str(raised.value)


def test_events_out_of_order_are_told(tmp_path):
    lines = [json.dumps(pending(seq).as_dict()) + "\n" for seq in (2, 1)]
    (tmp_path / "run.jsonl").write_text("".join(lines))
    with pytest.raises(UserError, match=r"run\.jsonl:2:1: events must be in order; 1 comes after 2"):
        seqs(TraceFile(tmp_path / "run.jsonl"))


def test_a_last_line_that_is_cut_off_is_left_out(trace):
    trace.write_bytes(trace.read_bytes()[:-20])
    file = TraceFile(trace)
    assert seqs(file)[-1] == 52
    assert file.is_cut


def test_a_folder_is_no_trace(tmp_path):
    with pytest.raises(UserError, match="the trace cannot be read: Is a directory"):
        seqs(TraceFile(tmp_path))
