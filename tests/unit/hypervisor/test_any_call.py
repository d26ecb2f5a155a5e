"""No sequence of hypercalls, however wild, is anything else than results in registers, in bounded memory."""

import random

import pytest

from gunyah_emu.abi.declare import FIRST_IMMEDIATE, TABLE_SIZE, CapabilityType
from gunyah_emu.hypervisor.fatal import HypervisorFatal
from gunyah_emu.hypervisor.hypervisor import load_declarations
from gunyah_emu.hypervisor.object import OBJECT_TYPES
from gunyah_emu.testing.conformance_direct import RAM_BASE, RAM_SIZE, DirectTarget

DECLARATIONS = {
    declaration.number - FIRST_IMMEDIATE: declaration
    for declaration in load_declarations().values()
    if declaration.number is not None
}
CREATES = ("partition_create", "cspace_copy")
NUMBERS = (0, 1, 2, 3, 4, 8, 31, 32, 40, 95, 255, 1023, 1 << 16 | 4, 0xFFFF_FFFE, 0xFFFF_FFFF, 1 << 63, (1 << 64) - 1)
PLACES = (0x0900_0000, 0x0900_1000, 0x1000, 0x10_0000_0000, (1 << 64) - 8)


class Guest:
    """A root VM's vCPU that calls whatever it likes, mostly with arguments of the right kind."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.restart()

    def restart(self):
        self.target = DirectTarget("root")
        self.capabilities = [cap for cap in self.target.symbols().values() if cap in self.target.vcpu.cspace.table][:40]

    def capability(self, kind):
        table = self.target.vcpu.cspace.table
        fitting = [cap for cap in self.capabilities if table[cap].kind is kind]
        return self.random.choice(fitting if fitting and self.random.random() < 0.9 else self.capabilities)

    def argument(self, kind):
        if isinstance(kind, CapabilityType):
            if self.random.random() < 0.95:
                return self.capability(kind.cls)
        elif kind.name == "cap_id_t":
            return self.random.choice(self.capabilities)
        pick = self.random.random()
        if pick < 0.6:
            return self.random.choice(NUMBERS)
        if pick < 0.8:
            return RAM_BASE + self.random.randrange(0, RAM_SIZE + 0x2000) & ~self.random.choice((0, 0xFFF))
        return self.random.choice(PLACES) if pick < 0.9 else self.random.getrandbits(self.random.choice((8, 32, 64)))

    def call(self):
        n = self.random.randrange(TABLE_SIZE)
        declaration = DECLARATIONS.get(n)
        registers = [self.random.choice(NUMBERS) for _ in range(8)]
        if declaration is not None:
            for argument in declaration.arguments(OBJECT_TYPES):
                registers[argument.register] = self.argument(argument.type)
            if declaration.reserved is not None and self.random.random() < 0.95:
                registers[len(declaration.argument_names)] = declaration.reserved.value
            if declaration.name == "vcpu_kill":
                return
        self.perform(n, declaration, registers)
        if self.target.vcpu.exited or self.target.vcpu.blocks:
            self.restart()

    def perform(self, n, declaration, registers):
        hypervisor = self.target.hypervisor
        if self.random.random() < 0.5:
            entry = hypervisor.calls[n]
            if entry is None:
                return
            results = entry(self.target.vcpu, *registers[: hypervisor.argument_counts[n]])
        else:
            results = [0xC600_8000 | n, *registers[:7]]
            self.target.smccc.call(self.target.vcpu, results)
        results = (results,) if isinstance(results, int) else results or (0,)
        assert all(isinstance(value, int) and 0 <= value < 1 << 64 for value in results)
        if declaration is not None and declaration.name.startswith(CREATES) and results[0] == 0:
            self.capabilities.append(results[1])
            if len(self.capabilities) > 200:
                self.capabilities.pop(self.random.randrange(200))


@pytest.mark.parametrize("seed", range(4))
def test_a_guest_gets_only_registers(seed):
    guest = Guest(seed)
    fatal = 0
    for _ in range(5000):
        try:
            guest.call()
        except HypervisorFatal:
            fatal += 1
    assert fatal < 2500
    partition = guest.target.hypervisor.root_partition
    assert 0 <= partition.used <= partition.limit
