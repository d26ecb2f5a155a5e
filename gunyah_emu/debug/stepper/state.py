"""What a machine holds, as views: registers, doorbells and queues, interrupts, consoles, events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gunyah_emu.cpu.registers import EL
from gunyah_emu.debug import inventory
from gunyah_emu.debug.stepper.lines import Line, Piece, line, table
from gunyah_emu.debug.stepper.symbols import symbol_at
from gunyah_emu.debug.why.words import NAMES, phrase
from gunyah_emu.hypervisor.doorbell import ALL_FLAGS
from gunyah_emu.machine.blocked import reasons

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gunyah_emu.debug.stepper.next_call import NextCall
    from gunyah_emu.debug.why.places import Places
    from gunyah_emu.debug.why.trace import Entry
    from gunyah_emu.hypervisor.virq import VirqSource
    from gunyah_emu.machine.machine import Machine
    from gunyah_emu.machine.vm import VCpu, VirtualMachine

COLUMNS = 4
SYSTEM = ("ELR_EL1", "SPSR_EL1", "ESR_EL1", "FAR_EL1", "VBAR_EL1", "SCTLR_EL1", "TTBR0_EL1", "TTBR1_EL1")
FLAGS = ((31, "N"), (30, "Z"), (29, "C"), (28, "V"), (9, "D"), (8, "A"), (7, "I"), (6, "F"))


def register_values(vcpu: VCpu) -> dict[str, int]:
    """Every register that a view shows, by name."""
    registers = vcpu.vm.engine.registers(vcpu.index)
    x = registers.x
    values = {f"x{n}": x[n] for n in range(31)} | {"sp": registers.sp, "pc": registers.pc, "pstate": registers.pstate}
    return values | {name: registers[name] for name in SYSTEM}


def registers(vcpu: VCpu, before: Mapping[str, int], *, columns: int = COLUMNS) -> list[Line]:
    """A vCPU's registers; those that differ from `before` stand out."""
    values = register_values(vcpu)

    def cell(name: str) -> Piece:
        changed = before and before.get(name) != values[name]
        return f"{values[name]:016x}", "changed" if changed else "value"

    general = [f"x{n}" for n in range(31)] + ["sp"]
    rows = -(-len(general) // columns)
    shown = [
        [piece for name in general[row::rows] for piece in ((f"{name:>3}", "dim"), cell(name))] for row in range(rows)
    ]
    pstate = values["pstate"]
    flags = "".join(letter if pstate >> bit & 1 else letter.lower() for bit, letter in FLAGS)
    symbol = symbol_at(vcpu.vm, values["pc"])
    where = f"  {symbol[0]}+{symbol[1]:#x}" if symbol is not None else ""
    lines = table(shown, gap=1)
    lines.append(line((" pc ", "dim"), cell("pc"), (where, "symbol")))
    lines.append(line(("  pstate ", "dim"), (flags, "changed" if pstate != before.get("pstate", pstate) else "value")))
    lines[-1].append((f"  EL{(pstate & EL) >> 2}", "value"))
    system = [((f"{name:>9}", "dim"), cell(name)) for name in SYSTEM]
    half = max(columns // 2, 1)
    lines += table([[piece for pair in system[at : at + half] for piece in pair] for at in range(0, len(system), half)])
    return lines


def call(found: NextCall) -> list[Line]:
    """A call that is about to be made: how, and each argument with what it means."""
    name = (found.name, "call") if found.name else (f"{found.number:#x}: no such call", "bad")
    rows = [
        [
            (f"  {each.register}", "dim"),
            (each.name, "symbol"),
            (f"{each.value:#x}", "value"),
            (each.meaning.removeprefix(f"{each.name}={each.value:#x} "), "bad" if each.is_wrong else ""),
        ]
        for each in found.arguments
    ]
    return [line(name, (f"  by {found.encoding}", "dim")), *table(rows)]


def memory(address: int, data: bytes) -> list[Line]:
    """Bytes in rows of 16, as hexadecimal and as text."""
    lines = []
    for at in range(0, len(data), 16):
        row = data[at : at + 16]
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        lines.append(line((f"{address + at:#018x}  ", "address"), f"{row.hex(' '):47}  ", (text, "dim")))
    return lines or [line(("nothing is mapped there", "bad"))]


def objects(machine: Machine) -> list[Line]:
    """Every doorbell and message queue that a VM has a capability to, and what it holds."""
    rows: list[list[Piece]] = []
    for doorbell in inventory.doorbells(machine):
        flags = f"flags {doorbell.flags:#x}", "changed" if doorbell.flags else "value"
        masks = f"enabled {_mask(doorbell.enable_mask)}, ack {_mask(doorbell.ack_mask)}", "value"
        rows.append([(doorbell.title, "symbol"), flags, masks, (_bound(machine, doorbell.source), "")])
    for queue in inventory.message_queues(machine):
        fill = f"{len(queue.messages)} of {queue.depth} messages", "changed" if queue.messages else "value"
        thresholds = f"tells from {queue.receive_threshold} up, room from {queue.send_threshold} down", "value"
        bound = f"{_bound(machine, queue.receive_source)}; room: {_bound(machine, queue.send_source)}"
        rows.append([(queue.title, "symbol"), fill, thresholds, (bound, "")])
    return table(rows) or [line(("no doorbell and no message queue", "dim"))]


def _mask(mask: int) -> str:
    return "all" if mask == ALL_FLAGS else f"{mask:#x}"


def _bound(machine: Machine, source: VirqSource) -> str:
    vic = source.vic
    if vic is None:
        return "not bound"
    owner = next((vm.name for vm in machine.vms if any(one.thread.vic is vic for one in vm.vcpus.values())), vic.title)
    return f"INTID {source.virq} of {owner}"


def interrupts(vcpu: VCpu) -> list[Line]:
    """A vCPU's GIC interface, and every interrupt that is enabled, pending or active for it."""
    found, vic = inventory.gic_of(vcpu), vcpu.thread.vic
    if found is None or vic is None:
        return [line(("no interrupt controller", "dim"))]
    gic, interface = found
    cpu = gic.cpu_interfaces[interface]
    head = line(("PMR ", "dim"), (f"{cpu.pmr:#04x}", "value"), ("  group 1 ", "dim"))
    head += line(("on" if cpu.group1_enabled else "off", "value"), ("  IRQ line ", "dim"))
    head += line(("high", "changed") if cpu.line else ("low", "value"))
    rows: list[list[Piece]] = []
    for one in inventory.interrupts(gic, interface):
        source = vic.sources.get(one.intid)
        words = [word for word in ("active", "pending") if getattr(one, word)]
        why = "; ".join(reasons(gic, interface, one.intid).values()) if one.pending else ""
        rows.append(
            [
                (f"{one.intid:>4}", "address"),
                ("+".join(words) or ("enabled" if one.enabled else "disabled"), "changed" if words else "dim"),
                ("edge" if one.edge else "level", "dim"),
                (f"{one.priority:#04x}", "value"),
                (source.title if source is not None else NAMES.get(one.intid, ""), "symbol"),
                (why, "bad"),
            ]
        )
    return [head, *table(rows)]


def consoles(vms: Iterable[VirtualMachine], *, height: int = 5) -> list[Line]:
    """The last lines that each VM printed."""
    lines: list[Line] = []
    many = list(vms)
    width = max((len(vm.name) for vm in many), default=0)
    for vm in many:
        text = vm.console.text.splitlines()[-height:]
        lines += [line((f"{vm.name:{width}} | ", "symbol"), _printable(one)) for one in text]
    return lines or [line(("nothing is printed yet", "dim"))]


def _printable(text: str) -> str:
    """A guest's text, with nothing in it that would move a cursor."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text.expandtabs())


def events(entries: Iterable[Entry], places: Places) -> list[Line]:
    """Events, a line each."""
    return table(
        [
            [
                (f"{one.seq:>6}", "dim"),
                (f"{one.time:>9} ns", "dim"),
                (one.place, "symbol"),
                (phrase(one, places), "bad" if one.kind in ("irq_blocked", "unknown", "exception_loop") else ""),
            ]
            for one in entries
        ]
    )
