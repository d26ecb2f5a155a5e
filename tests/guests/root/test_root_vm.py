"""A root VM's guest makes a VM by hypercalls alone, talks to it, and everything that it made is freed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from gunyah_emu import Machine, Reason
from gunyah_emu.machine.machine import Way


class Use(NamedTuple):
    """What of the hypervisor is in use, all of it counted."""

    partition_bytes: int
    vmids: frozenset[int]
    vics: int
    owned_ranges: int
    vms: int
    vcpus: int
    timers: int

    @classmethod
    def of(cls, machine: Machine) -> Use:
        """Of a machine, now."""
        hypervisor, platform = machine.hypervisor, machine.platform
        platform.close_doomed()
        return cls(
            hypervisor.root_partition.used,
            frozenset(hypervisor.memory.vmids),
            len(hypervisor.vics),
            len(hypervisor.memory._owners),
            len(machine.vms),
            len(platform.vcpus),
            len(machine.scheduler._timers),
        )


def watch_lines(machine: Machine, seen: Callable[[str], None]) -> None:
    """Call `seen` with each line of the root VM's console, in the middle of the run."""
    line = bytearray()

    def on_console(name: str, data: bytes) -> None:
        for byte in data:
            if byte == ord("\n"):
                seen(line.decode())
                line.clear()
            else:
                line.append(byte)

    machine.on_console(on_console)


def test_it_makes_rings_hears_and_kills_a_vm_alike_in_every_run(images: Path, way: Way) -> None:
    runs = []
    for _ in range(2):
        with Machine.from_toml(images / "root_vm/machine.toml", way=way) as machine:
            outcome = machine.run(max_instructions=10_000_000)
            runs.append((machine.vm("root").console.text, outcome))
    text, outcome = runs[0]
    assert text == (images / "root_vm/expected.console").read_text()
    assert (outcome.reason, outcome.exit_status, outcome.messages) == (Reason.EXITED, 0, ())
    assert runs[1] == runs[0]


def test_what_it_made_is_gone_when_it_says_so(images: Path, way: Way) -> None:
    used: dict[str, list[Use]] = {"round": [], "made": [], "killed": []}
    with Machine.from_toml(images / "root_vm/machine.toml", way=way) as machine:

        def on_line(line: str) -> None:
            word = line.partition(" ")[0]
            if word in used:
                used[word].append(Use.of(machine))

        watch_lines(machine, on_line)
        assert machine.run(max_instructions=10_000_000).reason is Reason.EXITED
    before, again = used["round"]
    assert used["made"][0].partition_bytes > before.partition_bytes
    assert used["made"][0].vics == before.vics + 1
    assert [again, *used["killed"]] == [before] * 3


def test_the_vm_sees_only_its_own_memory(images: Path, way: Way) -> None:
    with Machine.from_toml(images / "root_vm/machine.toml", way=way) as machine:
        machine.run(until=machine.vm("root").console.contains("power state"), max_instructions=10_000_000)
        child = next(vm for vm in machine.vms if not vm.configured)
        addrspace = child.vcpus[0].thread.addrspace
        assert addrspace is not None
        assert [(start, end) for start, end, _ in addrspace.stage2] == [
            (0x0900_0000, 0x0900_1000),
            (0x4000_0000, 0x4020_0000),
        ]
        assert {thread.mpidr for thread in (vcpu.thread for vcpu in child.vcpus.values())} == {1 << 31, 1 << 31 | 1}


def test_a_machine_with_tracing_runs_alike(images: Path) -> None:
    with Machine.from_toml(images / "root_vm/machine.toml") as machine:
        machine.record_events()
        outcome = machine.run(max_instructions=10_000_000)
        assert outcome.exit_status == 0
        assert machine.vm("root").console.text == (images / "root_vm/expected.console").read_text()
    kinds = {event.kind for event in outcome.events}
    assert {"hypercall", "vcpu_on", "vcpu_off", "virq_assert", "wait", "wake"} <= kinds
