"""The machine below GDB's view: a vCPU's GIC, physical memory, where in time it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gunyah_emu.debug import inventory
from gunyah_emu.debug.gdb.monitor.command import Command, Complaint, number, table, vcpu_named, words
from gunyah_emu.debug.gdb.monitor.objects import condition
from gunyah_emu.debug.gdb.registers import GIC

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gunyah_emu.debug.gdb.stub import Stub

LINE: Final = 16
MOST_BYTES: Final = 4096


def gic(stub: Stub, given: list[str]) -> Iterator[str]:
    """A vCPU's CPU interface, and its interrupts that are enabled, pending or active."""
    name = next(iter(words(given, 0, 1, "gic [VCPU]")), None)
    vcpu = vcpu_named(stub, name)
    place = inventory.gic_of(vcpu)
    if place is None:
        raise Complaint(f"{vcpu.vm.name}/{vcpu.index} has no interrupt controller")
    controller, index = place
    line = "up" if controller.cpu_interfaces[index].line else "down"
    yield f"{vcpu.vm.name}/{vcpu.index}: a GIC of the {controller.model.name} model, IRQ line {line}"
    for register in GIC.registers:
        value = register.read(vcpu)
        yield f"  {register.name:16} {'undefined now' if value is None else f'{value:#x}'}"
    rows = [("INTID", "priority", "route", "now", "not signalled because")]
    for state in inventory.interrupts(controller, index):
        because = "; ".join(reason.value for reason in state.why_not) if state.pending else ""
        route = "none" if state.route < 0 else str(state.route)
        rows.append((str(state.intid), f"{state.priority:#04x}", route, condition(state), because))
    yield from table(rows)


def physical(stub: Stub, given: list[str]) -> Iterator[str]:
    """Memory by intermediate physical address."""
    address_text, *rest = words(given, 1, 2, "xp ADDRESS [BYTES]")
    address, size = number(address_text), number(rest[0]) if rest else 64
    if not 0 < size <= MOST_BYTES:
        raise Complaint(f"the size must be 1 to {MOST_BYTES} bytes, not {size}")
    vm = stub.vm()
    content = stub.session.read_physical(vm, address, size)
    if not content:
        raise Complaint(f"VM '{vm.name}' has no memory at {address:#x}")
    for at in range(0, len(content), LINE):
        piece = content[at : at + LINE]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in piece)
        yield f"{address + at:#010x}  {piece.hex(' '):{LINE * 3 - 1}}  {text}"
    if len(content) < size:
        yield f"nothing is mapped from {address + len(content):#x} on"


def position(stub: Stub, given: list[str]) -> Iterator[str]:
    """How many instructions all vCPUs have executed, and the virtual time."""
    words(given, 0, 0, "position")
    yield f"{stub.session.position} instructions, {stub.machine.clock.now()} ns of virtual time"


COMMANDS = (
    Command("gic", "[VCPU]", "a vCPU's CPU interface and interrupts; VCPU is VM/0, VM or GDB's 1.1", gic),
    Command("xp", "ADDRESS [BYTES]", "memory by physical address of the VM that GDB is at", physical),
    Command("position", "", "how many instructions were executed until now", position),
)
