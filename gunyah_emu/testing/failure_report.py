"""The section of a failed test that shows a machine as it stands."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from gunyah_emu.abi.errors import OK, error_name
from gunyah_emu.errors import UserError
from gunyah_emu.testing.encoding import instruction_at
from gunyah_emu.testing.words import field, place, result_names, words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gunyah_emu.events import Event
    from gunyah_emu.machine.vm import VCpu, VirtualMachine
    from gunyah_emu.testing.under_test import MachineUnderTest

EVENTS = 8
"""Of each VM."""

BEFORE, AFTER = 4, 3
"""Instructions around the one where a vCPU stands."""


def lines_of(machine: MachineUnderTest) -> Iterator[str]:
    """A machine: what was said of the run, and each VM."""
    settings = f"seed {machine.chooser.seed}, quantum {machine.chooser.quantum}"
    if machine.variant is not None and machine.variant.encoding is not None:
        settings += f", {machine.variant.encoding} encoding"
    yield f"{settings}: {machine.clock.instructions:,} instructions, {machine.clock.now():,} ns of virtual time"
    for note in machine.notes:
        yield f"  {note}"
    for vm in machine.vms:
        status = "has not ended" if vm.exit_status is None else f"ended with status {vm.exit_status} ({vm.exit_reason})"
        yield f"VM '{vm.name}' ({vm.cpu_model}) {status}"
        if vm.exit_status is None:
            for vcpu in vm.vcpus.values():
                yield from _stop(vm, vcpu)
        yield from _happened(machine, vm)


def _happened(machine: MachineUnderTest, vm: VirtualMachine) -> Iterator[str]:
    """The calls of a VM that were refused, and its last events."""
    try:
        events = machine.events
    except UserError as error:
        yield f"  its events: {error}"
        return
    yield from _refused(vm, events)
    name = vm.name
    last: deque[Event] = deque((event for event in events if event.vm == name), maxlen=EVENTS)
    if last:
        yield "  its last events:"
    for event in last:
        yield f"    {event.time:>12,} ns  {place(event)} {words(event)}"


def _refused(vm: VirtualMachine, events: Sequence[Event]) -> Iterator[str]:
    """Hypercalls that returned an error, each call and error once: guests often do not look."""
    calls: dict[int, Event] = {}
    found: dict[tuple[str, str], list[Event]] = {}
    for event in events:
        if event.vm != vm.name:
            continue
        if event.kind == "hypercall":
            calls[event.seq] = event
        elif event.kind == "hypercall_return" and (call := calls.pop(event.cause, None)) is not None:
            name, results = str(field(event, "call")), field(event, "results")
            if isinstance(results, list) and results and result_names(name)[:1] == ("error",) and results[0] != OK:
                found.setdefault((name, error_name(results[0])), []).append(call)
    if found:
        yield "  calls that were refused:"
    for (_, error), refused in found.items():
        first = refused[0]
        link = field(first, "lr")
        where = f" from {vm.describe(link - 4)}" if isinstance(link, int) else ""
        yield f"    {error}, {len(refused)} times, first at {first.time:,} ns{where}:"
        yield f"      {words(first)}"


def _stop(vm: VirtualMachine, vcpu: VCpu) -> Iterator[str]:
    """Where a vCPU stands, with the instructions around."""
    state = "off" if not vcpu.on else "waits" if vcpu.waiting else "in a hypercall" if vcpu.blocked else "runs"
    if vm.console.is_awaited:
        state += ", having read the console, where nothing is"
    pc = vm.engine.registers(vcpu.index).pc
    yield f"  vCPU {vcpu.index} {state} at {vm.describe(pc)}"
    if vcpu.on:
        yield from (f"    {line}" for line in disassembly(vm, vcpu, pc))


def disassembly(vm: VirtualMachine, vcpu: VCpu, pc: int) -> Iterator[str]:
    """The instructions around an address, each with its place; the vCPU's is marked."""
    first = pc - 4 * BEFORE
    words_of_code = [instruction_at(vm, vcpu.index, address) for address in range(first, pc + 4 * (AFTER + 1), 4)]
    names: dict[int, str] = {}
    try:
        import capstone

        engine = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM)
        for number, code in enumerate(words_of_code):
            if code is not None:
                for instruction in engine.disasm(code, first + 4 * number):
                    names[instruction.address] = f"{instruction.mnemonic} {instruction.op_str}".rstrip()
    except ImportError:
        yield "(pip install capstone to see instructions)"
    shown = ""
    for number, code in enumerate(words_of_code):
        address = first + 4 * number
        if code is None:
            continue
        where = _where(vm, address)
        mark = ">" if address == pc else " "
        text = names.get(address, f".word {int.from_bytes(code, 'little'):#010x}")
        yield f"{mark} {address:#x}  {text:36} {where if where != shown else ''}".rstrip()
        shown = where


def _where(vm: VirtualMachine, address: int) -> str:
    """Function and line, without the offset, which the address tells."""
    for image in vm.images:
        if (symbol := image.symbol_at(address)) is not None:
            line = image.line_at(address)
            return f"{symbol[0]}" + (f"  {line[0]}:{line[1]}" if line is not None else "")
    return ""
