"""Stock gdb-multiarch against `gunyah-emu debug`: what people type, and what they must see, on both ways."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gunyah_emu.debug.gdb.client_files import FOLDER

ROOT = Path(__file__).resolve().parents[2]
GUESTS = ROOT / "guest_images"
GDB = shutil.which("gdb-multiarch")
TIMEOUT = 100

pytestmark = pytest.mark.skipif(GDB is None, reason="gdb-multiarch is not installed (apt-get install gdb-multiarch)")


class Served:
    """`gunyah-emu debug` in a process of its own."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "gunyah_emu", "debug", *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        found = re.search(r"'gunyah (\S+)'", line)
        assert found is not None, line + self.process.stderr.read()
        self.address = found[1]

    def gdb(self, *commands: str) -> str:
        """What GDB prints for these commands; it lets go of the machine at its end."""
        assert GDB is not None
        script = [GDB, "-nx", "-batch", "-x", str(FOLDER / "gunyah-gdb.py"), "-ex", f"gunyah {self.address}"]
        script += [word for command in commands for word in ("-ex", command)]
        # A session of its own: GDB would take the terminal.
        done = subprocess.run(
            script, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=TIMEOUT, start_new_session=True,
        )  # fmt: skip
        return done.stdout

    def finish(self) -> tuple[int, str]:
        """Its exit status, and what the guests printed."""
        printed, errors = self.process.communicate(timeout=TIMEOUT)
        return self.process.returncode, printed + errors

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def debug() -> Iterator[Callable[..., Served]]:
    """debug(machine, options...) -> the machine, served."""
    made: list[Served] = []

    def serve(machine: str, *options: str) -> Served:
        made.append(Served(str(GUESTS / machine), *options))
        return made[-1]

    yield serve
    for each in made:
        each.close()


def positions(output: str) -> list[int]:
    """What `monitor position` said, in order."""
    return [int(count) for count in re.findall(r"^(\d+) instructions, ", output, re.MULTILINE)]


@pytest.mark.parametrize("way", ["auto", "portable"])
def test_from_the_receivers_handler_back_to_the_senders_hypercall_and_forward_again(debug, way: str) -> None:
    output = debug("doorbell_irq/machine.toml", "--way", way).gdb(
        "break on_edge",
        "continue",
        "backtrace",
        "monitor position",
        "monitor doorbells",
        "inferior 1",
        "break *gunyah_doorbell_send+4",
        "reverse-continue",
        "x/i $pc",
        "backtrace",
        "monitor position",
        "monitor doorbells",
        "continue",
        "monitor position",
    )
    expected = r"""Thread 2\.1 "receiver/0" hit Breakpoint 1, on_edge \(\) at .*receiver\.c:16
.*#0  on_edge \(\) at .*receiver\.c:16
#1  .* in irq_dispatch \(\) at .*
#2  .* in irq_entry \(\) at .*
#3  .* in irq_enable \(\) at .*
#4  main \(\) at .*receiver\.c:36
.*doorbell 1: flags 0x1, .* SPI 8 \(INTID 40\) of receiver, active edge
.*\[Switching to inferior 1 .*
Thread 1\.1 "sender/0" hit Breakpoint 2, .* in gunyah_doorbell_send \(\)
=> .*:\thvc\t#0x6012
#0  .* in gunyah_doorbell_send \(\)
#1  .* in ring \(\) at .*sender\.c:14
.*doorbell 1: flags 0x0, .* SPI 8 \(INTID 40\) of receiver, edge
.*Thread 2\.1 "receiver/0" hit Breakpoint 1, on_edge \(\) at .*receiver\.c:16
"""
    assert re.search(expected.replace("\n", ".*?\n"), output, re.DOTALL), output
    there, back, again = positions(output)
    assert back < there == again


def test_catching_a_hypercall_by_name_stops_there_and_nowhere_else(debug) -> None:
    served = debug("doorbell_irq/machine.toml")
    output = served.gdb(
        "catch syscall doorbell_send",
        *["continue", "print/x $x0", "print/x $x1", "print/x $x2"] * 8,
        "continue",
        "continue",
    )
    calls = re.findall(r"hit Catchpoint 1 \((call to|returned from) syscall (\S+)\), 0x\S+ in (\S+)", output)
    assert (
        calls
        == [
            ("call to", "doorbell_send", "gunyah_doorbell_send"),
            ("returned from", "doorbell_send", "gunyah_doorbell_send"),
        ]
        * 4
    )
    values = re.findall(r"^\$\d+ = (\S+)$", output, re.MULTILINE)
    assert values[0:3] == ["0x100000000", "0x1", "0x0"]  # the capability, the flags, the reserved argument
    assert values[3:5] == ["0x0", "0x0"]  # the error, the flags before
    assert values[18:21] == ["0x100000001", "0x1", "0x0"]
    assert "[Inferior 1 (process 1) exited normally]" in output
    assert "Error" not in output


