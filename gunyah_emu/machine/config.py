"""A machine as a person describes it: a TOML file, or just images.

Everything that can be wrong is found before anything is built, and said as `file:line:column: what must be; what it
is`.  What one key can tell is declared in `config_keys`; here is what only several keys together can: names that exist,
labels and SPIs that are taken, memory on top of devices.
"""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import TYPE_CHECKING, cast

from gunyah_emu.boot import virt_map
from gunyah_emu.boot.image import read_file, reason, span
from gunyah_emu.errors import UserError
from gunyah_emu.machine.config_keys import (
    ADDRESS_LIMIT,
    DOCUMENT,
    VM,
    DoorbellConfig,
    ExtraImageConfig,
    MemoryConfig,
    MessageQueueConfig,
    VirqConfig,
    VmConfig,
)
from gunyah_emu.machine.config_schema import ConfigError, Section, unknown
from gunyah_emu.machine.expect_keys import check_expect
from gunyah_emu.machine.fault_keys import FAULT, FaultConfig, check_fault

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from gunyah_emu.machine.config_keys import Document
    from gunyah_emu.machine.toml_positions import Path

__all__ = [
    "DoorbellConfig",
    "ExtraImageConfig",
    "MachineConfig",
    "MemoryConfig",
    "MessageQueueConfig",
    "VirqConfig",
    "VmConfig",
]

MAX_FILE_BYTES = 1 << 20
NOT_FOR_ROOT = ("image_type", "load_address", "extra_images", "memory", "vcpus", "initrd", "device_tree", "script")
"""What the hypervisor decides for its root VM, or what a root VM cannot have."""

DEVICE_SPIS = {virt_map.PL011_SPI: "the UART", virt_map.PL031_SPI: "the real-time clock"}


class MachineConfig:
    """A machine's description, complete and checked.

    Attributes:
        path: the machine file; None when there is none.
        seed, quantum, way, capability_ids, on_fatal: of the `[machine]` table.
        vms: in the order of the file.
        doorbells, message_queues: between them.
        faults: what goes wrong on purpose.
        expect: what makes it a test; None when it is none.
    """

    def __init__(self, document: dict[str, object], *, path: str | None = None, text: str = "") -> None:
        """Checks a document; `text` is what it was read from, and tells positions."""
        self.path = path
        #: as it was read
        self.document = document
        self._text = text
        try:
            self._take(cast("Document", DOCUMENT.read({"machine": {}, **document}, ())))
            Checks(self).all()
        except ConfigError as error:
            raise self.error(error.path, error.message, at_key=error.at_key) from None

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> MachineConfig:
        """Reads a machine file.

        Raises:
            UserError: it cannot be read, is not UTF-8 or TOML, or something in it is not what it must be.
        """
        import tomllib

        path = str(path)
        raw = read_file(path)
        if len(raw) > MAX_FILE_BYTES:
            raise UserError(f"a machine file must have at most {MAX_FILE_BYTES} bytes; it has {len(raw)}", path=path)
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            line, column = raw.count(b"\n", 0, error.start) + 1, error.start - raw.rfind(b"\n", 0, error.start)
            found = f"it holds the byte {raw[error.start]:#04x}"
            raise UserError(f"a machine file must be UTF-8; {found}", path=path, line=line, column=column) from None
        text = text.replace("\r\n", "\n")
        try:
            document = tomllib.loads(text)
        except ValueError as error:  # a TOMLDecodeError, or Python's about an integer of thousands of digits
            raise syntax_error(path, text, str(error)) from None
        except RecursionError:
            raise UserError("a machine file must be TOML; its values are nested too deeply", path=path) from None
        return cls(document, path=path, text=text)

    @classmethod
    def from_images(
        cls, paths: Sequence[str | os.PathLike[str]], keys: Mapping[str, object] | None = None
    ) -> MachineConfig:
        """A machine of one VM for each image, named after it.

        Arguments:
            paths: the images.
            keys: of `[[vm]]`, what every one of these VMs has instead of the default.
        """
        names: list[str] = []
        for path in paths:
            stem = FilePath(path).stem
            stem = "".join(c if c.isascii() and (c.isalnum() or c in "_.-") else "_" for c in stem)[:28] or "vm"
            name, number = stem, 2
            while name in names:
                name, number = f"{stem}-{number}", number + 1
            names.append(name)
        return cls({"vm": [{"name": n, "image": str(p), **(keys or {})} for n, p in zip(names, paths, strict=True)]})

    def vm(self, name: str) -> VmConfig:
        """The VM of a name that was checked to exist."""
        return next(vm for vm in self.vms if vm.name == name)

    def fault(self, keys: dict[str, object]) -> FaultConfig:
        """A fault of this machine that its file does not have, from the keys of `[[fault]]`; raises UserError."""
        try:
            fault = cast("FaultConfig", FAULT.read(keys, ()))
            checks = Checks(self)
            checks.vm_names = {vm.name: vm for vm in self.vms}
            checks.check_fault(fault)
        except ConfigError as error:
            raise UserError(error.message) from None
        return fault

    def error(self, where: Section | Path, message: str, key: str = "", *, at_key: bool = False) -> UserError:
        """An error at a section's key, or at a path, with its place in the machine file.

        Arguments:
            where: a section of this configuration, or a path from the root.
            message: what must be; what it is.
            key: a key of the section; the section itself when it is empty.
            at_key: point at the key rather than at its value.
        """
        if self.path is None:
            return UserError(message)
        from gunyah_emu.machine.toml_positions import Positions

        path = where.path if isinstance(where, Section) else where
        line, column = Positions(self._text).line_and_column((*path, key) if key else path, of_key=at_key)
        return UserError(message, path=self.path, line=line, column=column)

    def _take(self, read: Document) -> None:
        machine = read.machine
        self.seed = machine.seed
        self.quantum = machine.quantum
        self.way = machine.way
        self.capability_ids = machine.capability_ids
        self.on_fatal = machine.on_fatal
        self.vms = read.vm
        self.doorbells = read.doorbell
        self.message_queues = read.message_queue
        self.faults = read.fault
        self.expect = read.expect


