"""The keys of a machine file that make it a test, declared like all others: `[expect]` and the tables in it.

A run takes no notice of them; the pytest plugin does.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from gunyah_emu.machine.chooser import LONGEST
from gunyah_emu.machine.config_schema import (
    ArrayOf,
    Choice,
    ConfigError,
    File,
    Integer,
    Key,
    Name,
    Section,
    Table,
    Text,
    unknown,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from gunyah_emu.machine.toml_positions import Path

CONSOLE_KEYS = ("contains", "matches", "excludes", "file")
COUNT = Integer(0, (1 << 32) - 1)


class ExpectConsole(Section):
    """What a VM must print, or must not."""

    vm: str
    contains: str | None
    matches: str | None
    excludes: str | None
    file: str | None


class ExpectHypercall(Section):
    """Which hypercalls a VM must make."""

    vm: str
    call: str
    result: str | None
    count: int | None
    at_least: int | None
    at_most: int | None


class ExpectConfig(Section):
    """The `[expect]` table: what a run must come to."""

    exit_status: int
    until: Literal["exit", "met"]
    max_instructions: int | None
    console: tuple[ExpectConsole, ...]
    hypercall: tuple[ExpectHypercall, ...]
    golden: str | None
    seeds: tuple[int, ...]
    quanta: tuple[int, ...]
    cpus: tuple[Literal["cortex-a72", "max"], ...]
    encodings: tuple[Literal["native", "smccc"], ...]


EXPECT_CONSOLE = Table(
    "[[expect.console]]",
    ExpectConsole,
    "What a VM must print. Each table has one of `contains`, `matches`, `excludes` and `file`; texts and matches of a "
    "VM are looked for one behind the other.",
    Key("vm", Name(), "Whose console."),
    Key("contains", Text(may_be_empty=False), "A text that must come.", default=None),
    Key("matches", Text(may_be_empty=False), "A regular expression that must be found in a line.", default=None),
    Key("excludes", Text(may_be_empty=False), "A text that must not be anywhere in what it printed.", default=None),
    Key("file", File(), "A file that holds exactly what it must have printed at the end.", default=None),
)

EXPECT_HYPERCALL = Table(
    "[[expect.hypercall]]",
    ExpectHypercall,
    "Hypercalls that a VM must make: so many of a name, and of a result if that is given.",
    Key("vm", Name(), "Who makes them."),
    Key("call", Text(may_be_empty=False), "The call's name, such as `doorbell_send`."),
    Key("result", Text(may_be_empty=False), "Count only those that returned this error, such as `OK`.", default=None),
    Key("count", COUNT, "Exactly so many.", default=None),
    Key("at_least", COUNT, "At least so many; 1 where no key says how many.", default=None, default_text="1"),
    Key("at_most", COUNT, "At most so many.", default=None),
)

EXPECT = Table(
    "[expect]",
    ExpectConfig,
    "Makes a file whose name ends in `.machine.toml` a test: pytest collects it and runs it, once for each combination "
    "of `seeds`, `quanta`, `cpus` and `encodings`. Whoever only runs the file takes no notice.",
    Key("exit_status", Integer(0, 255), "The run's exit status, as of `gunyah-emu run`.", default=0),
    Key(
        "until",
        Choice("exit", "met"),
        "`exit`: the run goes on until every VM has ended; `met`: until every text has come, and `exit_status` says "
        "nothing.",
        default="exit",
    ),
    Key(
        "max_instructions",
        Integer(1, (1 << 63) - 1),
        "The test fails when all vCPUs together have retired so many.",
        default=None,
        default_text="pytest's setting `gunyah_max_instructions`",
    ),
    Key("console", ArrayOf(EXPECT_CONSOLE, "tables [[expect.console]]", 0, 10_000), "", default=()),
    Key("hypercall", ArrayOf(EXPECT_HYPERCALL, "tables [[expect.hypercall]]", 0, 10_000), "", default=()),
    Key(
        "golden",
        Text("the path of a file", may_be_empty=False),
        "The golden trace that the run is compared with; `pytest --gunyah-update` writes it.",
        default=None,
    ),
    Key("seeds", ArrayOf(Integer(0, (1 << 64) - 1), "seeds", 0, 1000), "Seeds to run with.", default=()),
    Key("quanta", ArrayOf(Integer(1, LONGEST), "quanta", 0, 1000), "Quanta to run with.", default=()),
    Key("cpus", ArrayOf(Choice("cortex-a72", "max"), "CPU models", 0, 2), "CPU models of every VM.", default=()),
    Key(
        "encodings",
        ArrayOf(Choice("native", "smccc"), "hypercall encodings", 0, 2),
        "Hypercall encodings: `smccc` runs `NAME.smccc.elf` instead of `NAME.elf` where there is one.",
        default=(),
    ),
)


def check_expect(
    expect: ExpectConfig, check_vm: Callable[[str, Path, str], None], located: Callable[[str, Path], str]
) -> None:
    """Raises ConfigError about what only several keys of `[expect]` together can tell.

    Arguments:
        expect: the table; its files become paths from the current folder.
        check_vm: (name, path, key) of a VM that must exist.
        located: (file, path) of a file that must exist; where it is.
    """
    for console in expect.console:
        check_vm(console.vm, (*console.path, "vm"), "vm")
        given = [key for key in CONSOLE_KEYS if getattr(console, key) is not None]
        if len(given) != 1:
            found = " and ".join(f"'{key}'" for key in given) or "none"
            must = "one of 'contains', 'matches', 'excludes' and 'file'"
            raise ConfigError(console.path, f"[[expect.console]] must have {must}; it has {found}")
        if console.matches is not None:
            _check_pattern(console.matches, (*console.path, "matches"))
        if console.file is not None:
            console.file = located(console.file, (*console.path, "file"))
    for hypercall in expect.hypercall:
        check_vm(hypercall.vm, (*hypercall.path, "vm"), "vm")
        _check_call(hypercall)


def _check_pattern(pattern: str, path: Path) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ConfigError(path, f"matches must be a regular expression; {error.msg} in {pattern!r}") from None


def _check_call(hypercall: ExpectHypercall) -> None:
    from gunyah_emu.abi.errors import ERROR_CODES
    from gunyah_emu.hypervisor.hypervisor import load_declarations

    names = [declaration.name for declaration in load_declarations().values()]
    if hypercall.call not in names:
        found = unknown(hypercall.call, names)
        raise ConfigError((*hypercall.path, "call"), f"call must be the name of a hypercall; there is no {found}")
    if hypercall.result is not None and hypercall.result not in ERROR_CODES:
        found = unknown(hypercall.result, list(ERROR_CODES))
        raise ConfigError((*hypercall.path, "result"), f"result must be the name of an error; there is no {found}")
