"""One run of a campaign: what to run, and what came of it, both as plain data that travels."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from gunyah_emu import __version__
from gunyah_emu.errors import UserError
from gunyah_emu.machine import Machine
from gunyah_emu.testing.bundle import Unpacked

if TYPE_CHECKING:
    from typing import Any

    from gunyah_emu.abi.declare import Declaration
    from gunyah_emu.abi.decode import Entry
    from gunyah_emu.abi.types import Results
    from gunyah_emu.hypervisor.thread import Thread

INSTRUCTION, LINK = 4, 30
LONGEST_STUB = 64
"""Bytes: a hypercall so near to where a function begins is a stub's, and its caller is the place that people know."""

MOST_CONSOLE = 1 << 16
"""Characters of a console that a result keeps; its digest is of the whole."""

MOST_SITES = 10_000

Result = dict[str, "Any"]
"""What came of a run; JSON can say it."""


class Task(NamedTuple):
    """A run.

    Arguments:
        id: its place in the campaign.
        seed, quantum, cpu: with what; None: as the machine file says.
        faults: further `[[fault]]` tables.
        max_instructions: the budget.
        version: of the package that asks; a worker with another one refuses.
    """

    id: int
    seed: int | None
    quantum: int | None
    cpu: str | None
    faults: tuple[dict[str, Any], ...]
    max_instructions: int
    version: str = __version__

    @property
    def variant(self) -> tuple[int | None, int | None, str | None]:
        """With what, without the faults."""
        return self.seed, self.quantum, self.cpu


class Sites:
    """Where guests make hypercalls: per VM the sequence of (call, address), and each place with its occurrences.

    Arguments:
        machine: whose, from now on.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._made: Counter[tuple[str, str]] = Counter()
        #: (VM, call, address, encoding) -> which of the VM's calls of that name came from there: first, last, how many
        self.places: dict[tuple[str, str, int, str], list[int]] = {}
        self._callers: dict[tuple[int, int, str], int] = {}
        self._sequences = {vm.name: sha256() for vm in machine.vms}
        machine.hypervisor.wrap_calls(self._wrap)

    def _wrap(self, entry: Entry, declaration: Declaration, encoding: str) -> Entry:
        name = declaration.name

        def call(caller: Thread, *registers: int) -> Results:
            vcpu = self._machine.platform.vcpus[caller]
            vm = vcpu.vm
            state = vm.engine.registers(vcpu.index)
            link = state.x[LINK]
            address = self._callers.get((state.pc, link, vm.name))
            if address is None:
                address = self._callers[state.pc, link, vm.name] = caller_of(caller, state.pc, link)
            self._made[vm.name, name] += 1
            nth = self._made[vm.name, name]
            place = self.places.get((vm.name, name, address, encoding))
            if place is not None:
                place[1] = nth
                place[2] += 1
            elif len(self.places) < MOST_SITES:
                self.places[vm.name, name, address, encoding] = [nth, nth, 1]
            if (sequence := self._sequences.get(vm.name)) is not None:
                sequence.update(b"%x %s\n" % (address, name.encode()))
            return entry(caller, *registers)

        return call

    def sequences(self) -> dict[str, str]:
        """By VM, a digest of which calls it made from where, in order."""
        return {name: digest.hexdigest() for name, digest in self._sequences.items()}


def caller_of(thread: Thread, pc: int, link: int) -> int:
    """Where a hypercall is made: the BL to the stub that the HVC or SMC in front of `pc` is in, else the HVC or SMC."""
    code = thread.read_memory(link - INSTRUCTION, INSTRUCTION) if link >= INSTRUCTION else None
    instruction = 0 if code is None else int.from_bytes(code, "little")
    if instruction >> 26 == 0b100101:  # BL
        distance = ((instruction & 0x3FF_FFFF) ^ 0x200_0000) - 0x200_0000
        if 0 < pc - (link - INSTRUCTION + 4 * distance) <= LONGEST_STUB:
            return link - INSTRUCTION
    return pc - INSTRUCTION


_unpacked: dict[bytes, Unpacked] = {}  # the last bundle that this process ran


def perform(packed: bytes, task: Task) -> Result:
    """Run a task.

    Errors: UserError when this process has another version of the package, or the machine cannot be built.
    """
    if task.version != __version__:
        raise UserError(f"a worker must have gunyah_emu {task.version}; this one has {__version__}")
    key = sha256(packed).digest()
    if key not in _unpacked:
        _unpacked.clear()
        _unpacked[key] = Unpacked(packed)
    settings = {"seed": task.seed, "quantum": task.quantum}
    given = {name: value for name, value in settings.items() if value is not None}
    with Machine(_unpacked[key].config(given, task.cpu, task.faults)) as machine:
        sites = Sites(machine)
        outcome = machine.run(max_instructions=task.max_instructions)
        places = {
            vm.name: {f"{address:#x}": vm.describe(address) for name, _, address, _ in sites.places if name == vm.name}
            for vm in machine.vms
        }
        return {
            "reason": outcome.reason.name,
            "status": outcome.exit_status,
            "instructions": outcome.instructions,
            "messages": list(outcome.messages),
            "consoles": {vm.name: vm.console.text[:MOST_CONSOLE] for vm in machine.vms},
            "digests": {vm.name: sha256(vm.console.text.encode()).hexdigest() for vm in machine.vms},
            "sequences": sites.sequences(),
            "sites": [[*place, *counts] for place, counts in sites.places.items()],
            "places": places,
            "struck": [hits.hit for hits in machine.faults.all] if machine.faults is not None else [],
        }
