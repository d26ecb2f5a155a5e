"""A machine's state in a file: whole, or refused.

The file names the machine's configuration and the contents of every file it is made of; the machine is built of them
anew, and then gets the state: of each object that is there after building (`graph`), and whatever was made since.  What
cannot be told apart from another build of this package is refused, not guessed.

A file is taken apart by pickle, restricted to this package's own classes.  It is data of yours, as a machine file is:
like that one it decides what is executed, as a guest.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import zlib
from collections import OrderedDict, deque
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import BuiltinFunctionType, FunctionType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from gunyah_emu import __version__
from gunyah_emu.cpu import Engine
from gunyah_emu.cpu.seam import address_of
from gunyah_emu.errors import UserError
from gunyah_emu.machine.graph import Graph
from gunyah_emu.machine.memento import MISSING, OURS, is_ours, read_slot, slots_of
from gunyah_emu.machine.snapshot import PIECE, ZERO, RamState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gunyah_emu.machine.machine import Machine

    AnyMachine = TypeVar("AnyMachine", bound=Machine)

MAGIC: Final = b"gunyah_emu snapshot\n"
FORMAT: Final = 1
LONGEST_HEADER: Final = 1 << 20
ENGINE_METHODS: Final = ("set_irq", "request_stop", "shorten")
_PLAIN: Final = {
    ("collections", "deque"): deque,
    ("collections", "OrderedDict"): OrderedDict,
    ("functools", "partial"): partial,
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("builtins", "bytearray"): bytearray,
}


def _digest_of(path: str) -> str:
    return sha256(Path(path).read_bytes()).hexdigest()


def _files(machine: Machine) -> dict[str, str]:
    """What the machine is made of: the digest of each file."""
    paths: list[str] = []
    for vm in machine.config.vms:
        paths += [path for path in (vm.image, vm.initrd, vm.device_tree) if path is not None]
        paths += [extra.file for extra in vm.extra_images]
    return {os.path.abspath(path): _digest_of(path) for path in paths}  # noqa: PTH100 - as it is, links and all


# ---------------------------------------------------------------------- states of objects


def _state_of(found: Any) -> object:
    """What an object that is there after building holds now."""
    kind = type(found)
    if isinstance(found, Engine):
        return found.export()
    if isinstance(found, (list, deque, set, bytearray)):
        return list(found)
    contents = list(found.items()) if isinstance(found, dict) else None
    if not is_ours(kind):
        return contents
    slots = {slot.__name__: value for slot in slots_of(kind) if (value := read_slot(slot, found)) is not MISSING}
    fields = getattr(found, "__dict__", None)
    return contents, slots, None if fields is None else dict(fields)


def _put_state(target: Any, state: Any) -> None:
    kind = type(target)
    if isinstance(target, Engine):
        target.import_(state)
    elif isinstance(target, (list, bytearray)):
        target[:] = state
    elif isinstance(target, deque):
        target.clear()
        target.extend(state)
    elif isinstance(target, set) or not is_ours(kind):
        target.clear()
        target.update(state)
    else:
        _put_fields(target, *state)


def _put_fields(target: Any, contents: Any, slots: dict[str, object], fields: dict[str, object] | None) -> None:
    if contents is not None:
        target.clear()
        target.update(contents)
    for slot in slots_of(type(target)):
        if slot.__name__ in slots:
            slot.__set__(target, slots[slot.__name__])
        elif read_slot(slot, target) is not MISSING:
            slot.__delete__(target)
    if fields is not None:
        target.__dict__.clear()
        target.__dict__.update(fields)


def _changes(found: object) -> bool:
    return isinstance(found, (list, dict, set, deque, bytearray, Engine)) or (
        is_ours(type(found)) and not isinstance(found, (tuple, FunctionType))
    )


# ---------------------------------------------------------------------- pickle, restricted


class _Pickler(pickle.Pickler):
    """Writes objects of the machine by number, RAM by address, methods of engines by name."""

    def __init__(self, file: io.BytesIO, machine: Machine, numbers: dict[int, int]) -> None:
        super().__init__(file, protocol=5)
        self._numbers = numbers
        self._ram = [(base, address_of(ram.view), len(ram.view)) for base, _, ram in machine.memory.all_ram()]
        self._natives = {
            id(method.__self__): vm.engine
            for vm in machine.vms
            for name in ENGINE_METHODS
            if isinstance(method := getattr(vm.engine, name), BuiltinFunctionType)
        }

    def persistent_id(self, found: Any) -> object:
        if isinstance(found, memoryview):
            host = address_of(found) if not found.readonly and len(found) else 0
            for base, start, size in self._ram:
                if start <= host < start + size:
                    return "ram", base, host - start, len(found)
            return "memory", bytes(found)
        number = self._numbers.get(id(found))
        if number is not None and not isinstance(found, (tuple, partial)):
            return "object", number
        if isinstance(found, BuiltinFunctionType) and id(found.__self__) in self._natives:
            return "method", self._numbers[id(self._natives[id(found.__self__)])], found.__name__
        return None


def _method(found: object, name: str) -> object:
    """Stands in for `getattr`, by which pickle writes bound methods: one of our classes', and nothing else."""
    if not type(found).__module__.startswith(OURS) or not isinstance(getattr(type(found), name, None), FunctionType):
        raise pickle.UnpicklingError(f"{name} is no method of {type(found).__name__}")
    return getattr(found, name)


