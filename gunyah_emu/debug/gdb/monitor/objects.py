"""Gunyah's objects: doorbells, message queues, capabilities, virtual interrupts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gunyah_emu.debug import inventory
from gunyah_emu.debug.gdb.monitor.command import Command, table, vm_named, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gunyah_emu.debug.gdb.stub import Stub
    from gunyah_emu.gic.why import InterruptState
    from gunyah_emu.hypervisor.cspace import Capability
    from gunyah_emu.hypervisor.object import HypervisorObject
    from gunyah_emu.hypervisor.virq import VirqSource


def name_of(target: HypervisorObject) -> str:
    """An object as people name it."""
    return target.label or f"{target.type_name()} without a label"


def condition(state: InterruptState) -> str:
    """What an interrupt is, in words."""
    flags = [
        word
        for word, applies in (
            ("pending", state.pending),
            ("active", state.active),
            ("disabled", not state.enabled),
            ("group 0", not state.group1),
            ("edge" if state.edge else "level", True),
        )
        if applies
    ]
    return " ".join(flags)


def binding(source: VirqSource) -> str:
    """Where a source's interrupt goes, and how it is there."""
    if source.vic is None:
        return "bound to no vIRQ"
    state = inventory.bound_to(source)
    now = "" if state is None else f", {condition(state)}"
    return f"SPI {source.virq - 32} (INTID {source.virq}) of {name_of(source.vic)}{now}"


def doorbells(stub: Stub, given: list[str]) -> Iterator[str]:
    """Flags, masks and interrupt of every doorbell."""
    words(given, 0, 0, "doorbells")
    for doorbell in inventory.doorbells(stub.machine):
        level = "high" if doorbell.level() else "low"
        yield (
            f"{name_of(doorbell)}: flags {doorbell.flags:#x}, enabled {doorbell.enable_mask:#x}, "
            f"acknowledged {doorbell.ack_mask:#x}, level {level}; {binding(doorbell.source)}"
        )


def message_queues(stub: Stub, given: list[str]) -> Iterator[str]:
    """Fill and interrupts of every message queue."""
    words(given, 0, 0, "msgqueues")
    for queue in inventory.message_queues(stub.machine):
        sizes = " ".join(str(len(message)) for message in queue.messages)
        yield (
            f"{name_of(queue)}: {len(queue.messages)} of {queue.depth} messages"
            f"{f' ({sizes} bytes)' if sizes else ''}, at most {queue.max_message_size} bytes each"
        )
        yield f"  receiver told from {queue.receive_threshold} up: {binding(queue.receive_source)}"
        yield f"  sender told from {queue.send_threshold} down: {binding(queue.send_source)}"


def rights_of(capability: Capability) -> str:
    """The rights of a capability by name."""
    target = capability.object
    if target is None:
        return ""
    names = type(target).RIGHTS.NAMES
    return " ".join(names.get(bit, f"{bit:#x}") for bit in _bits(capability.rights))


def _bits(mask: int) -> list[int]:
    return [1 << n for n in range(mask.bit_length()) if mask >> n & 1]


def capabilities(stub: Stub, given: list[str]) -> Iterator[str]:
    """Every capability of a VM."""
    (name,) = words(given, 1, 1, "caps VM")
    rows = [("capability", "object", "state", "rights")]
    for capability in inventory.capabilities(stub.machine, vm_named(stub, name)):
        target = capability.object
        described = ("revoked", "") if target is None else (repr(target)[1:-1].rsplit(" ", 1)[0], _state(target))
        rows.append((f"{capability.id:#x}", *described, rights_of(capability)))
    yield from table(rows)


def _state(target: HypervisorObject) -> str:
    from gunyah_emu.hypervisor.object import STATE_NAMES

    return STATE_NAMES[target.state]


def virqs(stub: Stub, given: list[str]) -> Iterator[str]:
    """Every interrupt that an object is bound to."""
    words(given, 0, 0, "virqs")
    rows = [("VIC", "INTID", "SPI", "source", "level", "now")]
    for vic in stub.machine.hypervisor.vics:
        for virq, source in sorted(vic.sources.items()):
            state = inventory.bound_to(source)
            rows.append(
                (
                    name_of(vic),
                    str(virq),
                    str(virq - 32),
                    f"{name_of(source.owner)} {source.name}",
                    "high" if source.level_check() else "low",
                    "" if state is None else condition(state),
                )
            )
    yield from table(rows)


COMMANDS = (
    Command("doorbells", "", "flags, masks and interrupt of every doorbell", doorbells),
    Command("msgqueues", "", "fill and interrupts of every message queue", message_queues),
    Command("caps", "VM", "a VM's capabilities", capabilities),
    Command("virqs", "", "what is bound to which interrupt", virqs),
)
