"""`gunyah-emu demo`: two VMs, one doorbell, and the way of its interrupt."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from gunyah_emu.cli.arguments import add_way
from gunyah_emu.cli.output import ConsolePrinter
from gunyah_emu.cli.run import report
from gunyah_emu.errors import UserError
from gunyah_emu.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gunyah_emu.events import Event

PACKAGE = Path(__file__).parents[1]
PLACES = (PACKAGE / "demo", PACKAGE.parent / "guest_images" / "doorbell_irq")
"""Where the demo's guests are: in an installed package, in a checkout."""


def machine_file() -> Path:
    """The demo's machine file."""
    for place in PLACES:
        if (place / "machine.toml").exists():
            return place / "machine.toml"
    raise UserError("the demo's guests must be installed with the package", path=PLACES[0])


def journey(events: Iterable[Event]) -> list[str]:
    """The first interrupt that was taken, from its hypercall to its acknowledgement, a line a step."""
    by_seq = {event.seq: event for event in events}
    taken = next((event for event in by_seq.values() if event.kind == "irq_acknowledged"), None)
    chain: list[Event] = []
    while taken is not None:
        chain.append(taken)
        taken = by_seq.get(taken.cause)
    return [f"{event.time:>8} ns  {event.vm:8}  {event.kind:17} {_words(event)}" for event in reversed(chain)]


def _words(event: Event) -> str:
    if event.kind == "hypercall":
        call, arguments = event.fields[:2]
        assert isinstance(arguments, dict)
        return f"{call}({', '.join(f'{name}={value:#x}' for name, value in arguments.items())})"
    source, intid = event.fields[:2] if event.kind == "virq_assert" else (None, event.fields[0])
    assert isinstance(intid, int)
    if source is not None:
        return f"{source} raises vIRQ {intid}"
    return f"INTID {intid} (SPI {intid - 32})" if intid >= 32 else f"INTID {intid}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How to drive the CPU, nothing else."""
    add_way(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo and show what happened."""
    with Machine.from_toml(machine_file(), way=arguments.way) as machine:
        printer = ConsolePrinter([vm.name for vm in machine.vms])
        machine.on_console(printer.write)
        machine.record_events()
        outcome = machine.run(max_instructions=100_000_000)
        printer.close()
        way = machine.vms[0].engine.way
    report(outcome)
    print("\nThe doorbell's way:")
    for line in journey(outcome.events):
        print(f"  {line}")
    print(f"\n{outcome.instructions} instructions in {outcome.virtual_ns} ns of virtual time, on the {way} way.")
    return outcome.exit_status
