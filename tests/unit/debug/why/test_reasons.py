"""Each reason for which a doorbell does not interrupt has its machine here, and `why` names it, recorded and live.

The sender is a real guest that rings doorbells 1 (edge) and 2 (level); the receiver loops with nothing set up, and the
test plays its GIC driver.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gunyah_emu import Machine
from gunyah_emu.debug.why import Places, Trace, find, parse, verdict, why
from gunyah_emu.debug.why.chain import consequences
from gunyah_emu.events import JsonLinesSink
from gunyah_emu.gic import Gic
from gunyah_emu.machine.vm import PSTATE_I

GUESTS = Path(__file__).parents[4] / "guest_images"
EDGE, LEVEL = 40, 41
SETTLED = 60_000
"""Instructions after which the sender sleeps and the receiver is in its loop."""

MACHINE = """
[[vm]]
name = "sender"
image = "{guests}/doorbell_irq/sender.elf"

[[vm]]
name = "receiver"
image = "{guests}/{receiver}.elf"
vcpus = 2

[[doorbell]]
label = 1
senders = ["sender"]
receiver = "receiver"
virq = {{ spi = 8, trigger = "edge" }}

[[doorbell]]
label = 2
senders = ["sender"]
receiver = "receiver"
virq = {{ spi = 9, trigger = "level" }}
"""


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    (tmp_path / "machine.toml").write_text(MACHINE.format(guests=GUESTS, receiver="bad_loop/bad_loop"))
    with Machine.from_toml(tmp_path / "machine.toml") as made:
        made.run(max_instructions=SETTLED)
        set_up(made)
        made.record_events()
        yield made


def gic_of(machine: Machine) -> Gic:
    gic = machine.vm("receiver").vcpus[0].gic
    assert gic is not None
    return gic


def set_up(machine: Machine) -> None:
    """Do what the receiver's GIC driver would: both interrupts reach its vCPU 0, which takes none by itself."""
    gic = gic_of(machine)
    gic.distributor.write(0, 4, 0x12)  # CTLR: EnableGrp1, ARE
    for intid in (EDGE, LEVEL):
        gic.distributor.write(0x400 + intid, 1, 0xA0)
    gic.distributor.write(0x84, 4, 3 << 8)  # IGROUPR: 40 and 41
    gic.distributor.write(0xC08, 4, 0b10 << 16)  # ICFGR: 40 is an edge, 41 a level
    gic.distributor.write(0x104, 4, 3 << 8)  # ISENABLER
    gic.cpu_interfaces[0].write_pmr(0xF8)
    gic.cpu_interfaces[0].write_igrpen1(1)
    registers = machine.vm("receiver").vcpus[0].vm.engine.registers(0)
    registers.pstate = registers.pstate & ~PSTATE_I


def ring(machine: Machine) -> Trace:
    outcome = machine.run(until=lambda: machine.vm("sender").exit_status is not None, max_instructions=5_000_000)
    assert machine.vm("sender").exit_status == 0, outcome.messages
    return Trace.of_events(outcome.events)


def first_ring(machine: Machine, label: int) -> tuple[list[str], str]:
    """The reasons that were recorded of the first send to a doorbell, by name, and the verdict on it."""
    trace = ring(machine)
    send = next(e for e in trace if e.kind == "hypercall" and f"doorbell {label}" in e.table("objects").values())
    blocked = [one.entry for one in consequences(trace, send) if one.entry.kind == "irq_blocked"]
    line = verdict(trace, send, Places.of_machine(machine))
    return list(blocked[0].table("reasons")) if blocked else [], line


def disable_spi(machine: Machine) -> None:
    gic_of(machine).distributor.write(0x184, 4, 3 << 8)


def mask_priority(machine: Machine) -> None:
    gic_of(machine).cpu_interfaces[0].write_pmr(0x80)


def mask_irqs(machine: Machine) -> None:
    registers = machine.vm("receiver").engine.registers(0)
    registers.pstate = registers.pstate | PSTATE_I


def leave_group_0(machine: Machine) -> None:
    gic_of(machine).distributor.write(0x84, 4, 0)


def disable_group(machine: Machine) -> None:
    gic_of(machine).cpu_interfaces[0].write_igrpen1(0)


def disable_distributor(machine: Machine) -> None:
    gic_of(machine).distributor.write(0, 4, 0x10)


def route_to(affinity: int) -> Callable[[Machine], None]:
    def route(machine: Machine) -> None:
        gic_of(machine).distributor.write(0x6000 + 8 * EDGE, 8, affinity)

    return route


def route_to_a_vcpu_that_was_never_on(machine: Machine) -> None:
    route_to(1)(machine)
    gic_of(machine).cpu_interfaces[1].write_pmr(0xF8)
    gic_of(machine).cpu_interfaces[1].write_igrpen1(1)


def switch_off(machine: Machine) -> None:
    machine.vm("receiver").stop(machine.vm("receiver").vcpus[0])


def be_active(machine: Machine) -> None:
    gic = gic_of(machine)
    gic.distributor.write(0x204, 4, 1 << 8)  # ISPENDR
    assert gic.cpu_interfaces[0].read_iar1() == EDGE


