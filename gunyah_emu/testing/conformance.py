"""Replays sequences that were recorded on the real hypervisor, and reports every difference.

A file is JSON lines of the schema "gunyah-oracle-1" (tests/conformance/vectors/SCHEMA.md): a meta object, then one
step a line.  The engine knows steps and symbols; what executes a step is a `Target`: the dispatcher and a GIC without
any CPU ("direct"), or a real guest. A difference never stops a replay: the next steps show whether it was the cause
of more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Final, NamedTuple, Protocol, TypeAlias, cast

from gunyah_emu.errors import UserError

SCHEMA: Final = "gunyah-oracle-1"

WAYS: Final[dict[str, str]] = {"direct": "gunyah_emu.testing.conformance_direct:DirectTarget"}
"""Ways to execute steps: `module:class` by name; the class takes the kind of VM, "root" or "hlos"."""

Json: TypeAlias = "str | int | bool | list[Json] | dict[str, Json] | None"
Step: TypeAlias = dict[str, Json]

_U64: Final = 0xFFFF_FFFF_FFFF_FFFF
_RESULTS: Final = 8


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
    steps = _read(Path(path))
    kind = "hlos" if any('"$rm_' in json.dumps(step) for _, step in steps) else "root"
    if way not in WAYS:
        raise UserError(f"the way must be one of {', '.join(WAYS)}, not {way!r}")
    module, _, name = WAYS[way].partition(":")
    target = cast("Target", getattr(import_module(module), name)(kind))
    return Replay(str(path), target).run(steps)


def _read(path: Path) -> list[tuple[int, Step]]:
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
        handlers = {
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
            "note": lambda: None,
        }
        for place, (line, step) in enumerate(steps):
            self._line, self._step = line, step
            kind = step.get("k")
            if kind not in handlers:
                raise UserError(
                    f'a step\'s "k" must be one of {", ".join(handlers)}, not {kind!r}', path=self.path, line=line
                )
            self.target.tick()
            try:
                handlers[str(kind)]()
            except (KeyError, ValueError, TypeError) as error:
                raise UserError(f"a step must be as the schema says: {error!r}", path=self.path, line=line) from error
            if step.get("n") == "msgqueue_send" and self._arguments()[0] == self.symbols.get("rm_tx"):
                self._answer(steps[place + 1 :])
        return Report(self.path, len(steps), tuple(self.differences))

    def value(self, text: Json) -> int:
        """A hexadecimal number, or a symbol with an offset."""
        word = str(text)
        if not word.startswith("$"):
            return int(word, 16)
        for sign, factor in (("+", 1), ("-", -1)):
            if sign in word:
                name, _, offset = word[1:].partition(sign)
                return self.symbols[name] + factor * int(offset, 16) & _U64
        return self.symbols[word[1:]]

    def _values(self, name: str) -> list[int]:
        return [self.value(text) for text in cast("list[Json]", self._step[name])]

    def _arguments(self) -> list[int]:
        values = self._values("a") if "a" in self._step else []
        return [*values, *[0] * (_RESULTS - len(values))]

    def _differ(self, where: str, expected: str, got: str) -> None:
        step = self._step
        call = " ".join(str(part) for part in (step.get("k"), step.get("n") or step.get("reg")) if part)
        if step.get("c"):
            call += f" ({step['c']})"
        self.differences.append(Difference(self.path, self._line, call, where, expected, got))

    def _call(self) -> None:
        step = self._step
        immediate = self.value(step["i"])
        got, taken = self.target.call(str(step["k"]), immediate, self._arguments(), int(str(step.get("vcpu", 1))))
        bound = cast("dict[str, str]", step.get("bind", {}))
        for register, name in bound.items():
            self.symbols[name] = got[int(register)]
        for register, expected in self._expected():
            if str(register) not in bound and got[register] != expected:
                self._differ(f"x{register}", f"{expected:#x}", f"{got[register]:#x}")
        interrupts = [self.value(text) for text in cast("list[Json]", step.get("irq", []))]
        if list(taken) != interrupts:
            self._differ("interrupts taken", _hexadecimal(interrupts), _hexadecimal(taken))

    def _expected(self) -> Iterator[tuple[int, int]]:
        texts = cast("list[Json]", self._step["r"])
        for register in range(_RESULTS):
            text = texts[register] if register < len(texts) else "0"
            if text != "$any" and str(register) not in cast("dict[str, str]", self._step.get("bind", {})):
                yield register, self.value(text)

    def _answer(self, rest: Sequence[tuple[int, Step]]) -> None:
        """Play the resource manager: its recorded answer is what the guest reads from memory next."""
        for _, step in rest:
            if step.get("k") == "mr":
                self.target.reply(bytes.fromhex(str(step["b"])))
                return

    def _mrs(self) -> None:
        got = self.target.read_register(str(self._step["reg"]))
        expected = None if self._step["v"] == "UNDEF" else self.value(self._step["v"])
        if got != expected:
            self._differ("value", _or_undefined(expected), _or_undefined(got))

    def _msr(self) -> None:
        undefined = self._step.get("v") == "UNDEF"
        if not self.target.write_register(str(self._step["reg"]), self.value(self._step["v"])) and not undefined:
            self._differ("write", "defined", "UNDEFINED")

    def _fault(self) -> Fault | None:
        fault = cast("dict[str, Json] | None", self._step.get("f"))
        return None if fault is None else Fault(self.value(fault["esr"]), self.value(fault["far"]))

    def _load(self) -> None:
        got = self.target.load(self.value(self._step["p"]), int(str(self._step["w"])))
        fault = self._fault()
        expected = self.value(self._step["v"]) if fault is None else fault
        if got != expected:
            self._differ("value", _or_fault(expected), _or_fault(got))

    def _store(self) -> None:
        step = self._step
        got = self.target.store(self.value(step["p"]), int(str(step["w"])), self.value(step["v"]))
        if got != self._fault():
            self._differ("fault", str(self._fault()), str(got))

    def _write_memory(self) -> None:
        self.target.write_memory(self.value(self._step["p"]), bytes.fromhex(str(self._step["b"])))

    def _read_memory(self) -> None:
        expected = bytes.fromhex(str(self._step["b"]))
        got = self.target.read_memory(self.value(self._step["p"]), len(expected))
        if got != expected:
            self._differ("memory", expected.hex(), got.hex())

    def _interrupt_mode(self) -> None:
        step = self._step
        doorbell = None if step.get("recv") is None else self.value(step["recv"])
        mode = InterruptMode(
            bool(step["unmask"]),
            doorbell,
            self.value(step.get("flags", "0")),
            bool(step["eoi"]),
            int(str(step["limit"])),
        )
        self.target.set_interrupt_mode(mode)

    def _set_up_spi(self) -> None:
        step = self._step
        self.target.set_up_spi(
            int(str(step["spi"])),
            priority=int(str(step["prio"])),
            edge=bool(step["edge"]),
            enable=bool(step["enable"]),
        )


def _hexadecimal(values: Sequence[int]) -> str:
    return "[" + ", ".join(f"{value:#x}" for value in values) + "]"


def _or_undefined(value: int | None) -> str:
    return "UNDEFINED" if value is None else f"{value:#x}"


def _or_fault(value: int | Fault) -> str:
    return f"{value:#x}" if isinstance(value, int) else f"a fault with ESR {value.esr:#x}, FAR {value.far:#x}"
