"""Makes the machine of a test from a machine file or from the tables of one, in one of its variants."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gunyah_emu.machine.config import MachineConfig
from gunyah_emu.testing.inline_assembly import Assembly
from gunyah_emu.testing.under_test import Limits, MachineUnderTest

if TYPE_CHECKING:
    from collections.abc import Callable

    from gunyah_emu.testing.inline_assembly import Assembled
    from gunyah_emu.testing.variants import Variant

    Pieces = dict[str, Assembled]


class Plan(NamedTuple):
    """What to build.

    Arguments:
        config: complete and checked.
        pieces: by VM, what was assembled for it.
        built: VMs whose image is built for the variant's encoding.
    """

    config: MachineConfig
    pieces: Pieces
    built: frozenset[str]


def plan(
    folder: Path, scratch: Callable[[], Path], file: str | Path | None, tables: dict[str, object], variant: Variant
) -> Plan:
    """What to build.

    Arguments:
        folder: where relative paths begin.
        scratch: a folder for images that are made here.
        file: a machine file, or None.
        tables: of a machine file, `vm`, `doorbell` and so on; an image may be an `Assembly`.
        variant: with what it is run.

    Errors: UserError.
    """
    if file is not None:
        config = MachineConfig.from_toml(shown(folder / file))
        return Plan(config, {}, variant.apply(config))
    pieces: Pieces = {}
    vms = tables.get("vm", [])
    assert isinstance(vms, list)
    document = {**tables, "vm": [_with_image(vm, folder, scratch, variant, pieces) for vm in vms]}
    config = MachineConfig(document)
    return Plan(config, pieces, variant.apply(config, pieces))


def shown(path: Path) -> Path:
    """A path as a person in the current folder would write it, where that is shorter."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _with_image(vm: object, folder: Path, scratch: Callable[[], Path], variant: Variant, pieces: Pieces) -> object:
    """The table of a VM whose image is a file: one in the test's folder, or what its assembly makes."""
    if not isinstance(vm, dict):
        return vm
    image = vm.get("image")
    if isinstance(image, Assembly):
        assembled = image.assemble(variant.encoding or "native")
        pieces[str(vm.get("name"))] = assembled
        file = scratch() / f"{len(pieces)}.elf"
        file.write_bytes(assembled.elf)
        return {**vm, "image": str(file)}
    if isinstance(image, (str, Path)):
        return {**vm, "image": str(folder / image)}
    return vm


def made(plan: Plan, variant: Variant, limits: Limits, *, record: bool) -> MachineUnderTest:
    """The machine, which has not run yet; UserError for what cannot be built.

    Arguments:
        plan: what to build.
        variant: with what it is run.
        limits: what it may spend.
        record: keep its events as it runs; a machine file that asks for hypercalls or a golden trace needs them anyway.
    """

    def prepare(machine: MachineUnderTest) -> None:
        for name, assembled in plan.pieces.items():
            assembled.give_capabilities(machine, machine.vm(name))

    expect = plan.config.expect
    needed = expect is not None and bool(expect.hypercall or expect.golden)
    machine = MachineUnderTest(
        plan.config,
        seed=variant.seed,
        quantum=variant.quantum,
        limits=limits,
        record=record or needed or variant.encoding is not None,
        prepare=prepare,
    )
    machine.variant = variant
    machine.built_for_encoding = plan.built
    return machine