class _Unpickler(pickle.Unpickler):
    """Reads what `_Pickler` writes, into another machine."""

    def __init__(self, file: io.BytesIO, machine: Machine, objects: list[object]) -> None:
        super().__init__(file)
        self._machine = machine
        self._objects = objects

    def persistent_load(self, name: Any) -> object:
        kind, *which = name
        if kind == "memory":
            return memoryview(bytearray(which[0]))
        if kind == "object":
            return self._objects[which[0]]
        if kind == "method" and which[1] in ENGINE_METHODS:
            return getattr(self._objects[which[0]], which[1])
        base, offset, size = which
        view = self._machine.memory.view(base + offset, size)
        if view is None:
            raise pickle.UnpicklingError(f"there is no RAM at {base + offset:#x}")
        return view

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _PLAIN:
            return _PLAIN[module, name]
        if (module, name) == ("builtins", "getattr"):
            return _method
        if module.startswith(OURS):
            found = super().find_class(module, name)
            if isinstance(found, (type, FunctionType)) and found.__module__.startswith(OURS):
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is none of this package's classes")


# ---------------------------------------------------------------------- the file


@contextmanager
def _unwatched(machine: Machine) -> Iterator[None]:
    """Without whoever looks on: they are no part of the machine."""
    tracing, debugger, listener, sink = (
        machine.tracing, machine.scheduler.debugger, machine._on_console, machine._memory_sink,  # noqa: SLF001
    )  # fmt: skip
    if tracing is not None:
        tracing.let_go()
    machine.tracing = machine.scheduler.debugger = machine._on_console = machine._memory_sink = None  # noqa: SLF001
    try:
        yield
    finally:
        machine.tracing, machine.scheduler.debugger = tracing, debugger
        machine._on_console, machine._memory_sink = listener, sink  # noqa: SLF001
        if tracing is not None:
            tracing.take_hold()


def save(machine: Machine, path: str | Path) -> None:
    """Write a machine's state to a file, beside its name first.

    Errors: UserError when guests have made VMs of their own, which a file cannot hold; when the host takes no file.
    """
    if any(not vm.configured for vm in machine.vms):
        raise UserError("a state can be saved of the machine file's own VMs only; guests have made more", path=path)
    with type(machine)(machine.config, seed=machine.chooser.seed, way=machine.way) as fresh, _unwatched(machine):
        graph = Graph(fresh)
        found = graph.find_in(machine)
        states = [(number, _state_of(one)) for number, one in enumerate(found) if one is not MISSING and _changes(one)]
        numbers = {id(one): number for number, one in enumerate(found) if one is not MISSING}
        body = io.BytesIO()
        try:
            _Pickler(body, machine, numbers).dump((states, _ram_of(machine)))
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise AssertionError(f"a state that cannot be written: {error}") from error
    packed = zlib.compress(body.getvalue(), level=1)
    header = _header(machine) | {
        "size": len(packed),
        "digest": sha256(packed).hexdigest(),
        "objects": len(graph.objects),
    }
    _write(Path(path), MAGIC + json.dumps(header).encode() + b"\n" + packed)


