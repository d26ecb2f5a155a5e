"""Machine files with an `[expect]` table are tests, and say with its place what is not met."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest_plugins = "pytester"

GUESTS = Path(__file__).parents[3] / "guest_images"
DOORBELLS = (GUESTS / "doorbell_irq" / "machine.toml").read_text()


@pytest.fixture
def folder(pytester: pytest.Pytester) -> pytest.Pytester:
    for path in (GUESTS / "doorbell_irq").iterdir():
        if path.suffix != ".toml":
            shutil.copy(path, pytester.path)
    return pytester


def run(pytester: pytest.Pytester, expect: str, *arguments: str, **counts: int) -> list[str]:
    """Runs ring.machine.toml with these lines at its end; the lines of the report."""
    (pytester.path / "ring.machine.toml").write_text(DOORBELLS + expect)
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", *arguments)
    result.assert_outcomes(**counts)
    return result.outlines


MET = """
[expect]
exit_status = 0
max_instructions = 200_000

[[expect.console]]
vm = "receiver"
contains = "taken, level"

[[expect.console]]
vm = "receiver"
matches = 'SPI \\d+ is still pending$'

[[expect.console]]
vm = "receiver"
excludes = "fatal"

[[expect.console]]
vm = "sender"
file = "expected.sender.console"

[[expect.hypercall]]
vm = "sender"
call = "doorbell_send"
result = "OK"
count = 4

[[expect.hypercall]]
vm = "receiver"
call = "doorbell_receive"
at_most = 0
"""


def test_a_file_whose_expectations_are_met_passes(folder: pytest.Pytester):
    run(folder, MET, passed=1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("exit_status = 0", "exit_status = 7", "24:15: exit_status must be 7; it is 0"),
        (
            "200_000",
            "100_000",
            "25:20: every VM must end within 100,000 instructions and 60 s of virtual time; one has not",
        ),
        ('"taken, level"', '"taken twice"', "29:12: VM 'receiver' must print 'taken twice'; it did not"),
        (
            "is still pending$",
            "is still$",
            "33:11: VM 'receiver' must print a line with 'SPI \\\\d+ is still$' behind what was found before; "
            "it did not",
        ),
        (
            'excludes = "fatal"',
            'excludes = "edge"',
            "37:12: VM 'receiver' must not print 'edge'; it printed 'SPI 8 (INTID 40) taken, edge'",
        ),
        ("expected.sender", "expected.receiver", "41:8: VM 'sender' must print what the file holds"),
        ("count = 4", "count = 3", "47:9: there must be 3 doorbell_send of VM 'sender' with OK; there are 4"),
        ('"OK"', '"DENIED"', "47:9: there must be 4 doorbell_send of VM 'sender' with DENIED; there are 0"),
        (
            "at_most = 0",
            "at_least = 2",
            "52:12: there must be at least 2 doorbell_receive of VM 'receiver'; there are 0",
        ),
    ],
)
def test_what_is_not_met_is_told_with_its_place(folder: pytest.Pytester, old: str, new: str, message: str):
    assert MET.count(old) == 1
    lines = run(folder, MET.replace(old, new), failed=1)
    assert f"ring.machine.toml:{message}" in lines


def test_everything_that_is_not_met_is_told_at_once(folder: pytest.Pytester):
    lines = run(folder, MET.replace("count = 4", "count = 3").replace("exit_status = 0", "exit_status = 7"), failed=1)
    assert sum(line.startswith("ring.machine.toml:") for line in lines) == 2
    assert "gunyah-emu run ring.machine.toml --max-instructions 200000 --max-virtual-seconds 60" in lines


@pytest.mark.parametrize(
    ("expect", "message"),
    [
        ("[expect]\nexit_code = 1\n", "24:1: [expect] must have known keys only; it has 'exit_code'"),
        ('[expect]\nuntil = "idle"\n', "24:9: until must be 'exit' or 'met'; it is 'idle'"),
        (
            '[[expect.console]]\nvm = "receiver"\n',
            "23:1: [[expect.console]] must have one of 'contains', 'matches', 'excludes' and 'file'; it has none",
        ),
        (
            '[[expect.console]]\nvm = "recv"\ncontains = "x"\n',
            "24:6: vm must be the name of a VM; there is no 'recv' (did you mean 'receiver'?)",
        ),
        (
            '[[expect.console]]\nvm = "receiver"\nmatches = "(x"\n',
            "25:11: matches must be a regular expression; missing ), unterminated subpattern in '(x'",
        ),
        (
            '[[expect.hypercall]]\nvm = "sender"\ncall = "doorbel_send"\n',
            "25:8: call must be the name of a hypercall; there is no 'doorbel_send' (did you mean 'doorbell_send'?)",
        ),
        (
            '[[expect.hypercall]]\nvm = "sender"\ncall = "doorbell_send"\nresult = "OKAY"\n',
            "26:10: result must be the name of an error; there is no 'OKAY' (did you mean 'OK'?)",
        ),
    ],
)
def test_a_mistake_in_the_table_is_told_when_it_is_collected(folder: pytest.Pytester, expect: str, message: str):
    lines = run(folder, f"\n{expect}", errors=1)
    assert any(line.startswith(f"ring.machine.toml:{message}") for line in lines)


def test_it_is_run_once_for_each_variant_that_it_names(folder: pytest.Pytester):
    lines = run(folder, "\n[expect]\nseeds = [0, 1]\nquanta = [20, 30000]\n", "-v", "--gunyah-seeds=9", passed=4)
    assert any("ring.machine.toml::run[seed=1-quantum=20] PASSED" in line for line in lines)


def test_until_met_ends_with_the_last_text(folder: pytest.Pytester):
    text = '\n[expect]\nuntil = "met"\nmax_instructions = 100_000\n[[expect.console]]\nvm = "sender"\ncontains = "1"\n'
    run(folder, text, passed=1)
    lines = run(folder, text.replace('"1"', '"flags before 0x2"'), failed=1)
    assert "ring.machine.toml:28:12: VM 'sender' must print 'flags before 0x2'; it did not" in lines


@pytest.mark.parametrize("text", ["", "[[vm]\n", '[[vm]]\nname = "a"\n', "\xff"])
def test_other_peoples_files_of_that_name_are_left_alone(pytester: pytest.Pytester, text: str):
    (pytester.path / "other.machine.toml").write_text(text, encoding="latin-1")
    pytester.makepyfile("def test(): pass")
    pytester.runpytest_inprocess().assert_outcomes(passed=1)
