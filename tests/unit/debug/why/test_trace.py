"""A damaged trace, or a question that it cannot answer, is the user's mistake, told with its place; nothing crashes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gunyah_emu.debug.why import Places, Trace, answer, find, parse, verdict
from gunyah_emu.errors import UserError

EVENT = {"seq": 1, "time": 5, "vm": "a", "vcpu": 0, "kind": "wait", "cause": 0, "pc": 64}


def written(tmp_path: Path, *lines: str, end: str = "\n") -> Path:
    path = tmp_path / "run.jsonl"
    path.write_text("\n".join(lines) + end)
    return path


def event(**changes: object) -> str:
    return json.dumps(EVENT | changes)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "run.jsonl:2:1: a line of a trace must be an event as JSON; Expecting property name"),
        ("[1]", "this is list, not an object"),
        ('{"seq": 2}', "its 'time' must be an integer"),
        (event(seq=True), "its 'seq' must be an integer"),
        (event(seq=2, kind=None), "its 'kind' must be a string"),
        (event(seq=1), "run.jsonl:2:1: events must be in order; 1 comes after 1"),
        ("[" * 100_000, "recursion"),
        ('{"a": "b', "Invalid control character"),
        ("\N{PILE OF POO}", "Expecting value at column 1"),
    ],
)
def test_a_malformed_line_is_told_by_its_number(tmp_path: Path, line: str, message: str) -> None:
    path = written(tmp_path, event(), line, event(seq=3))
    with pytest.raises(UserError, match=re.escape(message)):
        Trace.read(path)


def test_bytes_that_are_no_utf_8_are_told_by_their_line(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(event().encode() + b"\n\xff\xfe\n" + event(seq=3).encode() + b"\n")
    with pytest.raises(UserError, match=r"run\.jsonl:2:1"):
        Trace.read(path)


def test_a_trace_that_was_cut_short_is_read_and_said_to_be(tmp_path: Path) -> None:
    path = written(tmp_path, event(), event(seq=2), event(seq=3)[:20], end="")
    trace = Trace.read(path)
    assert len(trace) == 2
    assert trace.notes == [f"{path}:3: the last line is cut off and left out: the run was cut short"]


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_an_empty_trace_is_no_trace(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.jsonl").write_text(text)
    with pytest.raises(UserError, match="must hold an event"):
        Trace.read(tmp_path / "run.jsonl")


def test_a_missing_trace_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere: the trace cannot be read: No such file or directory"):
        Trace.read(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("9", "the trace has no event 9; it has 1..2"),
        ("irq 40", "the trace has no interrupt 40; it has 27"),
        ("b irq 27", "the trace has no VM 'b'; it has a"),
        ("doorbell 1", "the trace has no send to doorbell 1; it has sends to none"),
        ("queue x", "a label must be a number, not 'x'"),
        ("foo", "the trace has no kind of event and no call 'foo'; it has irq_pending, wait"),
        ("a b c d", "an event must be named as `N`"),
        ("", "an event must be named as"),
        ("irq -1", "an INTID must be a number, not '-1'"),
    ],
)
def test_a_question_without_an_answer_says_what_there_is(tmp_path: Path, words: str, message: str) -> None:
    trace = Trace.read(written(tmp_path, event(), event(seq=2, kind="irq_pending", intid=27)))
    with pytest.raises(UserError, match=re.escape(message)):
        find(trace, parse([words]))


@pytest.mark.parametrize("words", ["1", "last", "a wait", "a/0 wait", "wait"])
def test_an_event_is_found_by_number_and_by_words(tmp_path: Path, words: str) -> None:
    trace = Trace.read(written(tmp_path, event()))
    assert find(trace, parse(words.split())).seq == 1


def test_a_part_of_a_trace_can_be_asked(tmp_path: Path) -> None:
    trace = Trace.read(written(tmp_path, event(seq=7, kind="irq_acknowledged", intid=40, cause=5)))
    line = verdict(trace, find(trace, parse(["7"])), Places({}))
    assert line == "a/0 takes INTID 40 (SPI 8) [7] because of event 5, which this trace does not have"


@pytest.mark.parametrize("cause", [1, 2, 3, -4])
def test_a_trace_whose_causes_go_round_ends(tmp_path: Path, cause: int) -> None:
    trace = Trace.read(written(tmp_path, event(cause=2), event(seq=2, cause=cause)))
    for seq in ("1", "2"):
        assert answer(trace, find(trace, parse([seq])), Places({}))


@pytest.mark.parametrize(
    "kind", ["hypercall", "service", "irq_blocked", "virq_assert", "idle", "exit", "sgi", "new_kind"]
)
def test_fields_of_another_version_do_not_matter(tmp_path: Path, kind: str) -> None:
    """Traces of older and of newer versions: fields are missing, or are not what they were."""
    strange = {"reasons": [], "arguments": 5, "objects": {"x": 1}, "intid": "y", "pc": None, "call": {}, "status": ""}
    trace = Trace.read(written(tmp_path, event(seq=1), event(seq=2, kind=kind), event(seq=3, kind=kind, **strange)))
    for seq in ("1", "2", "3"):
        assert answer(trace, find(trace, parse([seq])), Places({}))


def test_many_consequences_are_counted_unless_all_are_asked_for(tmp_path: Path) -> None:
    lines = [event(kind="hypercall"), *(event(seq=n, kind="irq_ended", cause=1) for n in range(2, 102))]
    trace = Trace.read(written(tmp_path, *lines))
    shown = answer(trace, find(trace, parse(["1"])), Places({}))
    assert shown[-1] == "  ... and 60 further consequences (--all)"
    assert len(answer(trace, find(trace, parse(["1"])), Places({}), limit=None)) == 2 + 101
