"""Holds a run against the `[expect]` table of its machine file; everything that is not met is told at once.

A run that goes on to its end is the run that `gunyah-emu run` makes, to the instruction: nothing stops it to look.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from gunyah_emu.abi.errors import ERROR_CODES
from gunyah_emu.machine.scheduler import Reason
from gunyah_emu.testing.under_test import ExpectationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gunyah_emu.machine.expect_keys import ExpectConsole, ExpectHypercall
    from gunyah_emu.testing.under_test import MachineUnderTest


def check(machine: MachineUnderTest) -> None:
    """Run a machine whose file has `[expect]`.

    Errors: ExpectationError with all that is not as expected.
    """
    expect = machine.config.expect
    assert expect is not None
    machine.max_instructions = expect.max_instructions or machine.max_instructions
    machine.leave_consoles()
    unmet = list(_unmet_ending(machine) if expect.until == "exit" else _run_until_met(machine))
    for console in expect.console:
        unmet += _unmet_other(machine, console)
    for hypercall in expect.hypercall:
        unmet += _unmet_calls(machine, hypercall)
    if unmet:
        assert machine.last_outcome is not None
        raise ExpectationError("\n".join([*unmet, machine.ending(machine.last_outcome)]))
    if expect.golden is not None:
        machine.assert_golden(expect.golden)


def _place(machine: MachineUnderTest, section: object, message: str, key: str = "") -> str:
    """A message with the place of the key that is not met."""
    return str(machine.config.error(section, message, key))  # type: ignore[arg-type]  # a Section


def _unmet_ending(machine: MachineUnderTest) -> Iterator[str]:
    """Run to the end."""
    expect = machine.config.expect
    assert expect is not None
    outcome = machine.run()
    if outcome.reason in (Reason.INSTRUCTIONS, Reason.VIRTUAL_TIME):
        key = "max_instructions" if expect.max_instructions else ""
        limits = f"{machine.max_instructions:,} instructions and {machine.max_virtual_ns / 1e9:g} s of virtual time"
        yield _place(machine, expect, f"every VM must end within {limits}; one has not", key)
    elif outcome.exit_status != expect.exit_status:
        key = "exit_status" if expect.exit_status else ""
        yield _place(machine, expect, f"exit_status must be {expect.exit_status}; it is {outcome.exit_status}", key)
    for console in expect.console:
        wanted = _wanted(console)
        if wanted is not None and machine.vm(console.vm).find(wanted) is None:
            yield _unmet_text(machine, console)


def _run_until_met(machine: MachineUnderTest) -> Iterator[str]:
    """Run until every text has come."""
    expect = machine.config.expect
    assert expect is not None
    for console in expect.console:
        if (wanted := _wanted(console)) is not None:
            try:
                machine.vm(console.vm).expect(
                    wanted, within=max(machine.max_instructions - machine.clock.instructions, 1)
                )
            except ExpectationError:
                yield _unmet_text(machine, console)
                return
    if machine.last_outcome is None:
        machine.run(until=lambda: True)


def _wanted(console: ExpectConsole) -> str | re.Pattern[str] | None:
    return console.contains if console.matches is None else re.compile(console.matches)


def _unmet_text(machine: MachineUnderTest, console: ExpectConsole) -> str:
    vm = machine.vm(console.vm)
    what = repr(console.contains) if console.matches is None else f"a line with {console.matches!r}"
    lost = f" (its first {vm.console.dropped} bytes are no longer kept)" if vm.console.dropped else ""
    behind = " behind what was found before" if vm.seen else ""
    key = "contains" if console.matches is None else "matches"
    return _place(machine, console, f"VM '{vm.name}' must print {what}{behind}; it did not{lost}", key)


def _unmet_other(machine: MachineUnderTest, console: ExpectConsole) -> Iterator[str]:
    """What only the whole console tells."""
    text = machine.vm(console.vm).console.text
    if console.excludes is not None and console.excludes in text:
        line = next(line for line in text.splitlines() if console.excludes.splitlines()[0] in line)
        yield _place(
            machine, console, f"VM '{console.vm}' must not print {console.excludes!r}; it printed {line!r}", "excludes"
        )
    if console.file is not None:
        import difflib

        expected = Path(console.file).read_text(encoding="utf-8", errors="replace")
        if expected != text:
            diff = difflib.unified_diff(
                expected.splitlines(), text.splitlines(), console.file, f"printed by '{console.vm}'", lineterm="", n=2
            )
            shown = "\n".join(f"    {line}" for line in diff) or "    (they differ in the ends of lines)"
            yield _place(machine, console, f"VM '{console.vm}' must print what the file holds\n{shown}", "file")


def _unmet_calls(machine: MachineUnderTest, hypercall: ExpectHypercall) -> Iterator[str]:
    """How often a call was made, and with which result."""
    of = f"{hypercall.call} of VM '{hypercall.vm}'"
    if hypercall.result is None:
        found = len(machine.hypercalls(hypercall.vm, hypercall.call))
    else:
        code = ERROR_CODES[hypercall.result]
        found = sum((error & 0xFFFF_FFFF) == code for error in machine.hypercall_errors(hypercall.vm, hypercall.call))
        of += f" with {hypercall.result}"
    given = [
        (key, must, value)
        for key, must in (("count", ""), ("at_least", "at least "), ("at_most", "at most "))
        if (value := getattr(hypercall, key)) is not None
    ]
    for key, must, value in given or [("call", "at least ", 1)]:
        fits = {"count": found == value, "at_most": found <= value}.get(key, found >= value)
        if not fits:
            yield _place(machine, hypercall, f"there must be {must}{value} {of}; there are {found}", key)
    if machine.lost_events:
        yield _place(
            machine,
            hypercall,
            "hypercalls are counted in the events that are kept, and the oldest "
            f"{machine.lost_events:,} are not: raise the setting gunyah_events",
        )
