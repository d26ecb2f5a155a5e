"""Small guests, assembled on the spot and run both ways."""

from __future__ import annotations

import mmap
from collections.abc import Callable, MutableSequence
from functools import cache

import pytest
from keystone import KS_ARCH_ARM64, KS_MODE_LITTLE_ENDIAN, Ks

from gunyah_emu.cpu import CallTable, Engine, ExitHandler, Stop, open_engine
from gunyah_emu.errors import UserError

BASE = 0x4000_0000
VECTORS = BASE + 0x1_0000
SIZE = 1 << 20
EXIT = 0xE0  # hvc #EXIT ends a guest


def ways() -> list[str]:
    """The ways that work here: without a C compiler there is one, and the tests pass all the same."""
    try:
        open_engine(way="fast").close()
    except UserError:
        return ["portable"]
    return ["fast", "portable"]


WAYS = ways()

if "fast" not in WAYS:  # the fast way's own parts are written in C
    collect_ignore = ["test_stage2.py"]


@cache
def encode(source: str, address: int = BASE) -> bytes:
    return bytes(Ks(KS_ARCH_ARM64, KS_MODE_LITTLE_ENDIAN).asm(source, address)[0])


class Log(ExitHandler):
    """Remembers what reached it; hvc #EXIT stops the run."""

    def __init__(self) -> None:
        self.seen: list[tuple[object, ...]] = []
        self.engine: Engine

    def on_call(self, vcpu: int, conduit: str, immediate: int, x: MutableSequence[int]) -> None:
        if immediate == EXIT:
            self.engine.request_stop()
        else:
            self.seen.append((conduit, immediate, x[0]))

    def on_unknown_register(self, vcpu: int, encoding: tuple[int, ...], is_read: bool, pc: int) -> None:
        self.seen.append(("unknown", encoding, is_read, pc - BASE))

    def on_unmapped(self, vcpu: int, ipa: int, kind: str, pc: int) -> None:
        self.seen.append(("unmapped", ipa, kind, pc - BASE))


class Guest:
    """A VM of one megabyte with `source` at its start."""

    def __init__(
        self, way: str, source: str, *, vectors: dict[int, str] | None = None, vcpus: int = 1, **options: object
    ):
        self.handler = options.pop("handler", None) or Log()
        self.engine = open_engine(way=way, vcpus=vcpus, handler=self.handler, **options)
        self.handler.engine = self.engine
        self.memory = mmap.mmap(-1, SIZE)
        self.write(0, encode(source))
        for offset, code in (vectors or {}).items():
            self.write(VECTORS - BASE + offset, encode(code, VECTORS + offset))
        self.engine.map_ram(BASE, self.memory)
        for vcpu in range(vcpus):
            self.engine.reset(vcpu, BASE)
            if vectors is not None:
                self.engine.registers(vcpu)["VBAR_EL1"] = VECTORS

    @property
    def seen(self) -> list[tuple[object, ...]]:
        return self.handler.seen

    @property
    def x(self) -> MutableSequence[int]:
        return self.engine.registers(0).x

    def write(self, offset: int, data: bytes) -> None:
        self.memory[offset : offset + len(data)] = data

    def word(self, offset: int) -> int:
        return int.from_bytes(self.memory[offset : offset + 8], "little")

    def run(self, budget: int = 100_000, vcpu: int = 0) -> Stop:
        return self.engine.run(vcpu, budget)

    def finish(self, budget: int = 100_000) -> Guest:
        """Run to hvc #EXIT."""
        stop = self.run(budget)
        assert stop is Stop.REQUESTED, (self.engine.registers(0).pc - BASE, self.engine.loop, self.seen)
        return self


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def guest(way: str):
    """guest(source, ...) -> Guest, the way under test."""
    made: list[Guest] = []

    def make(source: str, **options: object) -> Guest:
        made.append(Guest(way, source, **options))
        return made[-1]

    yield make
    for each in made:
        each.engine.close()


@pytest.fixture
def assemble() -> Callable[..., bytes]:
    """assemble(source, address=BASE) -> machine code."""
    return encode


@pytest.fixture
def new_guest() -> type[Guest]:
    """The class, for tests that choose the way themselves."""
    return Guest


@pytest.fixture
def all_ways() -> list[str]:
    return WAYS


@pytest.fixture
def both():
    """both(observe, source, ...) -> what `observe(guest)` returned, checked to be the same both ways."""

    def run(observe: Callable[[Guest], object], source: str, **options: object) -> object:
        found = []
        for each in WAYS:
            made = Guest(each, source, **options)
            found.append(observe(made))
            made.engine.close()
        assert all(other == found[0] for other in found), list(zip(WAYS, found, strict=True))
        return found[0]

    return run


@pytest.fixture
def calls() -> Callable[..., CallTable]:
    """calls({n: (arguments, entry)}) -> a table with 0x70 places."""

    def make(entries: dict[int, tuple[int, Callable[..., object]]], **options: object) -> CallTable:
        table = [entries[n][1] if n in entries else None for n in range(0x70)]
        return CallTable(table, bytes(entries[n][0] if n in entries else 0 for n in range(0x70)), **options)

    return make
