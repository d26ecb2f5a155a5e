"""What a person can ask for, declared once: scripts, the screen's keys, help and documentation derive from it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from gunyah_emu.debug.stepper.answer import where
from gunyah_emu.debug.stepper.guard import decoded
from gunyah_emu.debug.stepper.lines import Line, line
from gunyah_emu.debug.stepper.stepper import integer
from gunyah_emu.debug.stepper.views import MOST_BYTES
from gunyah_emu.errors import UserError

if TYPE_CHECKING:
    from gunyah_emu.debug.stepper.stepper import Stepper
    from gunyah_emu.debug.stepper.views import Views


class Context(NamedTuple):
    """What verbs act on."""

    stepper: Stepper
    views: Views


class Key(NamedTuple):
    """A key of the screen.

    Arguments:
        name: as textual names it.
        label: beside it at the bottom of the screen; empty: it is in the help only.
        asks: what the screen asks for first; empty: nothing.
    """

    name: str
    label: str
    asks: str = ""


class Verb(NamedTuple):
    """One thing that can be asked for.

    Arguments:
        name: its word.
        arguments: as help shows them: optional ones in brackets, `...` for any number.
        about: what it does.
        act: does it.
        key: on the screen.
        moves: it moves the machine, perhaps for long.
    """

    name: str
    arguments: str
    about: str
    act: Callable[[Context, Sequence[str]], list[Line]]
    key: Key | None = None
    moves: bool = False

    @property
    def counts(self) -> tuple[int, int | None]:
        """The least and the largest number of arguments; None: any."""
        words = self.arguments.split()
        least = sum(not word.startswith("[") for word in words)
        return least, None if "..." in self.arguments else len(words)


MOST = 1_000_000_000
"""Instructions of a step, and a bound for every other number of things."""


def _number(words: Sequence[str], otherwise: int, most: int = MOST) -> int:
    """How many: the first word, if there is one.

    Errors: UserError: it is no number from 1 to `most`.
    """
    value = integer(words[0]) if words else otherwise
    if not 1 <= value <= most:
        raise UserError(f"a number here must be from 1 to {most}, not {value}")
    return value


def _filter(context: Context, words: Sequence[str]) -> list[Line]:
    kind, *names = words
    if kind == "vm" and len(names) == 1:
        return context.stepper.filter_vm(names[0])
    if kind == "call" and names:
        return context.stepper.filter_calls(*names)
    if kind == "off" and not names:
        context.stepper.filter_vm("any")
        return context.stepper.filter_calls("any")
    raise UserError(f"a filter must be `vm NAME`, `call NAME...` or `off`, not {' '.join(words)!r}")


def _view(name: str) -> Callable[[Context, Sequence[str]], list[Line]]:
    def show(context: Context, words: Sequence[str]) -> list[Line]:
        view: Callable[..., list[Line]] = getattr(context.views, name)
        numbers = [_number([word], 1) for word in words]
        return decoded(lambda: view(*numbers))

    return show


def _look(context: Context, words: Sequence[str]) -> list[Line]:
    return context.stepper.look_at(words[0]) if words else context.stepper.next_focus()


def _memory(context: Context, words: Sequence[str]) -> list[Line]:
    return context.views.memory(words[0], _number(words[1:], 64, MOST_BYTES))


def _watch(context: Context, words: Sequence[str]) -> list[Line]:
    return context.stepper.add_watch(words[0], _number(words[1:], 8, MOST_BYTES))


def _irq(context: Context, words: Sequence[str]) -> list[Line]:
    return context.stepper.to_interrupt(integer(words[0]) if words else None)


def _help(_context: Context, words: Sequence[str]) -> list[Line]:
    chosen = [VERBS[name] for name in words if name in VERBS] or list(VERBS.values())
    width = max(len(f"{verb.name} {verb.arguments}") for verb in chosen)
    return [
        line(
            (f"{verb.key.name if verb.key else '':3}  ", "call"),
            f"{verb.name} {verb.arguments}".ljust(width + 2),
            verb.about,
        )
        for verb in chosen
    ]


def _table(*verbs: Verb) -> dict[str, Verb]:
    assert len({verb.name for verb in verbs}) == len(verbs)
    return {verb.name: verb for verb in verbs}


VERBS = _table(
    Verb(
        "call",
        "[NAME...]",
        "to the next hypercall or service call, of these names where any are given",
        lambda c, w: c.stepper.to_call(*w),
        Key("h", "call"),
        moves=True,
    ),
    Verb("irq", "[INTID]", "to where the next interrupt has been taken", _irq, Key("i", "irq"), moves=True),
    Verb(
        "step",
        "[COUNT]",
        "execute the next instruction",
        lambda c, w: c.stepper.step(_number(w, 1)),
        Key("s", "step"),
        moves=True,
    ),
    Verb(
        "next",
        "",
        "execute the next instruction; of a call, to where it has returned",
        lambda c, _: c.stepper.step_over(),
        Key("n", "next"),
        moves=True,
    ),
    Verb(
        "return",
        "",
        "make the hypercall that is next, and stop behind it",
        lambda c, _: c.stepper.call_return(),
        Key("r", "return"),
        moves=True,
    ),
    Verb(
        "back",
        "[COUNT]",
        "undo the last instruction",
        lambda c, w: c.stepper.back(_number(w, 1)),
        Key("b", "back"),
        moves=True,
    ),
    Verb(
        "to",
        "PLACE",
        "to a symbol[+offset], file:line or address, `VM:` in front of it or not, or to an @POSITION",
        lambda c, w: c.stepper.to(w[0]),
        Key("t", "to", "run to: symbol, file:line, address, @position"),
        moves=True,
    ),
    Verb(
        "run",
        "",
        "to the next breakpoint or watchpoint, or to the end",
        lambda c, _: c.stepper.run(),
        Key("c", "run"),
        moves=True,
    ),
    Verb(
        "why",
        "[EVENT...]",
        "why: of `irq INTID`, `doorbell LABEL`, `queue LABEL`, an event; alone: of what happened last",
        lambda c, w: c.views.why(*w),
        Key("w", "why", "why: irq INTID, doorbell LABEL, queue LABEL, an event; nothing: what happened last"),
    ),
    Verb(
        "filter",
        "KIND [NAME...]",
        "stop for calls and interrupts of `vm NAME` only, for `call NAME...` only; `off`: for all",
        _filter,
        Key("f", "filter", "filter: vm NAME, call NAME..., off"),
    ),
    Verb("look", "[VM[/VCPU]]", "look at another vCPU; alone: at the next one", _look, Key("tab", "vCPU")),
    Verb(
        "back-call",
        "[NAME...]",
        "back to the last hypercall or service call",
        lambda c, w: c.stepper.previous_call(*w),
        Key("H", ""),
        moves=True,
    ),
    Verb(
        "back-irq",
        "",
        "back to where the last interrupt had been taken",
        lambda c, _: c.stepper.previous_interrupt(),
        Key("I", ""),
        moves=True,
    ),
    Verb(
        "back-run",
        "",
        "back to the last breakpoint or watchpoint, or to the beginning",
        lambda c, _: c.stepper.run_back(),
        Key("C", ""),
        moves=True,
    ),
    Verb(
        "break",
        "PLACE",
        "halt in front of a place whenever it is reached",
        lambda c, w: c.stepper.add_break(w[0]),
        Key("p", "", "break at: symbol, file:line, address"),
    ),
    Verb("watch", "PLACE [BYTES]", "halt in front of writes to bytes", _watch),
    Verb("points", "", "the breakpoints and watchpoints", lambda c, _: c.stepper.list_points()),
    Verb("delete", "NUMBER", "remove one of them", lambda c, w: c.stepper.delete(integer(w[0]))),
    Verb("where", "", "where the vCPU stands", lambda c, _: [where(c.stepper)]),
    Verb("code", "", "the code around the vCPU", _view("code")),
    Verb("registers", "", "its registers", _view("registers")),
    Verb("args", "", "the call that it is about to make, decoded, and what its last one returned", _view("call")),
    Verb("objects", "", "doorbells and message queues", _view("objects")),
    Verb("gic", "", "its interrupts: enabled, pending or active, and why a pending one is not taken", _view("gic")),
    Verb("console", "[LINES]", "what the VMs printed last", _view("console")),
    Verb("events", "[COUNT]", "the last events", _view("events")),
    Verb("memory", "PLACE [BYTES]", "bytes at a place", _memory),
    Verb("all", "", "all of these views", _view("all")),
    Verb("type", "VM TEXT...", "type a line at a VM's console", lambda c, w: c.stepper.type(w[0], " ".join(w[1:]))),
    Verb("help", "[VERB...]", "these words", _help),
)
"""Every verb by its word, in the order of help."""


def split(text: str) -> list[str]:
    """The words of a line; quotes hold some together, and `#` begins a comment.

    Errors: UserError: a quote does not end.
    """
    try:
        return shlex.split(text, comments=True)
    except ValueError as error:
        raise UserError(f"the words of a line must be separable: {error}") from None


def perform(context: Context, words: Sequence[str]) -> list[Line]:
    """Do what a line says.

    Errors: UserError: there is no such verb, or it takes other arguments, or what it says.
    """
    name, *arguments = words
    verb = VERBS.get(name)
    if verb is None:
        raise UserError(f"there is no verb {name!r}; there are {', '.join(VERBS)}")
    least, most = verb.counts
    if len(arguments) < least or (most is not None and len(arguments) > most):
        usage = f"{verb.name} {verb.arguments}".rstrip()
        raise UserError(f"must be `{usage}`; its arguments are {' '.join(arguments)!r}")
    return verb.act(context, arguments)
