"""A machine and its files as bytes: what travels to a worker, which needs neither the files nor their folder."""

from __future__ import annotations

import os
import pickle
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gunyah_emu.machine.config import MachineConfig

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from gunyah_emu.machine.config_keys import VmConfig


class Bundle(NamedTuple):
    """A machine file's tables, and the files that they name.

    Arguments:
        document: the tables; where a file is named, its number in `files`, as text.
        files: their bytes.
    """

    document: dict[str, Any]
    files: tuple[bytes, ...]

    def packed(self) -> bytes:
        """As it travels."""
        return pickle.dumps(self)

    def digest(self) -> str:
        """Two bundles with one digest give the same runs."""
        return sha256(self.packed()).hexdigest()


def bundle_of(images: list[str]) -> Bundle:
    """The bundle of what a command line names: one machine file, or images.

    Errors: UserError for whatever is wrong in the machine file, with its place.
    """
    if len(images) == 1 and Path(images[0]).suffix == ".toml":
        import tomllib

        config = MachineConfig.from_toml(images[0])
        document = tomllib.loads(Path(images[0]).read_text(encoding="utf-8"))
    else:
        config = MachineConfig.from_images(images)
        document = {"vm": [{"name": vm.name, "image": vm.image} for vm in config.vms]}
    document.pop("expect", None)
    files: list[bytes] = []
    for table, vm in zip(document["vm"], config.vms, strict=True):
        _take_files(table, vm, files)
    return Bundle(document, tuple(files))


def _take_files(table: dict[str, Any], vm: VmConfig, files: list[bytes]) -> None:
    named: list[tuple[dict[str, Any], str, str | None]] = [
        (table, "image", vm.image),
        (table, "initrd", vm.initrd),
        (table, "device_tree", vm.device_tree),
    ]
    named += [
        (inner, "file", extra.file) for inner, extra in zip(table.get("extra_images", ()), vm.extra_images, strict=True)
    ]
    for owner, key, path in named:
        if path is not None:
            content = Path(path).read_bytes()
            if content not in files:
                files.append(content)
            owner[key] = str(files.index(content))


class Unpacked:
    """A bundle in a worker: its files are in memory, under names of this process that end with it."""

    def __init__(self, packed: bytes) -> None:
        self._bundle: Bundle = pickle.loads(packed)
        assert isinstance(self._bundle, Bundle)
        self._paths = []
        for number, content in enumerate(self._bundle.files):
            descriptor = os.memfd_create(f"gunyah_emu image {number}")
            with open(descriptor, "wb", closefd=False) as file:
                file.write(content)
            self._paths.append(f"/proc/self/fd/{descriptor}")

    def config(
        self, machine: Mapping[str, object], cpu: str | None, faults: tuple[Mapping[str, object], ...]
    ) -> MachineConfig:
        """The configuration, with other values in `[machine]`, another CPU model, and more faults."""
        document = dict(self._bundle.document)
        document["machine"] = {**document.get("machine", {}), **machine}
        document["fault"] = [*document.get("fault", ()), *faults]
        document["vm"] = [self._vm(table, cpu) for table in document["vm"]]
        return MachineConfig(document)

    def _vm(self, table: Mapping[str, Any], cpu: str | None) -> dict[str, Any]:
        vm = dict(table)
        for key in ("image", "initrd", "device_tree"):
            if key in vm:
                vm[key] = self._paths[int(vm[key])]
        if "extra_images" in vm:
            vm["extra_images"] = [{**extra, "file": self._paths[int(extra["file"])]} for extra in vm["extra_images"]]
        return vm if cpu is None else {**vm, "cpu": cpu}
