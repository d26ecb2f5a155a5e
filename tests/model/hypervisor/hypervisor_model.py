"""A hypervisor to call, and an interrupt controller that only notes what it is told."""

from gunyah_emu.abi.declare import DECLARATIONS, FIRST_IMMEDIATE
from gunyah_emu.hypervisor.cspace import CSpace
from gunyah_emu.hypervisor.hypervisor import Hypervisor
from gunyah_emu.hypervisor.platform import QuietPlatform
from gunyah_emu.smccc.dispatcher import Smccc


class NotingController:
    """Notes verbs and forgets them when asked."""

    def __init__(self):
        self.verbs = []
        self.checks = {}

    def connect(self, intid, level_check):
        self.checks[intid] = level_check

    def disconnect(self, intid):
        del self.checks[intid]

    def assert_level(self, intid):
        self.verbs.append(("level", intid))

    def assert_edge(self, intid):
        self.verbs.append(("edge", intid))

    def clear(self, intid):
        self.verbs.append(("clear", intid))

    def take(self):
        verbs, self.verbs = self.verbs, []
        return verbs


class Caller:
    """A vCPU with 4 KiB of memory at address 0, and a hole behind it."""

    SIZE = 0x1000

    def __init__(self, max_caps=1000):
        self.hypervisor = Hypervisor(QuietPlatform())
        self.smccc = Smccc(self.hypervisor)
        self.partition = self.hypervisor.root_partition
        self.cspace = CSpace(self.partition, max_caps=max_caps)
        self.cspace.activate()
        self.vpm_group = None
        self.memory = bytearray(self.SIZE)

    def read_memory(self, va, size):
        return bytes(self.memory[va : va + size]) if va + size <= self.SIZE else None

    def write_memory(self, va, data):
        room = max(0, min(len(data), self.SIZE - va))
        self.memory[va : va + room] = data[:room]
        return room

    def call(self, name, *arguments, smccc=False):
        """Results of a call, padded to its outputs, as a tuple; by the native or the SMCCC encoding."""
        declaration = DECLARATIONS[name]
        n = declaration.number - FIRST_IMMEDIATE
        if smccc:
            x = [0xC600_8000 | n, *arguments, *[0] * (7 - len(arguments))]
            assert self.smccc.call(self, x)
            return tuple(x)
        reserved = () if declaration.reserved is None else (declaration.reserved.value,)
        results = self.hypervisor.calls[n](self, *arguments, *reserved)
        results = (results,) if isinstance(results, int) else results
        return results + (0,) * (8 - len(results))