def _header(machine: Machine) -> dict[str, object]:
    return {
        "format": FORMAT,
        "version": __version__,
        "way": machine.vms[0].engine.way,
        "instructions": machine.clock.instructions,
        "seed": machine.chooser.seed,
        "quantum": machine.chooser.quantum,
        "machine_file": machine.config.path and os.path.abspath(machine.config.path),  # noqa: PTH100
        "document": machine.config.document,
        "files": _files(machine),
    }


def _write(path: Path, data: bytes) -> None:
    partial_file = path.with_name(path.name + ".partial")
    try:
        partial_file.write_bytes(data)
        partial_file.replace(path)
    except OSError as error:
        partial_file.unlink(missing_ok=True)
        raise UserError(f"the snapshot cannot be written: {error.strerror}", path=path) from None


def read_header(path: str | Path) -> tuple[dict[str, Any], bytes]:
    """What a snapshot file says of itself, and its packed state, whole.

    Errors: UserError: it cannot be read; it is no snapshot; of another format or version; cut short or damaged.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"a snapshot must be a file that can be read; {error.strerror}", path=path) from None
    if not data.startswith(MAGIC):
        raise UserError("this is no snapshot of a machine", path=path)
    line, _, packed = data[len(MAGIC) :].partition(b"\n")
    try:
        header = json.loads(line)
        made_by, size, digest = (header["format"], header["version"]), header["size"], header["digest"]
    except (ValueError, TypeError, KeyError):
        raise UserError("the snapshot is damaged: its first lines make no sense", path=path) from None
    if made_by != (FORMAT, __version__):
        raise UserError(
            f"the snapshot must be of this version, {__version__} (format {FORMAT}); "
            f"it is of {made_by[1]} (format {made_by[0]})",
            path=path,
        )
    if len(packed) != size:
        raise UserError(f"the snapshot must have {size} bytes of state; it has {len(packed)}", path=path)
    if sha256(packed).hexdigest() != digest:
        raise UserError("the snapshot is damaged: its contents are not what was written", path=path)
    return header, packed


def load(cls: type[AnyMachine], path: str | Path) -> AnyMachine:
    """The machine of a snapshot file, as it was.

    Errors: UserError as `read_header`; also when a file that the machine is made of has changed or gone, or the way
        that it ran does not work here.
    """
    from gunyah_emu.machine.config import MachineConfig

    header, packed = read_header(path)
    for file, digest in header["files"].items():
        if not Path(file).is_file():
            raise UserError(f"the snapshot's machine is made of {file}, which is gone", path=path)
        if _digest_of(file) != digest:
            raise UserError(f"the snapshot's machine is made of {file}, which has changed since", path=path)
    config = MachineConfig(header["document"], path=header["machine_file"])
    machine = cls(config, seed=header["seed"], quantum=header["quantum"], way=header["way"])
    try:
        _take_over(machine, header, packed, path)
    except BaseException:
        machine.close()
        raise
    return machine


def _take_over(machine: Machine, header: dict[str, Any], packed: bytes, path: str | Path) -> None:
    graph = Graph(machine)
    if len(graph.objects) != header["objects"]:
        raise UserError("the snapshot must be of this very build of the package; it is of another", path=path)
    try:
        states, ram = _Unpickler(io.BytesIO(zlib.decompress(packed)), machine, graph.objects).load()
    except (pickle.UnpicklingError, zlib.error, LookupError, TypeError, ValueError, AttributeError, EOFError) as error:
        raise UserError(f"the snapshot holds what no snapshot holds: {error}", path=path) from None
    for number, state in states:
        _put_state(graph.objects[number], state)
    for base, pieces in ram.items():
        _fill(machine, base, pieces)


def _ram_of(machine: Machine) -> dict[int, dict[int, bytes]]:
    """The pieces of RAM that hold anything, by physical address and number."""
    return {
        base: {n: piece for n, piece in enumerate(RamState(ram.view, None).pieces) if piece is not ZERO}
        for base, _, ram in machine.memory.all_ram()
    }


def _fill(machine: Machine, base: int, pieces: dict[int, bytes]) -> None:
    """Let a piece of RAM hold what it held; building has put images there."""
    memory = machine.memory.ram_at(base)
    assert memory is not None
    for number, now in enumerate(RamState(memory.view, None).pieces):
        piece = pieces.get(number, ZERO)
        if piece is not now:
            start = number * PIECE
            size = min(PIECE, len(memory.view) - start)
            memory.view[start : start + size] = piece[:size]
