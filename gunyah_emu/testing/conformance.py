"""Replays sequences that were recorded on the real hypervisor, and reports every difference.

A file is JSON lines of the schema "gunyah-oracle-1" (tests/conformance/vectors/SCHEMA.md): a meta object, then one
step a line.  The engine knows steps and symbols; what executes a step is a `Target`: the dispatcher and a GIC without
any CPU ("direct"), or a real guest. A difference never stops a replay: the next steps show whether it was the cause
of more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Final, NamedTuple, Protocol, TypeAlias, cast

from gunyah_emu.errors import UserError

SCHEMA: Final = "gunyah-oracle-1"

WAYS: Final[dict[str, str]] = {
    "direct": "gunyah_emu.testing.conformance_direct:DirectTarget",
    "guest": "gunyah_emu.testing.conformance_guest:GuestTarget",
}
"""Ways to execute steps: `module:class` by name; the class takes the kind of VM, "root" or "hlos"."""

Json: TypeAlias = "str | int | bool | list[Json] | dict[str, Json] | None"
Step: TypeAlias = dict[str, Json]

_U64: Final = 0xFFFF_FFFF_FFFF_FFFF
_REGISTERS: Final = 8
_VALUE: Final = re.compile(r"([0-9a-f]+)|\$([a-z_0-9]+?)([+-][0-9a-f]+)?")


class Fault(NamedTuple):
    """A synchronous exception to EL1 that a step took, by its syndrome and address."""

    esr: int
    far: int


class InterruptMode(NamedTuple):
    """How calls run from now on, and what the guest's interrupt handler does.

    Arguments:
        unmask: calls run with interrupts unmasked.
        doorbell: a capability that the handler calls doorbell_receive on, or `None`.
        flags: what it clears.
        end: the handler writes EOIR1.
        limit: after so many interrupts in one call it returns with interrupts masked.

    """

    unmask: bool
    doorbell: int | None
    flags: int
    end: bool
    limit: int


class Target(Protocol):
    """What executes steps.  Registers are unsigned 64-bit integers."""

    def symbols(self) -> Mapping[str, int]:
        """The symbols that are known at the start, without `$`."""

    def tick(self) -> None:
        """A step begins: a recorded session took about a millisecond for each."""

    def call(
        self, conduit: str, immediate: int, registers: Sequence[int], vcpu: int
    ) -> tuple[Sequence[int], Sequence[int]]:
        """`hvc` or `smc` with x0..x7 by the first or second vCPU: x0..x7 after it, and the interrupts taken."""

    def read_register(self, name: str) -> int | None:
        """MRS of a register by its name without `_EL1`; `None`: UNDEFINED."""

    def write_register(self, name: str, value: int) -> bool:
        """MSR; whether it was defined."""

    def load(self, address: int, width: int) -> int | Fault:
        """A load of a device's register."""

    def store(self, address: int, width: int, value: int) -> Fault | None:
        """A store to a device's register."""

    def read_memory(self, address: int, size: int) -> bytes:
        """Bytes of the guest's RAM."""

    def write_memory(self, address: int, data: bytes) -> None:
        """Store to the guest's RAM."""

    def set_interrupt_mode(self, mode: InterruptMode) -> None:
        """How calls run from now on."""

    def set_up_spi(self, intid: int, *, priority: int, edge: bool, enable: bool) -> None:
        """GICD_CTLR = 0x12; the SPI in group 1, routed to the first vCPU."""

    def reply(self, message: bytes) -> None:
        """The resource manager takes the request that was sent and answers with this message."""


class Difference(NamedTuple):
    """One value that is not as recorded."""

    path: str
    line: int
    step: str
    where: str
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.step}: {self.where}: expected {self.expected}, got {self.got}"


class Report(NamedTuple):
    """What a replay found."""

    path: str
    steps: int
    differences: tuple[Difference, ...]

    def __str__(self) -> str:
        lines = [f"{self.path}: {self.steps} steps, {len({d.line for d in self.differences})} differ"]
        return "\n".join([*lines, *(f"  {difference}" for difference in self.differences)])


