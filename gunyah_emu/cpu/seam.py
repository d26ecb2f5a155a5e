"""What an engine is made of and answers with: the small things on both sides of its seam."""

from __future__ import annotations

import ctypes
import enum
from collections.abc import Callable, MutableSequence, Sequence
from typing import NamedTuple, Protocol

from gunyah_emu.cpu.libunicorn import Encoding
from gunyah_emu.cpu.sysreg import SystemRegister

PAGE = 4096


class Stop(enum.IntEnum):
    """Why a run ended."""

    BUDGET = 0
    WFI = 1
    REQUESTED = 2
    EXCEPTION_LOOP = 3
    HALTED = 4


STOPS = tuple(Stop)


class Device(Protocol):
    """What is mapped on the bus: offsets from its base, sizes 1, 2, 4 or 8 bytes."""

    def read(self, offset: int, size: int, /) -> int | None:
        """The value; None for an external abort."""

    def write(self, offset: int, size: int, value: int, /) -> bool | None:
        """False for an external abort."""


class ExitHandler:
    """Answers what no table answers; the defaults are a machine without firmware.

    `x` is x0..x30, live: reading and writing it reads and writes the guest's registers.
    """

    def on_call(self, vcpu: int, conduit: str, immediate: int, x: MutableSequence[int]) -> None:
        """An HVC or SMC that is not in the call table; `conduit` is "hvc" or "smc"."""
        x[0] = 0xFFFF_FFFF_FFFF_FFFF  # SMCCC: NOT_SUPPORTED

    def on_semihosting(self, vcpu: int, x: MutableSequence[int]) -> bool | None:
        """HLT #0xF000.  False denies it: the instruction is UNDEFINED."""
        return False

    def on_unknown_register(self, vcpu: int, encoding: Encoding, is_read: bool, pc: int) -> None:
        """The guest accessed a system register that nobody implements, which is UNDEFINED; told once each way."""

    def on_unmapped(self, vcpu: int, ipa: int, kind: str, pc: int) -> bool | None:
        """Nothing is at `ipa`.  `kind` is "read", "write" or "fetch".

        Returns True for a read or write that is to be made again, because a device is there now.  Otherwise the guest
        takes an external abort.
        """


class CallTable:
    """The hypercalls that are answered by callables, and the register convention of their results.

    Arguments:
        calls: entry(caller, x0, ...) -> int | tuple[int, ...] | None by immediate - base; None where there is no call.
            The list is live: an entry replaced in it is called next time.
        argument_counts: how many of x0.. each entry takes, 8 at most.
        base: the immediate of the first entry.
        results: x0 up to this many are results; those that the entry does not return are zeroed.
        cleared: further registers that a call zeroes.
        link: the register that receives the address behind the HVC; None: no register does.
    """

    __slots__ = ("argument_counts", "base", "calls", "cleared", "link", "results")

    def __init__(
        self,
        calls: list[Callable[..., int | tuple[int, ...] | None] | None],
        argument_counts: bytes,
        base: int = 0x6000,
        results: int = 8,
        cleared: Sequence[int] = tuple(range(10, 18)),
        link: int | None = 9,
    ) -> None:
        assert len(argument_counts) >= len(calls), f"{len(calls)} calls need as many counts, not {len(argument_counts)}"
        assert max(argument_counts, default=0) <= 8, "a hypercall takes 8 arguments at most"
        assert 1 <= results <= 8, f"a hypercall returns 1..8 results, not {results}"
        self.calls = calls
        self.argument_counts = argument_counts
        self.base = base
        self.results = results
        self.cleared = cleared
        self.link = link


class Ram:
    """A piece of RAM on the bus."""

    __slots__ = ("executable", "host", "ipa", "memory", "size", "writable")

    def __init__(self, ipa: int, memory: memoryview, writable: bool, executable: bool) -> None:
        self.ipa = ipa
        self.size = len(memory)
        self.memory = memory
        self.host = 0  # where it is in our own memory, for the way that needs to know
        self.writable = writable
        self.executable = executable


def address_of(memory: memoryview) -> int:
    """Where a writable buffer is in our own memory."""
    return ctypes.addressof(ctypes.c_uint8.from_buffer(memory))


class Setup(NamedTuple):
    """What an engine is made with; `open_engine` says what each is."""

    vcpus: int
    cpu_model: str
    system_registers: Sequence[Sequence[SystemRegister]]
    calls: CallTable | None
    callers: list[object]
    handler: ExitHandler
    #: one line that says why it goes this way
    why: str
