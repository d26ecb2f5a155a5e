"""Coverage of a run: which lines and functions of its guests vCPUs arrived at, which hypercalls gave which results.

Plain data between machines, processes and the end of a test run: blocks by ELF, and calls by (name, encoding, result).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING, cast

from gunyah_emu.abi.errors import error_name
from gunyah_emu.abi.legal import NATIVE
from gunyah_emu.testing.lcov import Lcov
from gunyah_emu.testing.line_table import line_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from gunyah_emu.abi.declare import Declaration
    from gunyah_emu.abi.decode import Entry
    from gunyah_emu.boot.image import Image
    from gunyah_emu.machine import Machine

BLOCKED = "(blocked)"
"""The result of a call that does not return at once."""
VALUE = "(value)"
"""The result of a call that cannot fail."""
MOST_RESULTS = 64
"""Distinct values of x0 that are told apart quickly; there are some forty error codes."""


class ResultCounter(dict["int | None", "list[int]"]):
    """By what a call returned in x0 (None: nothing yet), how often: a list of one number, which is quick to count in.

    Arguments:
        declaration: the call.
        encoding: how it is made.
    """

    def __init__(self, declaration: Declaration, encoding: str) -> None:
        super().__init__()
        self._declaration = declaration
        self._encoding = encoding
        self._values = [0]

    def __missing__(self, code: int | None) -> list[int]:
        """A result that was not seen before; of a call that cannot fail, all values are one result."""
        cell = [0] if self._declaration.error or code is None else self._values
        if len(self) < MOST_RESULTS:
            self[code] = cell
        return cell

    def counts(self) -> Iterator[tuple[tuple[str, str, str], int]]:
        """What was counted: (call, encoding, result) and how often."""
        name, is_error = self._declaration.name, self._declaration.error
        for code, (hits,) in self.items():
            if code is None or is_error:
                yield (name, self._encoding, BLOCKED if code is None else error_name(code)), hits
        if self._values[0]:
            yield (name, self._encoding, VALUE), self._values[0]


class Coverage:
    """What was covered so far.

    Attributes:
        blocks: by path of an ELF, (address as linked, bytes) of what vCPUs arrived at, with how many VMs did.
        is_all: whether no VM ran through more code than is noted.
    """

    def __init__(self) -> None:
        self.blocks: dict[str, Counter[tuple[int, int]]] = {}
        self._added: Counter[tuple[str, str, str]] = Counter()
        self._counters: list[ResultCounter] = []
        self.is_all = True

    @property
    def calls(self) -> Counter[tuple[str, str, str]]:
        """(call, encoding, result) and how often."""
        found = self._added.copy()
        for counter in self._counters:
            for key, hits in counter.counts():
                found[key] += hits
        return found

    def watch(self, machine: Machine, *, lines: bool = True, calls: bool = True) -> None:
        """Cover a machine that was just made: its VMs, not those that guests make; `take` what it gave at its end.

        Arguments:
            machine: what to cover.
            lines: note the code that is reached; costs nothing that can be measured.
            calls: count hypercalls and their results; costs some 25 ns a call.
        """
        if lines:
            for vm in machine.vms:
                vm.engine.cover()
        if calls:
            machine.hypervisor.wrap_calls(self._wrap)

    def _wrap(self, entry: Entry, declaration: Declaration, encoding: str) -> Entry:
        """An entry that counts its results; of just as many registers, for `*registers` would cost as much again."""
        count = declaration.register_count if encoding == NATIVE else len(declaration.argument_names)
        counter = ResultCounter(declaration, encoding)
        self._counters.append(counter)
        registers = ", ".join(["caller", *(f"x{n}" for n in range(count))])
        names: dict[str, Any] = {"entry": entry, "known": counter}
        source = f"""
def counted({registers}):
    results = entry({registers})
    known[results if results.__class__ is not tuple else results[0]][0] += 1
    return results
"""
        exec(compile(source, f"<counter of {declaration.name}>", "exec"), names)
        return cast("Entry", names["counted"])

    def take(self, machine: Machine) -> None:
        """Add what a machine's VMs arrived at; it may run on."""
        for vm in machine.vms:
            if not vm.configured or not hasattr(vm, "engine"):
                continue
            blocks, is_all = vm.engine.covered()
            self.is_all &= is_all
            for image in vm.images:
                if image.kind == "elf" and image.symbols is not None:
                    self._take(image, blocks)

    def _take(self, image: Image, blocks: Sequence[tuple[int, int]]) -> None:
        assert image.symbols is not None
        places = [
            span
            for s in image.segments
            for span in ((s.virtual_address, s.virtual_address + s.memory_size), (s.address, s.end))
        ]
        linked = image.symbols.linked
        arrived = {(linked(at), size) for at, size in blocks if any(low <= at < high for low, high in places)}
        self.blocks.setdefault(image.path, Counter()).update(arrived)

    def as_data(self) -> dict[str, Any]:
        """As it travels from one process to another."""
        blocks = {path: [[*block, hits] for block, hits in found.items()] for path, found in self.blocks.items()}
        return {"blocks": blocks, "calls": [[*key, hits] for key, hits in self.calls.items()], "is_all": self.is_all}

    def add(self, data: dict[str, Any]) -> None:
        """Add what `as_data` gave elsewhere."""
        for path, found in data["blocks"].items():
            mine = self.blocks.setdefault(path, Counter())
            for start, size, hits in found:
                mine[start, size] += hits
        for name, encoding, result, hits in data["calls"]:
            self._added[name, encoding, result] += hits
        self.is_all &= data["is_all"]

    def lcov(self) -> Lcov:
        """Lines and functions.  A line's count is the largest number of VMs, over its instructions, that came there."""
        found = Lcov()
        for path, blocks in sorted(self.blocks.items()):
            counts: Counter[int] = Counter()
            for (start, size), hits in blocks.items():
                for address in range(start, start + size, 4):
                    counts[address] = max(counts[address], hits)
            _map(path, counts, found)
        return found


def _map(path: str, counts: Counter[int], found: Lcov) -> None:
    table, addresses = line_table(path), sorted(counts)
    lines: dict[tuple[str, int], int] = {}
    for start, end, file, line in table.rows:
        lines[file, line] = max(lines.get((file, line), 0), _most(counts, addresses, start, end))
    for (file, line), hits in lines.items():
        found.sources[file].lines[line] += hits
    for function in table.functions:
        source = found.sources[function.file]
        source.starts[function.name] = function.line
        source.functions[function.name] += _most(counts, addresses, function.start, function.end)


def _most(counts: Counter[int], addresses: Sequence[int], start: int, end: int) -> int:
    first, last = bisect_left(addresses, start), bisect_left(addresses, end)
    return max((counts[address] for address in addresses[first:last]), default=0)


def merged(parts: Iterable[Lcov]) -> Lcov:
    """All of them in one."""
    whole = Lcov()
    for part in parts:
        whole.add(part)
    return whole
