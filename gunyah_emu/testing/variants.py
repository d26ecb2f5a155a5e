"""With what a test's machine is run: seeds, quanta, CPU models and hypercall encodings, in all combinations.

What a test itself says (the marker, or `[expect]` in a machine file) stands; where it says nothing, the command line
decides, else the setting in pytest.ini or pyproject.toml, else the machine file.  A test that is run with one variant
only keeps its name.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import pytest

from gunyah_emu.errors import UserError
from gunyah_emu.testing.options import option_group

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from gunyah_emu.machine.config import MachineConfig, VmConfig

CPUS = ("cortex-a72", "max")
ENCODINGS = ("native", "smccc")
LONGEST_QUANTUM = 10_000_000


class Variant(NamedTuple):
    """One way to run a machine; None: as its machine file says.

    Arguments:
        seed, quantum: as in the `[machine]` table.
        cpu: the CPU model of every VM.
        encoding: "native" or "smccc"; which images take part, see `apply`.
    """

    seed: int | None = None
    quantum: int | None = None
    cpu: str | None = None
    encoding: str | None = None

    @property
    def id(self) -> str:
        """As it stands in a test's name."""
        named = ((name, getattr(self, name)) for name in ("seed", "quantum"))
        parts = [f"{name}={value}" for name, value in named if value is not None]
        return "-".join([*parts, *(value for value in (self.cpu, self.encoding) if value is not None)])

    def apply(self, config: MachineConfig, assembled: Iterable[str] = ()) -> frozenset[str]:
        """Give a configuration the CPU model and the images of this variant.

        A guest executes the encoding that it was built with, so an encoding is a choice of images: `NAME.smccc.elf`
        (`NAME.native.elf`) takes the place of `NAME.elf` where there is one beside it.  Other VMs run as they are.

        Arguments:
            config: what to change.
            assembled: VMs whose image was assembled in this encoding.

        Returns: the VMs whose image is built for the encoding.

        Errors: NoTwinError when no VM has such an image.
        """
        if self.cpu is not None:
            for vm in config.vms:
                vm.cpu = self.cpu  # type: ignore[assignment]  # one of CPUS
        if self.encoding is None:
            return frozenset()
        twins = [(vm, twin) for vm in config.vms if (twin := _twin(vm, self.encoding)) is not None]
        built = {vm.name for vm, _ in twins} | set(assembled)
        if not built and self.encoding != ENCODINGS[0]:
            raise _no_twin(config, self.encoding)
        for vm, twin in twins:
            vm.image = twin
        return frozenset(built)


def _twin(vm: VmConfig, encoding: str) -> str | None:
    from pathlib import Path

    path = Path(vm.image)
    twin = path.with_suffix(f".{encoding}{path.suffix}")
    return str(twin) if twin.exists() else None


class NoTwinError(UserError):
    """A machine has no image in the encoding that was asked for."""


def _no_twin(config: MachineConfig, encoding: str) -> NoTwinError:
    from pathlib import Path

    image = Path(config.vms[0].image)
    wanted = image.with_suffix(f".{encoding}{image.suffix}").name
    return NoTwinError(
        f"a machine that is run in the {encoding} encoding must have an image that was built for it, such as {wanted} "
        f"beside {image.name}; it has none",
        path=config.path,
    )


class Axis(NamedTuple):
    """One thing that varies.

    Arguments:
        name: of the marker's argument and of the key in `[expect]`; `--gunyah-NAME` and the setting `gunyah_NAME`.
        read: a word of the command line to its value; ValueError when it is none.
        must_be: what each value must be.
        fits: whether a value of the marker is one.
    """

    name: str
    read: Callable[[str], int | str]
    must_be: str
    fits: Callable[[object], bool]


def _number(text: str) -> int:
    return int(text, 0)


def _is_integer(value: object, lowest: int, highest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest


AXES = (
    Axis("seeds", _number, "an integer from 0", lambda value: _is_integer(value, 0, (1 << 64) - 1)),
    Axis(
        "quanta",
        _number,
        f"an integer of 1..{LONGEST_QUANTUM}",
        lambda value: _is_integer(value, 1, LONGEST_QUANTUM),
    ),
    Axis("cpus", str, " or ".join(CPUS), lambda value: value in CPUS),
    Axis("encodings", str, " or ".join(ENCODINGS), lambda value: value in ENCODINGS),
)
"""In the order of `Variant`'s fields."""

HELP = {
    "seeds": "run every machine with each of these seeds, such as 0,1,2",
    "quanta": "run every machine with each of these quanta, such as 50,30000",
    "cpus": f"run every machine on each of these CPU models: {', '.join(CPUS)}",
    "encodings": f"run every machine that can be in each of these hypercall encodings: {', '.join(ENCODINGS)}",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--gunyah-seeds` and its like, each with a setting."""
    group = option_group(parser)
    for axis in AXES:
        group.addoption(f"--gunyah-{axis.name}", metavar="LIST", help=f"{HELP[axis.name]} (a test's own choice stands)")
        parser.addini(f"gunyah_{axis.name}", help=f"the default of --gunyah-{axis.name}", default="")


def variants(config: pytest.Config, own: Mapping[str, Any]) -> list[Variant]:
    """All variants of a test; one, when nothing varies.

    Arguments:
        config: pytest's.
        own: what the test itself says, by the axis' name.

    Errors: pytest.UsageError for a value that is none.
    """
    return [Variant(*values) for values in product(*(_values(config, axis, own) for axis in AXES))]  # type: ignore[arg-type]


def _values(config: pytest.Config, axis: Axis, own: Mapping[str, Any]) -> list[object]:
    """What one axis runs through."""
    where, values = f"the marker's {axis.name}", list(own.get(axis.name) or ())
    if not values:
        option = config.getoption(f"gunyah_{axis.name}")
        where = f"the setting gunyah_{axis.name}" if option is None else f"--gunyah-{axis.name}"
        values = list(_read(axis, str(config.getini(f"gunyah_{axis.name}") if option is None else option)))
    for value in values:
        if not axis.fits(value):
            raise pytest.UsageError(f"{where} must be a list of values, each {axis.must_be}; it has {value!r}")
    return list(dict.fromkeys(values)) or [None]


def _read(axis: Axis, text: str) -> Iterator[int | str]:
    for word in (word.strip() for word in text.split(",")):
        if word:
            try:
                yield axis.read(word)
            except ValueError:
                yield word
