"""A server's packets without a socket, over a session that only says what it was asked to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from gunyah_emu import Machine
from gunyah_emu.debug.gdb.stub import Stub
from gunyah_emu.debug.gdb.table import TABLE
from gunyah_emu.debug.points import Halt, HaltKind
from gunyah_emu.events import MemorySink

GUESTS = Path(__file__).resolve().parents[4] / "guest_images"


class Scripted:
    """A session whose machine stands at its beginning; `halts` come one after the other, then steps for ever."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.position = 0
        self.asked: list[tuple[object, ...]] = []
        self.halts: list[Halt] = []
        self.memory = bytearray(0x2000)
        self.current = machine.vms[0].vcpus[0]
        self.sink = MemorySink()
        machine.record(self.sink)

    def _halt(self, *asked: object, vcpu: object = None) -> Halt:
        self.asked.append(asked)
        return self.halts.pop(0) if self.halts else Halt(HaltKind.STEP, self.position, vcpu or self.current)

    def add_breakpoint(self, vm, va):
        self.asked.append(("breakpoint", vm.name, va))
        return SimpleNamespace()

    def add_watchpoint(self, vm, va, size, access):
        self.asked.append(("watchpoint", vm.name, va, size, access))
        return SimpleNamespace()

    def catch_calls(self, vm, numbers=None, *, returns=False):
        self.asked.append(("catch", vm, numbers, returns))
        return SimpleNamespace()

    def remove(self, point):
        self.asked.append(("remove",))

    def resume(self, only=None, limit=None, interrupted=None):
        return self._halt("resume", only)

    def step(self, vcpu, count=1, only=None, interrupted=None):
        return self._halt("step", vcpu, only, vcpu=vcpu)

    def reverse_resume(self, interrupted=None):
        return self._halt("reverse_resume")

    def reverse_step(self, vcpu, count=1, interrupted=None):
        return self._halt("reverse_step", vcpu)

    def read_memory(self, vcpu, va, size):
        return bytes(self.memory[va : va + size])

    def read_physical(self, vm, ipa, size):
        return bytes(self.memory[ipa : ipa + size])

    def write_memory(self, vcpu, va, data):
        size = max(0, min(len(data), len(self.memory) - va))
        self.memory[va : va + size] = data[:size]
        return size

    def write_register(self, vcpu, name, value):
        self.asked.append(("write", vcpu, name, value))


@pytest.fixture
def two_vms() -> Iterator[Machine]:
    """A sender and a receiver that have not executed anything."""
    with Machine.from_toml(GUESTS / "doorbell_irq" / "machine.toml") as machine:
        yield machine


class Client:
    """Asks the stub; `said` is what the person at GDB was told meanwhile."""

    def __init__(self, machine: Machine) -> None:
        self.session = Scripted(machine)
        self.stub = Stub(machine, self.session, TABLE)
        self.said: list[str] = []
        self.stub.say = self.said.append
        self.sender, self.receiver = (vm.vcpus[0] for vm in machine.vms)
        self.ask("qSupported:multiprocess+;swbreak+;hwbreak+")

    def ask(self, packet: str | bytes) -> str | None:
        reply = self.stub.answer(packet if isinstance(packet, bytes) else packet.encode("latin-1"))
        return None if reply is None else reply.decode("latin-1")

    def monitor(self, line: str) -> list[str]:
        self.said.clear()
        assert self.ask(f"qRcmd,{line.encode().hex()}") == "OK"
        return list(self.said)


@pytest.fixture
def client(two_vms: Machine) -> Client:
    """A client that has introduced itself."""
    return Client(two_vms)
