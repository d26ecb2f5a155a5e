"""A replay says where a difference is, and which line of a file is no step."""

import json

import pytest

from gunyah_emu.errors import UserError
from gunyah_emu.testing.conformance import replay

META = {"schema": "gunyah-oracle-1", "title": "test"}


def write(tmp_path, *steps):
    path = tmp_path / "steps.jsonl"
    path.write_text("\n".join(json.dumps(step) for step in steps), encoding="utf-8")
    return path


def test_a_difference_names_file_line_step_and_register(tmp_path):
    call = {"k": "hvc", "n": "identify", "i": "6000", "a": [], "r": ["5100000000008001", "10000efe"], "c": "wrong"}
    path = write(tmp_path, META, {"k": "note"}, call)
    report = replay(path)
    assert report.steps == 2
    assert [str(difference) for difference in report.differences] == [
        f"{path}:3: hvc identify (wrong): x1: expected 0x10000efe, got 0x10000eff"
    ]
    assert str(report).startswith(f"{path}: 2 steps, 1 differ\n")


@pytest.mark.parametrize(
    ("step", "text"),
    [
        ({"k": "mrs", "reg": "ICC_PMR", "v": "f0"}, "value: expected 0xf0, got 0xf8"),
        ({"k": "rd", "w": 2, "p": "$gicd", "v": "0"}, "value: expected 0x0, got a fault with ESR 0x96000010"),
        ({"k": "mr", "p": "$scratch", "b": "01"}, "memory: expected 01, got 00"),
        ({"k": "wr", "w": 4, "p": "$gicd+1000", "v": "0"}, "fault: expected None, got Fault(esr=2516582480"),
    ],
)
def test_every_kind_of_difference_is_told(tmp_path, step, text):
    (difference,) = replay(write(tmp_path, META, step)).differences
    assert text in str(difference)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"k": "jump"}, r"the kind of a step must be one of hvc, .*, note, not 'jump'"),
        (
            {"k": "hvc", "i": "6000", "a": ["$nobody"], "r": []},
            r"a symbol must be bound before it is used; \$nobody",
        ),
        (
            {"k": "hvc", "i": "6000", "a": ["12 34"], "r": []},
            r"a value must be a hexadecimal number .* '12 34'",
        ),
        ({"k": "hvc", "i": "6000", "a": []}, r"a step of kind 'hvc' must have a field 'r'"),
        ({"k": "rd", "w": "4", "p": "0", "v": "0"}, r"the field 'w' must be an integer, not '4'"),
        ({"k": "mw", "p": "$scratch", "b": "xy"}, r"the field 'b' must be bytes in hexadecimal"),
        ({"k": "hvc", "i": "6000", "a": "0", "r": []}, r"the field 'a' must be a list, not '0'"),
    ],
)
def test_what_is_no_step_is_the_users_mistake(tmp_path, step, message):
    path = write(tmp_path, META, {"k": "note"}, step)
    with pytest.raises(UserError, match=rf"^{path}:3:1: {message}"):
        replay(path)


def test_the_first_line_must_name_the_schema(tmp_path):
    path = write(tmp_path, {"schema": "other"})
    with pytest.raises(UserError, match=r":1:1: the first line must be an object with the schema 'gunyah-oracle-1'"):
        replay(path)


def test_a_line_must_be_json(tmp_path):
    path = tmp_path / "steps.jsonl"
    path.write_text(json.dumps(META) + "\n{", encoding="utf-8")
    with pytest.raises(UserError, match=r":2:1: each line must be a JSON object"):
        replay(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(UserError, match=r"a recorded sequence must be a readable file: .*No such file"):
        replay(tmp_path / "none.jsonl")


def test_an_unknown_way(tmp_path):
    with pytest.raises(UserError, match=r"the way must be one of direct, .*not 'sideways'"):
        replay(write(tmp_path, META), "sideways")