def test_groups_and_numbers_name_calls_too(debug) -> None:
    output = debug("doorbell_irq/machine.toml").gdb(
        "catch syscall group:psci", "catch syscall 0x6013", "continue", "inferior 1", "continue"
    )
    assert "Catchpoint 2 (syscall 'doorbell_receive' [24595])" in output
    assert "[Inferior 2 (process 2) exited normally]" in output
    assert '"sender/0" hit Catchpoint 1 (call to syscall SYSTEM_OFF)' in output, output


def test_each_inferior_has_its_image_its_registers_and_its_memory(debug) -> None:
    output = debug("doorbell_irq/machine.toml").gdb(
        "info inferiors",
        "break on_edge",
        "continue",
        "info threads",
        "print $VBAR_EL1 != 0",
        "print/x $ICC_IGRPEN1_EL1",
        "print/x $ICC_RPR_EL1",
        "print $cpsr",
        "print $v0.u[0] = 5",
        "print $v0.u[0]",
        "inferior 1",
        "print/x $MPIDR_EL1",
        "print $x0 = 77",
        "print $x0",
    )
    assert re.search(r"\* 1 +process 1 .*/sender\.elf", output)
    assert re.search(r"  2 +process 2 .*/receiver\.elf", output)
    assert re.search(r'1\.1 +Thread 1\.1 "sender/0" \(ready\) +emit', output), output
    assert re.search(r'\* 2\.1 +Thread 2\.1 "receiver/0" \(executes the next instruction\) on_edge', output)
    values = re.findall(r"^\$\d+ = (.+)$", output, re.MULTILINE)
    assert values[:4] == ["1", "0x1", "0xa0", "[ SP EL=1 F I A D C Z ]"]
    assert values[4:6] == ["5", "5"]
    assert values[-3:] == ["0x80000000", "77", "77"]


def test_a_watchpoint_halts_where_the_value_changes_both_ways(debug) -> None:
    output = debug("doorbell_irq/machine.toml").gdb(
        "inferior 2", "watch *(unsigned*)&edges", "continue", "continue", "monitor position", "reverse-continue",
        "monitor position", "continue", "monitor position",
    )  # fmt: skip
    assert re.findall(r"Old value = (\d+)\nNew value = (\d+)", output)[:3] == [("0", "1"), ("1", "2"), ("2", "1")], (
        output
    )
    there, back, again = positions(output)
    assert back < there == again


def test_single_steps_go_both_ways_and_count_instructions(debug) -> None:
    output = debug("doorbell_irq/machine.toml").gdb(
        "stepi", "monitor position", "stepi 5", "monitor position", "reverse-stepi 4", "monitor position",
        "reverse-continue", "monitor position",
    )  # fmt: skip
    assert positions(output) == [1, 6, 2, 0], output
    assert "No more reverse-execution history." in output


def test_lines_are_stepped_over_and_functions_left(debug) -> None:
    output = debug("doorbell_irq/machine.toml").gdb(
        "break gunyah_resource",
        "continue",
        "next",
        "next",
        "finish",
        "reverse-step",
        "delete",
        "reverse-finish",
    )
    expected = r"""Thread 2\.1 "receiver/0" hit Breakpoint 1.2, gunyah_resource \(\) at .*
17\t.*
18\t.*
20\t.*
main \(\) at .*/receiver\.c:30
30\t.*
0x\S+ in gunyah_resource \(\) at .*
29\t.*
0x\S+ in main \(\) at .*/receiver\.c:30
"""
    assert re.search(expected, output), output


def test_threads_run_alone_while_the_scheduler_is_locked(debug) -> None:
    output = debug("arch_smp/machine.toml").gdb(
        "break main", "continue", "monitor position", "set scheduler-locking on", "stepi", "stepi", "monitor position"
    )
    assert "\nBreakpoint 1, main () at " in output
    before, after = positions(output)
    assert after == before + 2


def test_the_monitor_answers_why(debug) -> None:
    output = debug("bad_lost_wakeup/machine.toml").gdb(
        "continue", "monitor why doorbell 1", "monitor trace last 2", "monitor nonsense"
    )
    assert "every vCPU waits and nothing can wake one" in output
    assert re.search(r"now: .*doorbell 1 does not interrupt .*none of its flags is enabled", output), output
    assert "there is no monitor command 'nonsense'" in output


def test_what_gdb_lets_go_of_runs_to_its_end_and_gives_its_status(debug) -> None:
    served = debug("doorbell_irq/machine.toml")
    served.gdb("break on_edge", "continue", "reverse-stepi", "stepi")
    status, printed = served.finish()
    assert status == 0
    assert printed.count("doorbell 1: sent 0x1") == 3  # nothing is printed twice because time went back
    assert printed.count("taken, edge") == 3
