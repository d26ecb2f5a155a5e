"""The keys of `[[fault]]`: what goes wrong in a run, on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from gunyah_emu.machine.config_schema import Address, Choice, ConfigError, Integer, Key, Name, Section, Table, unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from gunyah_emu.machine.toml_positions import Path

LONGEST = (1 << 62) - 1
"""Nanoseconds; what virtual time can hold."""

MAX_FAULTS = 1000


class FaultConfig(Section):
    """Something that goes wrong."""

    kind: Literal["error", "late-message", "late-interrupt", "spurious-interrupt"]
    vm: str | None
    call: str | None
    error: str | None
    address: int | None
    message_queue: int | None
    spi: int | None
    nth: int
    count: int
    delay: int | None
    at: int | None


KEYS_BY_KIND = {
    "error": (("call", "error"), ("vm", "address", "nth", "count")),
    "late-message": (("message_queue", "delay"), ("nth", "count")),
    "late-interrupt": (("vm", "spi", "delay"), ("nth", "count")),
    "spurious-interrupt": (("vm", "spi", "at"), ()),
}
"""By kind: the keys that it must have, and those that it may have."""

FAULT = Table(
    "[[fault]]",
    FaultConfig,
    "Something that goes wrong on purpose; see [faults.md](faults.md). Which keys it has depends on its kind.",
    Key(
        "kind",
        Choice(*KEYS_BY_KIND),
        "`error`: a hypercall is not carried out and returns an error; `late-message`: a message of a queue arrives "
        "late, and those behind it wait for it; `late-interrupt`: an SPI that a doorbell or message queue raises comes "
        "late; `spurious-interrupt`: an SPI becomes pending that nothing raised.",
        default="error",
    ),
    Key(
        "vm",
        Name(),
        "`error`: who calls; of an interrupt: who takes it.",
        default=None,
        default_text="`error`: any VM; else required",
    ),
    Key("call", Name(), "`error`: the hypercall, by its name.", default=None),
    Key("error", Name(), "`error`: what it returns; one that its declaration allows.", default=None),
    Key(
        "address",
        Address((1 << 64) - 1, multiple_of=1),
        "`error`: only calls from this virtual address: of the HVC or SMC, or of the BL to the function that it is in.",
        default=None,
        default_text="wherever it is called from",
    ),
    Key("message_queue", Integer(0, (1 << 32) - 1), "`late-message`: the label of the queue.", default=None),
    Key("spi", Integer(0, 987), "Of an interrupt: the SPI, INTID - 32.", default=None),
    Key("nth", Integer(1, LONGEST), "The first that is hit, counted from 1 among those that the keys mean.", default=1),
    Key("count", Integer(0, LONGEST), "How many are hit, one after the other; 0: all from then on.", default=1),
    Key("delay", Integer(1, LONGEST), "How late it comes, in nanoseconds of virtual time.", default=None),
    Key("at", Integer(0, LONGEST), "`spurious-interrupt`: when, in nanoseconds of virtual time.", default=None),
)


def check_fault(
    fault: FaultConfig,
    check_vm: Callable[[str, Path, str], None],
    queues: list[int],
) -> None:
    """Raises ConfigError about the first thing that is wrong.

    Arguments:
        fault: what to check.
        check_vm: raises for a name that no VM has: (name, path, key).
        queues: the labels of message queues.
    """
    required, optional = KEYS_BY_KIND[fault.kind]
    for name, key in FAULT.keys.items():
        value = getattr(fault, name)
        if name in required and value is None:
            raise ConfigError(fault.path, f"a fault of kind {fault.kind!r} must have the key '{name}'; it has none")
        if name not in ("kind", *required, *optional) and value != key.default:
            path = (*fault.path, name)
            raise ConfigError(path, f"{name} must be left out of a fault of kind {fault.kind!r}", at_key=True)
    if fault.vm is not None:
        check_vm(fault.vm, (*fault.path, "vm"), "vm")
    if fault.message_queue is not None and fault.message_queue not in queues:
        known = ", ".join(map(str, queues)) or "none"
        raise ConfigError(
            (*fault.path, "message_queue"),
            f"message_queue must be the label of a message queue ({known}); it is {fault.message_queue}",
        )
    if fault.call is not None:
        _check_call(fault)


def _check_call(fault: FaultConfig) -> None:
    from gunyah_emu.abi.legal import legal_errors
    from gunyah_emu.hypervisor.hypervisor import load_declarations
    from gunyah_emu.hypervisor.object import OBJECT_TYPES

    assert fault.call is not None
    declarations = {name: d for name, d in load_declarations().items() if d.number is not None and not d.absent}
    declaration = declarations.get(fault.call)
    if declaration is None:
        wrong = unknown(fault.call, list(declarations))
        raise ConfigError((*fault.path, "call"), f"call must be the name of a hypercall; there is no {wrong}")
    legal = legal_errors(declaration, OBJECT_TYPES)
    if fault.error not in legal:
        allowed = f"one that {fault.call} may return ({', '.join(legal)})" if legal else "left out"
        reason = f"it is '{fault.error}'" if legal else f"{fault.call} returns no errors"
        raise ConfigError((*fault.path, "error"), f"error must be {allowed}; {reason}")