class Checks:
    """What several keys together must fulfil."""

    def __init__(self, config: MachineConfig) -> None:
        self.config = config
        self.folder = FilePath() if config.path is None else FilePath(config.path).parent
        self.vm_names: dict[str, VmConfig] = {}
        self.spis: dict[tuple[str, int], str] = {}

    def all(self) -> None:
        """Raises ConfigError about the first thing that is wrong, in the order of the file."""
        for vm in self.config.vms:
            self.check_vm(vm)
        labels: dict[int, str] = {}
        for doorbell in self.config.doorbells:
            self.check_label(doorbell, labels, "doorbells")
            for index, sender in enumerate(doorbell.senders):
                self.check_name(sender, (*doorbell.path, "senders", index), f"senders[{index}]")
                if sender in doorbell.senders[:index]:
                    path = (*doorbell.path, "senders", index)
                    raise ConfigError(path, f"senders must be different VMs; '{sender}' is named twice")
            self.check_name(doorbell.receiver, (*doorbell.path, "receiver"), "receiver")
            self.check_spi(doorbell.virq, doorbell.receiver, f"doorbell {doorbell.label}")
        labels = {}
        for queue in self.config.message_queues:
            self.check_label(queue, labels, "message queues")
            self.check_name(queue.sender, (*queue.path, "sender"), "sender")
            self.check_name(queue.receiver, (*queue.path, "receiver"), "receiver")
            self.check_spi(queue.send_virq, queue.sender, f"message queue {queue.label} (send)")
            self.check_spi(queue.receive_virq, queue.receiver, f"message queue {queue.label} (receive)")
        for fault in self.config.faults:
            self.check_fault(fault)
        if self.config.expect is not None:
            check_expect(self.config.expect, self.check_vm_name, self.located)

    def check_fault(self, fault: FaultConfig) -> None:
        """Its keys fit its kind; what it names exists.  VMs that a root VM makes have names that nobody knows yet."""
        has_root = any(vm.kind == "root" for vm in self.config.vms)
        check_vm = self.check_name if fault.kind != "error" else self.check_vm_name
        if has_root and fault.kind == "error":
            check_vm = _any_name
        check_fault(fault, check_vm, [queue.label for queue in self.config.message_queues])

    def check_vm(self, vm: VmConfig) -> None:
        """Its name, files, memory; fills in what depends on other keys."""
        if vm.name in self.vm_names:
            raise ConfigError((*vm.path, "name"), f"every VM must have a name of its own; two are called '{vm.name}'")
        self.vm_names[vm.name] = vm
        if vm.kind == "root":
            self.check_root_vm(vm)
        vm.gic = vm.gic or ("gunyah" if vm.kind == "root" else "architectural")
        vm.image = self.located(vm.image, (*vm.path, "image"))
        if vm.initrd is not None:
            vm.initrd = self.located(vm.initrd, (*vm.path, "initrd"))
        if vm.device_tree is not None:
            vm.device_tree = self.located(vm.device_tree, (*vm.path, "device_tree"))
        for extra in vm.extra_images:
            extra.file = self.located(extra.file, (*extra.path, "file"))
        if vm.memory is not None:
            self.check_memory(vm.memory)
            flash_end = virt_map.FLASH_BASE + virt_map.FLASH_SIZE
            if vm.image_type == "flash" and vm.memory.base < flash_end:
                flash = span(virt_map.FLASH_BASE, flash_end)
                raise ConfigError(
                    vm.memory.path, f"memory must not overlap the flash, {flash}; it starts at {vm.memory.base:#x}"
                )

    def check_root_vm(self, vm: VmConfig) -> None:
        """It is the only one, and leaves to the hypervisor what the hypervisor decides."""
        if any(other.kind == "root" for other in self.vm_names.values() if other is not vm):
            raise ConfigError((*vm.path, "kind"), f"at most one VM must be a root VM; '{vm.name}' is the second")
        for key in NOT_FOR_ROOT:
            if getattr(vm, key) != VM.keys[key].default:
                raise ConfigError(
                    (*vm.path, key), f"{key} must be left out for a root VM; '{vm.name}' is one", at_key=True
                )

    def check_memory(self, memory: MemoryConfig) -> None:
        """It ends where addresses end, and is not where devices are."""
        end = memory.base + memory.size
        if end > ADDRESS_LIMIT:
            raise ConfigError(memory.path, f"memory must end by {ADDRESS_LIMIT:#x}; it is {span(memory.base, end)}")
        if memory.base < virt_map.DEVICES_END and end > virt_map.DEVICES_BASE:
            devices = span(virt_map.DEVICES_BASE, virt_map.DEVICES_END)
            raise ConfigError(
                memory.path, f"memory must not overlap the devices, {devices}; it is {span(memory.base, end)}"
            )

    def check_label(self, section: DoorbellConfig | MessageQueueConfig, labels: dict[int, str], what: str) -> None:
        """No other of its kind has it."""
        if section.label in labels:
            raise ConfigError(
                (*section.path, "label"),
                f"labels of {what} must be unique; {section.label} is that of {labels[section.label]}",
            )
        labels[section.label] = f"number {int(section.path[1]) + 1}"

    def check_vm_name(self, name: str, path: Path, key: str) -> None:
        """A VM has it."""
        if name not in self.vm_names:
            raise ConfigError(path, f"{key} must be the name of a VM; there is no {unknown(name, list(self.vm_names))}")

    def check_name(self, name: str, path: Path, key: str) -> None:
        """A VM has it, and is none that makes its own objects."""
        self.check_vm_name(name, path, key)
        if self.vm_names[name].kind == "root":
            raise ConfigError(path, f"{key} must be a guest; '{name}' is the root VM, which makes its own objects")

    def check_spi(self, virq: VirqConfig | None, vm: str, source: str) -> None:
        """Nothing else in the VM raises it."""
        if virq is None:
            return
        taken = DEVICE_SPIS.get(virq.spi) or self.spis.get((vm, virq.spi))
        if taken:
            raise ConfigError((*virq.path, "spi"), f"spi must be free in VM '{vm}'; {virq.spi} is taken by {taken}")
        self.spis[vm, virq.spi] = source

    def located(self, file: str, path: Path) -> str:
        """The path, from the current folder, of a file that the machine file names from its own; it must exist."""
        whole = self.folder / file
        try:
            whole.stat()
        except (OSError, ValueError) as error:
            if self.config.path is None:
                raise ConfigError(path, f"{file}: must be a file that can be read; {reason(error)}") from None
            key = next(part for part in reversed(path) if isinstance(part, str))
            raise ConfigError(path, f"{key} must be a file that can be read; {reason(error, str(whole))}") from None
        return str(whole)


def _any_name(name: str, path: Path, key: str) -> None:
    """It may be that of a VM that a root VM makes."""


def syntax_error(path: str, text: str, message: str) -> UserError:
    """What tomllib complains of, with its place where places stand."""
    import re

    match = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", message, re.DOTALL)
    what = message if match is None else match[1]
    what = f"a machine file must be TOML; {what[0].lower()}{what[1:]}"
    if match is None:
        return UserError(what, path=path)
    if match[2] is None:
        line, column = text.count("\n") + 1, len(text) - text.rfind("\n")
        what += ", and the file ends"
    else:
        line, column = int(match[2]), int(match[3])
    return UserError(what, path=path, line=line, column=column)
