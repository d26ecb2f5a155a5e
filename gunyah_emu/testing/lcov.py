"""LCOV tracefiles: read, added to one another, written."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from gunyah_emu.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable


class Source:
    """What was covered of a source file: how often each line and function, and where functions begin."""

    def __init__(self) -> None:
        self.lines: Counter[int] = Counter()
        self.functions: Counter[str] = Counter()
        self.starts: dict[str, int] = {}


class Lcov:
    """What was covered, by source file."""

    def __init__(self) -> None:
        self.sources: defaultdict[str, Source] = defaultdict(Source)

    def add(self, other: Lcov) -> None:
        """Add what another one has."""
        for name, source in other.sources.items():
            mine = self.sources[name]
            _add(mine.lines, source.lines)
            _add(mine.functions, source.functions)
            mine.starts.update(source.starts)

    def text(self) -> str:
        """A tracefile, in the order of names and lines."""
        return "".join(line + "\n" for name in sorted(self.sources) for line in _record(name, self.sources[name]))

    def totals(self) -> tuple[int, int, int, int]:
        """Lines that were reached, lines, functions that were reached, functions."""
        lines = [hits for source in self.sources.values() for hits in source.lines.values()]
        functions = [hits for source in self.sources.values() for hits in source.functions.values()]
        return sum(map(bool, lines)), len(lines), sum(map(bool, functions)), len(functions)

    def summary(self) -> str:
        """One line for people."""
        lines_hit, lines, functions_hit, functions = self.totals()
        return f"{_share(lines_hit, lines)} lines, {_share(functions_hit, functions)} functions"


def _share(hit: int, of: int) -> str:
    return f"{hit} of {of} ({100 * hit / of:.1f} %)" if of else "0 of 0"


def _add(mine: Counter[int] | Counter[str], theirs: Counter[int] | Counter[str]) -> None:
    for key, hits in theirs.items():
        mine[key] += hits  # type: ignore[index]  # of one kind


def _record(name: str, source: Source) -> Iterable[str]:
    yield "TN:"
    yield f"SF:{name}"
    order = sorted(source.functions, key=lambda function: (source.starts[function], function))
    yield from (f"FN:{source.starts[function]},{function}" for function in order)
    yield from (f"FNDA:{source.functions[function]},{function}" for function in order)
    yield f"FNF:{len(order)}"
    yield f"FNH:{sum(source.functions[function] > 0 for function in order)}"
    yield from (f"DA:{line},{source.lines[line]}" for line in sorted(source.lines))
    yield f"LF:{len(source.lines)}"
    yield f"LH:{sum(hits > 0 for hits in source.lines.values())}"
    yield "end_of_record"


def read(path: str) -> Lcov:
    """A tracefile of ours or of anybody's: line and function records count, others are left out.

    Errors: UserError with the line that is none.
    """
    found = Lcov()
    source: Source | None = None
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise UserError(f"must be an LCOV file that can be read; {reason}", path=path) from None
    for number, line in enumerate(text.splitlines(), 1):
        kind, _, rest = line.partition(":")
        try:
            if kind == "SF":
                source = found.sources[rest]
            elif kind == "end_of_record":
                source = None
            elif kind in ("DA", "FN", "FNDA"):
                assert source is not None
                _read_into(source, kind, rest)
        except (ValueError, AssertionError):
            raise UserError(f"must be a line of an LCOV file; it is {line[:80]!r}", path=path, line=number) from None
    return found


def _read_into(source: Source, kind: str, rest: str) -> None:
    first, _, second = rest.partition(",")
    if kind == "DA":
        source.lines[int(first)] += int(second.split(",")[0])
    elif kind == "FNDA":
        source.functions[second] += int(first)
        source.starts.setdefault(second, 0)
    else:
        name = second.rpartition(",")[2]
        source.functions[name] += 0
        source.starts[name] = int(first)