def replay(path: str | Path, way: str = "direct") -> Report:
    """Replay one file on a fresh target.

    Arguments:
        path: a file of the schema "gunyah-oracle-1".
        way: a key of `WAYS`.

    Raises:
        UserError: the file is missing, or not of that schema.

    """
    steps = read_steps(Path(path))
    kind = "hlos" if any('"$rm_' in json.dumps(step) for _, step in steps) else "root"
    if way not in WAYS:
        raise UserError(f"the way must be one of {', '.join(WAYS)}, not {way!r}")
    module, _, name = WAYS[way].partition(":")
    target = cast("Target", getattr(import_module(module), name)(kind))
    return Replay(str(path), target).run(steps)


def read_steps(path: Path) -> list[tuple[int, Step]]:
    """The steps of a file with the numbers of their lines; errors as `replay`."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"a recorded sequence must be a readable file: {error}", path=path) from None
    steps: list[tuple[int, Step]] = []
    for number, line in enumerate(lines, 1):
        try:
            step = json.loads(line)
        except ValueError as error:
            raise UserError(f"each line must be a JSON object: {error}", path=path, line=number) from None
        if not isinstance(step, dict):
            raise UserError(f"each line must be a JSON object, not {line[:40]!r}", path=path, line=number)
        steps.append((number, step))
    if not steps or steps[0][1].get("schema") != SCHEMA:
        raise UserError(f"the first line must be an object with the schema {SCHEMA!r}", path=path, line=1)
    return steps[1:]


class Replay:
    """One replay: symbols, the steps, and the differences so far.

    Arguments:
        path: how differences name the file.
        target: what executes the steps.

    """

    def __init__(self, path: str, target: Target) -> None:
        self.path = path
        self.target = target
        self.symbols: dict[str, int] = dict(target.symbols())
        self.differences: list[Difference] = []
        self._line = 0
        self._step: Step = {}

    def run(self, steps: Sequence[tuple[int, Step]]) -> Report:
        """Execute numbered steps."""
        handlers: dict[str, Callable[[], None]] = {
            "hvc": self._call,
            "smc": self._call,
            "mrs": self._mrs,
            "msr": self._msr,
            "rd": self._load,
            "wr": self._store,
            "mw": self._write_memory,
            "mr": self._read_memory,
            "irqmode": self._interrupt_mode,
            "gicd_setup": self._set_up_spi,
            "note": self._note,
        }
        for place, (line, step) in enumerate(steps):
            self._line, self._step = line, step
            kind = step.get("k")
            if kind not in handlers:
                raise self._malformed(f"the kind of a step must be one of {', '.join(handlers)}, not {kind!r}")
            self.target.tick()
            handlers[str(kind)]()
            if step.get("n") == "msgqueue_send" and self._arguments()[0] == self.symbols.get("rm_tx"):
                self._answer(steps[place + 1 :])
        return Report(self.path, len(steps), tuple(self.differences))

    def value(self, text: Json) -> int:
        """A hexadecimal number, or a symbol with an offset."""
        match = _VALUE.fullmatch(str(text))
        if match is None:
            raise self._malformed(f"a value must be a hexadecimal number or a symbol with an offset, not {text!r}")
        number, name, offset = match.groups()
        if number is not None:
            return int(number, 16)
        if name not in self.symbols:
            raise self._malformed(f"a symbol must be bound before it is used; ${name} is not")
        return self.symbols[name] + int(offset or "0", 16) & _U64

    def _malformed(self, message: str) -> UserError:
        return UserError(message, path=self.path, line=self._line)

    def _field(self, name: str) -> Json:
        if name not in self._step:
            raise self._malformed(f"a step of kind {self._step['k']!r} must have a field {name!r}")
        return self._step[name]

    def _number(self, name: str) -> int:
        return self.value(self._field(name))

    def _count(self, name: str, default: int | None = None) -> int:
        count = self._step.get(name, default) if default is not None else self._field(name)
        if not isinstance(count, int):
            raise self._malformed(f"the field {name!r} must be an integer, not {count!r}")
        return count

    def _list(self, name: str, default: list[Json] | None = None) -> list[Json]:
        values = self._step.get(name, default) if default is not None else self._field(name)
        if not isinstance(values, list):
            raise self._malformed(f"the field {name!r} must be a list, not {values!r}")
        return values

    def _bytes(self, name: str) -> bytes:
        try:
            return bytes.fromhex(str(self._field(name)))
        except ValueError:
            raise self._malformed(f"the field {name!r} must be bytes in hexadecimal") from None

    def _arguments(self) -> list[int]:
        values = [self.value(text) for text in self._list("a", [])]
        return [*values, *[0] * (_REGISTERS - len(values))]

    def _differ(self, where: str, expected: str, got: str) -> None:
        step = self._step
        call = " ".join(str(part) for part in (step.get("k"), step.get("n") or step.get("reg")) if part)
        if step.get("c"):
            call += f" ({step['c']})"
        self.differences.append(Difference(self.path, self._line, call, where, expected, got))

    def _call(self) -> None:
        conduit, vcpu = str(self._step["k"]), self._count("vcpu", 1)
        got, taken = self.target.call(conduit, self._number("i"), self._arguments(), vcpu)
        bound = {int(register): name for register, name in cast("dict[str, str]", self._step.get("bind", {})).items()}
        for register, name in bound.items():
            self.symbols[name] = got[register]
        texts = self._list("r")
        for register in range(_REGISTERS):
            text = texts[register] if register < len(texts) else "0"
            if register not in bound and text != "$any" and got[register] != self.value(text):
                self._differ(f"x{register}", f"{self.value(text):#x}", f"{got[register]:#x}")
        interrupts = [self.value(text) for text in self._list("irq", [])]
        if list(taken) != interrupts:
            self._differ("interrupts taken", _hexadecimal(interrupts), _hexadecimal(taken))

    def _answer(self, rest: Sequence[tuple[int, Step]]) -> None:
        """Play the resource manager: its recorded answer is what the guest reads from memory next."""
        for _, step in rest:
            if step.get("k") == "mr":
                self.target.reply(bytes.fromhex(str(step["b"])))
                return

    def _note(self) -> None:
        """Information only."""

    def _mrs(self) -> None:
        got = self.target.read_register(str(self._field("reg")))
        expected = None if self._field("v") == "UNDEF" else self._number("v")
        if got != expected:
            self._differ("value", _or_undefined(expected), _or_undefined(got))

    def _msr(self) -> None:
        if not self.target.write_register(str(self._field("reg")), self._number("v")):
            self._differ("write", "defined", "UNDEFINED")

    def _fault(self) -> Fault | None:
        fault = cast("dict[str, Json] | None", self._step.get("f"))
        return None if fault is None else Fault(self.value(fault.get("esr")), self.value(fault.get("far")))

    def _load(self) -> None:
        got = self.target.load(self._number("p"), self._count("w"))
        expected = self._fault() or self._number("v")
        if got != expected:
            self._differ("value", _or_fault(expected), _or_fault(got))

    def _store(self) -> None:
        got = self.target.store(self._number("p"), self._count("w"), self._number("v"))
        if got != self._fault():
            self._differ("fault", str(self._fault()), str(got))

    def _write_memory(self) -> None:
        self.target.write_memory(self._number("p"), self._bytes("b"))

    def _read_memory(self) -> None:
        expected = self._bytes("b")
        got = self.target.read_memory(self._number("p"), len(expected))
        if got != expected:
            self._differ("memory", expected.hex(), got.hex())

    def _interrupt_mode(self) -> None:
        doorbell = None if self._step.get("recv") is None else self._number("recv")
        flags = self.value(self._step.get("flags", "0"))
        mode = InterruptMode(
            bool(self._field("unmask")), doorbell, flags, bool(self._field("eoi")), self._count("limit")
        )
        self.target.set_interrupt_mode(mode)

    def _set_up_spi(self) -> None:
        self.target.set_up_spi(
            self._count("spi"),
            priority=self._count("prio"),
            edge=bool(self._field("edge")),
            enable=bool(self._field("enable")),
        )


def _hexadecimal(values: Sequence[int]) -> str:
    return "[" + ", ".join(f"{value:#x}" for value in values) + "]"


def _or_undefined(value: int | None) -> str:
    return "UNDEFINED" if value is None else f"{value:#x}"


def _or_fault(value: int | Fault) -> str:
    return f"{value:#x}" if isinstance(value, int) else f"a fault with ESR {value.esr:#x}, FAR {value.far:#x}"
