"""What a monitor command is, and the kinds of arguments that commands take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from gunyah_emu.debug.gdb.stub import Stub
    from gunyah_emu.machine.vm import VCpu, VirtualMachine


class Complaint(Exception):  # noqa: N818 - an answer to the person at the client
    """The command cannot be carried out; the message says what must be and what is."""


class Command(NamedTuple):
    """One command.

    Arguments:
        name: its first word.
        usage: its other words.
        about: a line that says what it shows.
        run: gives its lines.
    """

    name: str
    usage: str
    about: str
    run: Callable[[Stub, list[str]], Iterator[str]]


def number(text: str) -> int:
    """A number as people write it at GDB: decimal, 0x..., 0b..., 0..."""
    try:
        value = int(text, 16 if text[:2].lower() == "0x" else 0)
    except ValueError:
        value = -1
    if not 0 <= value < 1 << 64:
        raise Complaint(f"a number must be like 40 or 0x28, not {text!r}")
    return value


def words(given: list[str], least: int, most: int, usage: str) -> list[str]:
    """The words, if there are as many as there must be."""
    if not least <= len(given) <= most:
        raise Complaint(f"usage: monitor {usage}")
    return given


def vm_named(stub: Stub, name: str) -> VirtualMachine:
    """A VM by its name or number."""
    for vm in stub.machine.vms:
        if name in (vm.name, str(stub.processes.pid(vm))):
            return vm
    names = ", ".join(vm.name for vm in stub.machine.vms)
    raise Complaint(f"a VM must be one of {names}, not {name!r}")


def vcpu_named(stub: Stub, name: str | None) -> VCpu:
    """A vCPU as `VM/NUMBER`, `VM`, or GDB's `INFERIOR.THREAD`; without a name the thread that GDB is at."""
    if name is None:
        return stub.thread()
    vm_name, slash, index = name.rpartition("/")
    if not slash:
        process, dot, thread = name.partition(".")
        if dot and process.isdigit() and thread.isdigit():
            vm_name, index = process, str(int(thread) - 1)
        else:
            vm_name, index = name, "0"
    vm = vm_named(stub, vm_name)
    vcpu = vm.vcpus.get(int(index)) if index.isdecimal() and len(index) < 4 else None
    if vcpu is None:
        known = ", ".join(f"{vm.name}/{each}" for each in sorted(vm.vcpus))
        raise Complaint(f"a vCPU of this VM that was ever on must be one of {known or 'none'}, not {name!r}")
    return vcpu


def table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Rows as lines with aligned columns; the first row is the head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
