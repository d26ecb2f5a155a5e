"""The command line as a user types it: what it prints, where, and with which exit status."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

GUESTS = Path(__file__).parents[2] / "guest_images"
COMMAND = [sys.executable, "-m", "gunyah_emu"]


def emulator(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=60, **options)


def test_demo_shows_both_consoles_and_the_interrupt_on_its_way():
    done = emulator("demo")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^sender +\| doorbell 1: sent 0x1", done.stdout, re.MULTILINE)
    assert re.search(r"^receiver \| SPI 8 \(INTID 40\) taken", done.stdout, re.MULTILINE)
    kinds = re.findall(r"^ +\d+ ns +(\w+) +(\w+) ", done.stdout, re.MULTILINE)
    assert kinds == [
        ("sender", "hypercall"),
        ("receiver", "virq_assert"),
        ("receiver", "irq_pending"),
        ("receiver", "irq_acknowledged"),
    ]


def test_run_of_one_image_passes_its_console_on_unchanged():
    done = emulator("run", GUESTS / "hello" / "hello.elf")
    assert (done.returncode, done.stdout, done.stderr) == (0, "Hello from EL1\n", "")


def test_run_of_two_images_names_them():
    done = emulator("run", GUESTS / "hello" / "hello.elf", GUESTS / "hello" / "hello.elf")
    assert done.returncode == 0
    assert sorted(done.stdout.splitlines()) == ["hello   | Hello from EL1", "hello-2 | Hello from EL1"]


def test_a_machine_file_stands_alone():
    machine = GUESTS / "hello" / "machine.toml"
    done = emulator("run", machine, machine)
    assert (done.returncode, done.stderr) == (2, "gunyah-emu: a machine file must stand alone; 2 files were given\n")


def test_the_instruction_budget_has_its_own_status_and_is_kept():
    done = emulator("run", GUESTS / "bad_loop" / "machine.toml", "--max-instructions", "1M")
    assert done.returncode == 124
    spent = re.search(r"the instruction budget is spent after (\d+) instructions", done.stderr)
    assert spent, done.stderr
    assert 1_000_000 <= int(spent[1]) < 1_000_100


def test_the_wall_clock_budget_has_the_same_status():
    done = emulator("run", GUESTS / "bad_loop" / "machine.toml", "--timeout", "0.2")
    assert done.returncode == 124
    assert "the wall-clock budget is spent" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--max-instructions", "0"], "must be a positive count such as 5000, 20M or 1G, not '0'"),
        (["--max-instructions", "many"], "must be a positive count such as 5000, 20M or 1G, not 'many'"),
        (["--timeout", "-1"], "must be a positive number of seconds, not '-1'"),
        (["--timeout", "nan"], "must be a positive number of seconds, not 'nan'"),
        (["--seed", "x"], "argument --seed"),
        (["--way", "scenic"], "invalid choice: 'scenic'"),
    ],
)
def test_options_that_are_not_what_they_must_be(options, message):
    done = emulator("run", GUESTS / "hello" / "hello.elf", *options)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_trace_is_json_lines_whose_causes_exist(tmp_path):
    trace = tmp_path / "run.jsonl"
    assert emulator("run", GUESTS / "doorbell_irq" / "machine.toml", "--trace", trace).returncode == 0
    events = [json.loads(line) for line in trace.read_text().splitlines()]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert all(event["cause"] < event["seq"] for event in events)
    taken = [event for event in events if event["kind"] == "irq_acknowledged" and event["vm"] == "receiver"]
    for event in taken:
        while event["cause"]:
            event = events[event["cause"] - 1]
        assert (event["vm"], event["kind"], event["call"]) == ("sender", "hypercall", "doorbell_send")
    assert len(taken) == 4


def test_ctrl_c_ends_a_guest_that_loops_and_leaves_an_old_trace_alone(tmp_path):
    trace = tmp_path / "run.jsonl"
    trace.write_text("old\n")
    running = subprocess.Popen(
        [*COMMAND, "run", str(GUESTS / "bad_loop" / "machine.toml"), "--trace", str(trace)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not trace.with_name("run.jsonl.partial").exists():
        assert running.poll() is None
        time.sleep(0.01)
    time.sleep(0.3)
    running.send_signal(signal.SIGINT)
    output, errors = running.communicate(timeout=10)
    assert running.returncode == 130, (output, errors)
    partial = trace.with_name("run.jsonl.partial")
    assert errors == f"\ngunyah-emu: interrupted\ngunyah-emu: {partial} holds the run as far as it came\n"
    assert trace.read_text() == "old\n"


def test_a_full_disk_ends_a_traced_run_with_a_message_and_no_trace(tmp_path):
    trace = tmp_path / "run.jsonl"
    trace.with_name("run.jsonl.partial").symlink_to("/dev/full")
    done = emulator("run", GUESTS / "smp" / "machine.toml", "--trace", trace)
    assert done.returncode == 2
    assert done.stderr == f"gunyah-emu: {trace}: the trace file cannot be written: No space left on device\n"
    assert not trace.exists()


def test_hypercalls_lists_every_number_once_and_filters():
    everything = emulator("hypercalls").stdout.splitlines()
    numbers = [line.split()[0] for line in everything]
    assert numbers == sorted(set(numbers))
    assert len(numbers) == 93
    assert emulator("hypercalls", "0x6012").stdout == (
        "0x6012  0xc6008012  doorbell_send(doorbell, new_flags) -> error, old_flags\n"
    )


def test_doctor_says_which_way_and_why():
    done = emulator("doctor")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^portable  works$", done.stdout, re.MULTILINE)
    assert re.search(r"^auto      takes the (fast|portable) way: .+$", done.stdout, re.MULTILINE)


def test_conformance_counts_and_fails_on_a_difference(tmp_path):
    vector = Path(__file__).parents[1] / "conformance" / "vectors" / "scripted" / "02_doorbell_flags.jsonl"
    done = emulator("conformance", vector)
    assert done.returncode == 0
    assert done.stdout.endswith("130 steps, 0 differ\n")
    lines = vector.read_text().splitlines()
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text("\n".join([*lines[:3], lines[3].replace('"r":[]', '"r":["0","5"]'), *lines[4:]]))
    done = emulator("conformance", wrong, "--by", "guest")
    assert done.returncode == 1
    assert "x1: expected 0x5, got 0x0" in done.stdout
    assert done.stdout.endswith("65 steps, 1 differ\n")


def test_output_that_nobody_reads_any_more_is_no_error():
    with subprocess.Popen(
        [*COMMAND, "hypercalls"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ}
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert b"Traceback" not in running.stderr.read()


@pytest.mark.parametrize("command", [("demo",), ("run", GUESTS / "smp" / "machine.toml"), ("hypercalls",)])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_the_disk_has_no_room_for_is_told_in_a_line(command, unbuffered):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, *map(str, command)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == "gunyah-emu: the output cannot be written: No space left on device\n"


def test_version_and_help():
    assert re.fullmatch(r"gunyah-emu \d+\.\d+\.\d+\n", emulator("--version").stdout)
    assert "124     the budget is spent" in emulator("run", "--help").stdout


def test_an_image_without_a_machine_file_takes_the_keys_of_one_as_options():
    done = emulator("run", "--vcpus", "4", "--cpu", "cortex-a53", "--memory", "256MiB", GUESTS / "smp" / "smp.elf")
    expected = (GUESTS / "smp" / "expected.console").read_text()
    assert (done.returncode, done.stdout, done.stderr) == (0, expected, "")


def test_an_option_that_is_a_machine_file_s_to_say_is_refused_with_one():
    machine = GUESTS / "hello" / "machine.toml"
    done = emulator("run", machine, "--vcpus", "2")
    message = f"gunyah-emu: {machine}: --vcpus must be left out for a machine file, which says it itself\n"
    assert (done.returncode, done.stderr) == (2, message)


def test_a_mistake_in_such_an_option_is_told_as_in_a_machine_file():
    done = emulator("run", GUESTS / "hello" / "hello.elf", "--vcpus", "9")
    assert (done.returncode, done.stderr) == (2, "gunyah-emu: vcpus must be an integer of 1..8; it is 9\n")
