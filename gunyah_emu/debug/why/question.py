"""What people write to say which event they mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from gunyah_emu.errors import UserError
from gunyah_emu.hypervisor.silence import SENDS

if TYPE_CHECKING:
    from gunyah_emu.debug.why.trace import Entry, Trace

FORMS = (
    ("N", "event number N of the trace"),
    ("last", "the last event"),
    ("[VM[/VCPU]] irq INTID", "the last time that the interrupt was raised, taken or kept away"),
    ("doorbell LABEL", "the last send to the doorbell of that label"),
    ("queue LABEL", "the last send to the message queue of that label"),
    ("[VM[/VCPU]] KIND", "the last event of a kind, such as `wait` or `exit`"),
    ("[VM[/VCPU]] CALL", "the last call of that name, such as `doorbell_mask` or `CPU_ON`"),
    ("... KIND:N, CALL:N", "the Nth of them, from 1"),
)
"""How an event is named: words, and what they mean."""

OBJECTS = {"doorbell": "doorbell", "queue": "message queue"}
"""Words for objects, and how events name them."""

INTERRUPT_KINDS = ("irq_blocked", "irq_pending", "irq_acknowledged")


class Question(NamedTuple):
    """What somebody asks about.

    Attributes:
        vm, vcpu: where; empty and -1: anywhere.
        what: "event", "last", "irq", one of OBJECTS, or "name" (a kind of event, or a call).
        number: the event, INTID or label; of a name, which of them, or 0 for the last.
        name: of a kind or a call.
    """

    vm: str
    vcpu: int
    what: str
    number: int = 0
    name: str = ""


def parse(words: Sequence[str]) -> Question:
    """The words as a question.

    Errors: UserError: they are none of FORMS.
    """
    words = [word for text in words for word in text.split()]
    if len(words) in (2, 3) and words[-2] == "irq":
        vm, vcpu = _place(words[:-2])
        return Question(vm, vcpu, "irq", _number(words[-1], "an INTID"))
    if len(words) == 2 and words[0] in OBJECTS:
        return Question("", -1, words[0], _number(words[1], "a label"))
    if words == ["last"]:
        return Question("", -1, "last")
    if len(words) == 1 and words[0][:1].isdigit():
        return Question("", -1, "event", _number(words[0], "an event's number"))
    if len(words) in (1, 2) and words[-1][:1].isalpha():
        vm, vcpu = _place(words[:-1])
        name, colon, which = words[-1].partition(":")
        return Question(vm, vcpu, "name", _number(which, "which one it is") if colon else 0, name)
    forms = ", ".join(f"`{form}`" for form, _ in FORMS)
    raise UserError(f"an event must be named as {forms}; not {' '.join(words)!r}")


def _place(words: Sequence[str]) -> tuple[str, int]:
    if not words:
        return "", -1
    vm, slash, vcpu = words[0].rpartition("/")
    return (vm, _number(vcpu, "a vCPU")) if slash else (words[0], -1)


def _number(word: str, what: str) -> int:
    try:
        value = int(word, 0)
    except ValueError:
        value = -1
    if value < 0:
        raise UserError(f"{what} must be a number, not {word!r}")
    return value


def find(trace: Trace, question: Question) -> Entry:
    """The event that is asked about.

    Errors: UserError: the trace has no such event; says what it has instead.
    """
    if question.what == "event":
        entry = trace.get(question.number)
        if entry is None:
            first, last = trace.span
            raise UserError(f"the trace has no event {question.number}; it has {first}..{last}")
        return entry
    if question.what == "last":
        return next(trace.backwards())
    matches, which = _matcher(question), question.number if question.what == "name" else 0
    seen = 0
    for entry in trace if which else trace.backwards():
        if matches(entry) and question.vm in ("", entry.vm) and question.vcpu in (-1, entry.vcpu):
            seen += 1
            if seen >= which:
                return entry
    if seen:
        raise UserError(f"the trace has only {seen} times {question.name!r}, not {which}")
    raise UserError(_absent(trace, question))


def _matcher(question: Question) -> Callable[[Entry], bool]:
    if question.what == "irq":
        return lambda entry: entry.kind in INTERRUPT_KINDS and entry.number("intid") == question.number
    if question.what in OBJECTS:
        wanted = f"{OBJECTS[question.what]} {question.number}"
        return lambda entry: entry.text("call") in SENDS and wanted in entry.table("objects").values()
    name = question.name
    return lambda entry: (
        entry.kind == name
        or (entry.kind in ("hypercall", "service") and name in (entry.text("call"), entry.text("function")))
    )


def _absent(trace: Trace, question: Question) -> str:
    """What there is instead, found in one pass."""
    vms: set[str] = set()
    intids: set[int] = set()
    sent: set[str] = set()
    names: set[str] = set()
    for entry in trace:
        vms.add(entry.vm)
        if entry.text("call") in SENDS:
            sent |= {str(name) for name in entry.table("objects").values()}
        if question.vm in ("", entry.vm):
            names |= {entry.kind, entry.text("call"), entry.text("function")}
            if (intid := entry.number("intid")) is not None:
                intids.add(intid)
    if question.vm and question.vm not in vms:
        return f"the trace has no VM {question.vm!r}; it has {_listed(sorted(vms))}"
    where = f" of {question.vm}" if question.vm else ""
    if question.what == "irq":
        return f"the trace has no interrupt {question.number}{where}; it has {_listed(map(str, sorted(intids)))}"
    if question.what in OBJECTS:
        name = f"{OBJECTS[question.what]} {question.number}"
        return f"the trace has no send to {name}; it has sends to {_listed(sorted(sent))}"
    return f"the trace has no kind of event and no call {question.name!r}{where}; it has {_listed(sorted(names))}"


def _listed(values: Iterable[str]) -> str:
    return ", ".join(value for value in values if value) or "none"
