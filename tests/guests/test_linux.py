"""Debian's arm64 kernel, unmodified, boots to a shell that does what it is told, the same in every run.

The kernel and busybox come through tools/fetch_guests.py, the first time from Debian's mirrors.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from gunyah_emu import Machine, Outcome, Reason

PROMPT = b"\n# "
BUDGET = 20_000_000_000


def boot(machine_file: Path, *commands: bytes) -> tuple[Outcome, str]:
    """Types the commands into the guest's shell, each at its prompt; how the run ended, and what the console showed."""
    with Machine.from_toml(machine_file) as machine:
        console = machine.vm("linux").console
        console.script([(PROMPT, command + b"\n") for command in commands])
        outcome = machine.run(max_instructions=BUDGET)
        return outcome, console.text.replace("\r", "")


@pytest.mark.parametrize(("file", "vcpus"), [("linux.toml", 1), ("linux_2_vcpus.toml", 2)])
def test_a_stock_kernel_boots_to_a_shell_and_powers_off_alike_in_two_runs(
    debian_guests: Path, file: str, vcpus: int
) -> None:
    commands = (b"uname -sm", b"nproc", b"cat /proc/interrupts", b"echo $((6 * 7)) | sha256sum", b"poweroff -f")
    outcome, text = boot(debian_guests / file, *commands)
    assert outcome.reason is Reason.EXITED, text[-2000:]
    assert outcome.exit_status == 0
    assert outcome.messages == ()
    assert "\ngunyah_emu: userspace is up\n" in text
    assert "\nLinux aarch64\n" in text
    assert f"\n{vcpus}\n" in text
    # sha256 of "42\n", by the guest's own hands
    assert "\n084c799cd551dd1d8d5c5f9a5d593b2e931f5e36122ee5c793c1d08a19839cc0  -\n" in text
    timer_interrupts = re.search(r"((?: +\d+)+) +GICv3 +27 Level +arch_timer\n", text)
    assert timer_interrupts is not None
    assert all(int(count) > 0 for count in timer_interrupts[1].split())
    for trouble in ("BUG:", "WARNING:", "Oops", "rcu_sched", "Call trace"):
        assert trouble not in text

    again, text_again = boot(debian_guests / file, *commands)
    assert text_again == text
    assert again.instructions == outcome.instructions


def test_commands_that_are_piped_into_the_run_reach_the_shell(debian_guests: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gunyah_emu", "run", "--interactive", "--no-realtime", debian_guests / "linux.toml"],
        input=b"echo got $((6*7))\npoweroff -f\n",
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert b"\r\ngot 42\r\n" in done.stdout
