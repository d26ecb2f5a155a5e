"""What only the machine can say about its events: symbols and lines of addresses, and the names of results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gunyah_emu.abi.declare import DECLARATIONS
from gunyah_emu.abi.errors import error_name
from gunyah_emu.events.labels import Names
from gunyah_emu.hypervisor.object import OBJECT_TYPES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gunyah_emu.machine.machine import Machine

MAX_PLACES = 1 << 16
"""A guest may call from anywhere, and what is remembered of that must stay small."""


class CallNames(Names):
    """Knows the declarations of the hypercalls, and by a callable what is where.

    Arguments:
        describe: an address of a VM, by its name, as a person would say it.
    """

    def __init__(self, describe: Callable[[str, int], str]) -> None:
        self._describe = describe
        self._places: dict[tuple[str, int], str] = {}

    def place(self, vm: str, address: int) -> str:
        """Where an address of a VM is."""
        key = vm, address
        found = self._places.get(key)
        if found is None:
            if len(self._places) == MAX_PLACES:
                self._places.clear()
            found = self._places[key] = self._describe(vm, address)
        return found

    def results(self, call: str, results: Sequence[int]) -> Iterator[tuple[str, int | str]]:
        """The results of a hypercall by name, the error by its own; registers of anything else."""
        declaration = DECLARATIONS.get(call)
        if declaration is None:
            yield from super().results(call, results)
            return
        for output, value in zip(declaration.outputs(OBJECT_TYPES), results, strict=False):
            yield output.name, error_name(value) if output.type == "error" else value


def machine_names(machine: Machine) -> CallNames:
    """The names of a machine that is there, those of VMs that guests will make included."""

    def describe(vm: str, address: int) -> str:
        found = next((candidate for candidate in machine.vms if candidate.name == vm), None)
        return f"{address:#x}" if found is None else found.describe(address)

    return CallNames(describe)