def handle_another(machine: Machine) -> None:
    gic = gic_of(machine)
    gic.distributor.write(0x204, 4, 1 << 9)
    assert gic.cpu_interfaces[0].read_iar1() == LEVEL


def unbind(machine: Machine) -> None:
    machine.doorbell(1).source.unbind()


@pytest.mark.parametrize(
    ("spoil", "names", "words"),
    [
        (unbind, ["not_bound"], "no virtual interrupt is bound to it"),
        (disable_spi, ["disabled"], "it is disabled (ISENABLER)"),
        (mask_priority, ["priority_masked"], "ICC_PMR_EL1): priority 0xa0, ICC_PMR_EL1 0x80"),
        (mask_irqs, ["irqs_masked"], "the vCPU masks interrupts (PSTATE.I is 1), at "),
        (leave_group_0, ["group_0"], "it is in group 0 (IGROUPR)"),
        (disable_group, ["interface_off"], "ICC_IGRPEN1_EL1 is 0"),
        (disable_distributor, ["distributor_off"], "GICD_CTLR.EnableGrp1 is 0"),
        (route_to(0x700), ["routed_elsewhere"], "0x700 is no vCPU's affinity"),
        (route_to_a_vcpu_that_was_never_on, ["vcpu_off"], "vCPU 1 was never powered on"),
        (switch_off, ["vcpu_off"], "vCPU 0 is off"),
        (be_active, ["active", "running_priority"], "acknowledged and not yet ended, since receiver/0 takes"),
        (handle_another, ["running_priority"], "priority 0xa0, running 0xa0, since receiver/0 takes INTID 41 (SPI 9)"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)  # fmt: skip
def test_why_names_the_reason(machine: Machine, spoil: Callable[[Machine], None], names: list[str], words: str) -> None:
    spoil(machine)
    found, line = first_ring(machine, 1)
    assert [name for name in found if name in names] == names, found
    assert set(found) - set(names) <= {"running_priority"}
    assert line.startswith("doorbell 1 did not interrupt ")
    assert words in line
    assert "sender/0 calls doorbell_send(doorbell 1, new_flags=0x1) at main+" in line
    assert "\n" not in line
    live = why(machine, "doorbell 1")
    assert words.split(", since")[0] in live, live


def test_a_flag_that_is_not_enabled_is_blamed_on_the_mask(machine: Machine) -> None:
    machine.doorbell(2).mask(0x6, 0)
    found, line = first_ring(machine, 2)
    assert found == ["flag_not_enabled"]
    assert "none of its flags is enabled: flags 0x1, enable mask 0x6" in line
    assert "flags 0x1, enable mask 0x6" in why(machine, "receiver irq 41")


def test_rings_that_fall_into_one_interrupt_say_so(machine: Machine) -> None:
    disable_spi(machine)
    trace = ring(machine)
    blocked = [entry for entry in trace if entry.kind == "irq_blocked" and entry.number("intid") == EDGE]
    assert [next(iter(entry.table("reasons"))) for entry in blocked] == [
        "disabled",
        "already_pending",
        "already_pending",
    ]
    line = verdict(trace, blocked[1], Places.of_machine(machine))
    assert "it was pending already, since event" in line
    assert ": one interrupt for both, since sender/0 calls doorbell_send(doorbell 1" in line


def test_a_vm_that_has_ended_is_said_to_have(tmp_path: Path) -> None:
    (tmp_path / "machine.toml").write_text(MACHINE.format(guests=GUESTS, receiver="hello/hello"))
    with Machine.from_toml(tmp_path / "machine.toml") as machine:
        machine.record_events()
        found, line = first_ring(machine, 1)
    assert "vm_ended" in found
    assert "the VM has ended (PSCI SYSTEM_OFF)" in line


def test_nothing_is_blocked_where_the_interrupt_gets_through(machine: Machine) -> None:
    found, _ = first_ring(machine, 1)
    assert found == []


def test_an_interrupt_that_will_be_taken_is_said_to_be_signalled(machine: Machine) -> None:
    machine.doorbell(1).source.assert_level()
    assert why(machine, "receiver irq 40").startswith("INTID 40 (SPI 8) of doorbell 1 is signalled to receiver/0")


def test_what_is_pending_at_the_end_is_in_the_trace_with_its_reasons(machine: Machine, tmp_path: Path) -> None:
    machine.record(JsonLinesSink(tmp_path / "run.jsonl"))
    mask_irqs(machine)
    ring(machine)
    disable_spi(machine)
    machine.close()
    trace = Trace.read(tmp_path / "run.jsonl")
    last = [list(entry.table("reasons")) for entry in trace if entry.kind == "irq_blocked"][-2:]
    assert last == [["disabled", "irqs_masked"], ["disabled", "irqs_masked"]]
    assert "it is disabled (ISENABLER); and the vCPU masks interrupts" in verdict(
        trace, find(trace, parse(["last"])), Places.of_machine(machine)
    )
