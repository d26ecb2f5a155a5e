"""Events in words, for golden traces and for reports of failures: the same event is the same words in every run."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from gunyah_emu.abi.errors import error_name
from gunyah_emu.events import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gunyah_emu.events import Event


class Ignored:
    """Values that may vary, and are written as '*'.

    Arguments:
        names: an argument or result, one of one call as `call.name`, or `intid N`.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = frozenset(names)

    def leaves_out(self, event: Event) -> bool:
        """Whether the event itself may come or not."""
        return event.kind.startswith("irq_") and f"intid {field(event, 'intid')}" in self._names

    def value(self, call: str, name: str, shown: str) -> str:
        """A value as it is written."""
        return "*" if name in self._names or f"{call}.{name}" in self._names else shown


NOTHING_IGNORED = Ignored()


def field(event: Event, name: str) -> object:
    """A field of an event by name."""
    return event.fields[KINDS[event.kind].fields.index(name)]


def place(event: Event) -> str:
    """Where it happened: VM and vCPU."""
    return event.vm if event.vcpu < 0 else f"{event.vm}/{event.vcpu}"


def words(event: Event, ignored: Ignored = NOTHING_IGNORED) -> str:
    """What happened."""
    tell = EVENT_WORDS.get(event.kind)
    return f"{event.kind} {tell(event, ignored)}".rstrip() if tell is not None else event.kind


def interrupt(intid: object) -> str:
    """An INTID as its class and number."""
    assert isinstance(intid, int)
    return f"SGI {intid}" if intid < 16 else f"PPI {intid}" if intid < 32 else f"SPI {intid - 32}"


def _call(event: Event, ignored: Ignored) -> str:
    call, arguments = str(field(event, "call")), field(event, "arguments")
    objects = field(event, "objects") or {}  # older traces have none
    assert isinstance(arguments, dict)
    assert isinstance(objects, dict)
    shown = (
        f"{name}={ignored.value(call, name, str(objects[name]) if objects.get(name) else f'{value:#x}')}"
        for name, value in arguments.items()
    )
    return f"{call}({', '.join(shown)})"


@cache
def result_names(call: str) -> tuple[str, ...]:
    """The results of a hypercall by name, from x0; none for a name that is no call's."""
    from gunyah_emu.hypervisor.hypervisor import load_declarations
    from gunyah_emu.hypervisor.object import OBJECT_TYPES

    declaration = load_declarations().get(call)
    return () if declaration is None else tuple(output.name for output in declaration.outputs(OBJECT_TYPES))


def _answer(event: Event, ignored: Ignored) -> str:
    call, results = str(field(event, "call")), field(event, "results")
    if results is None:
        return f"{call} waits"
    assert isinstance(results, list)
    names = result_names(call)
    shown = []
    for number, value in enumerate(results):
        name = names[number] if number < len(names) else f"x{number}"
        if name == "error":
            shown.append(ignored.value(call, name, error_name(value)))
        else:
            shown.append(f"{name}={ignored.value(call, name, f'{value:#x}')}")
    return f"{call} {', '.join(shown)}"


def _numbers(values: object) -> str:
    assert isinstance(values, list)
    return ", ".join(f"{value:#x}" for value in values)


def _service(event: Event, ignored: Ignored) -> str:
    function = str(field(event, "function"))
    return f"{function}({ignored.value(function, 'arguments', _numbers(field(event, 'arguments')))})"


def _service_answer(event: Event, ignored: Ignored) -> str:
    function = str(field(event, "function"))
    return f"{function} {ignored.value(function, 'results', _numbers(field(event, 'results')))}"


def _interrupt(event: Event, _ignored: Ignored) -> str:
    return interrupt(field(event, "intid"))


def _source(event: Event, _ignored: Ignored) -> str:
    return f"{field(event, 'source')}: {interrupt(field(event, 'virq'))}"


def _blocked(event: Event, _ignored: Ignored) -> str:
    intid, reasons = field(event, "intid"), field(event, "reasons")
    assert isinstance(reasons, list | tuple)
    name = "no interrupt is bound" if intid is None else interrupt(intid)
    return f"{name} of {field(event, 'source') or 'a device'}: {'; '.join(map(str, reasons))}"


def _printed(event: Event, _ignored: Ignored) -> str:
    return repr(field(event, "text"))


def _plain(names: Sequence[str]) -> Callable[[Event, Ignored], str]:
    def tell(event: Event, _ignored: Ignored) -> str:
        return " ".join(str(field(event, name)) for name in names)

    return tell


EVENT_WORDS: dict[str, Callable[[Event, Ignored], str]] = {
    "hypercall": _call,
    "hypercall_return": _answer,
    "service": _service,
    "service_return": _service_answer,
    "virq_assert": _source,
    "virq_clear": _source,
    "sgi": _interrupt,
    "irq_pending": _interrupt,
    "irq_dropped": _interrupt,
    "irq_acknowledged": _interrupt,
    "irq_ended": _interrupt,
    "irq_blocked": _blocked,
    "console": _printed,
    "fault": _plain(("what",)),
    "idle": _plain(()),
    "unknown": _plain(("what",)),
    "exception_loop": _plain(("reason",)),
    "exit": _plain(("status",)),
    "vcpu_on": _plain(()),
    "vcpu_off": _plain(()),
    "wait": _plain(()),
    "wake": _plain(()),
}
"""The kinds that have words of their own: what a golden trace can compare."""
