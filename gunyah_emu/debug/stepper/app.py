"""The stepper's screen: a thin layer of textual over verbs and views.

Moves run in a thread, so that the screen lives on while a guest does; Esc ends one where it is.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, ClassVar

try:
    from rich.text import Text
    from textual.app import App, ComposeResult
    from textual.binding import Binding, BindingType
    from textual.containers import Horizontal, Vertical, VerticalScroll
    from textual.screen import ModalScreen
    from textual.widgets import Footer, Input, RichLog, Static
except ImportError:
    from gunyah_emu.errors import UserError

    raise UserError("the stepper's screen needs textual; install gunyah-emu[step], or use --batch") from None

from gunyah_emu.debug.stepper.guard import safely
from gunyah_emu.debug.stepper.lines import Line, line
from gunyah_emu.debug.stepper.stepper import Stepper
from gunyah_emu.debug.stepper.verbs import VERBS, Context, Verb, perform, split
from gunyah_emu.debug.stepper.views import Views
from gunyah_emu.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.events import Key as KeyPress
    from textual.events import Resize

    from gunyah_emu.machine.machine import Machine

STYLES = {
    "head": "bold",
    "dim": "#8a939f",
    "here": "bold #1b1f27 on #f4bf4f",
    "address": "#7aa2c9",
    "symbol": "#9fd3c7",
    "source": "italic #a7a08f",
    "value": "#d7dae0",
    "changed": "bold #ff9e64",
    "call": "bold #f4bf4f",
    "good": "#9ece8a",
    "bad": "bold #f07178",
}
"""How the styles of lines look here."""

NARROW, LOW = 140, 40
"""Columns and rows below which the screen shows one half at a time."""

HISTORY = 500
"""Answers that the log keeps."""


def rich_text(lines: list[Line]) -> Text:
    """Lines as rich draws them."""
    text = Text(no_wrap=True, overflow="ellipsis", end="")
    for number, pieces in enumerate(lines):
        if number:
            text.append("\n")
        for piece, style in pieces:
            text.append(piece, STYLES.get(style, ""))
    return text


class Panel(VerticalScroll, can_focus=False):
    """A frame with a title around a view.

    Arguments:
        title: in its border.
        view: what it shows.
        id: its name in the style sheet.
    """

    def __init__(self, title: str, view: Callable[[Panel], list[Line]], *, id: str) -> None:  # noqa: A002 - textual's
        super().__init__(id=id)
        self.border_title = title
        self._view = view
        self._text = Static()

    def compose(self) -> ComposeResult:
        """Its one child."""
        yield self._text

    def show(self) -> None:
        """Look again."""
        self._text.update(rich_text(safely(lambda: self._view(self))))


class Help(ModalScreen[None]):
    """Every key and every verb."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark", "app.pop_screen", "close")]

    def compose(self) -> ComposeResult:
        """One text."""
        keys = [
            line((f"{verb.key.name if verb.key else '':>5}  ", "call"), (f"{verb.name:11}", "head"), verb.about)
            for verb in VERBS.values()
        ]
        more = [
            line(("    :  ", "call"), "any verb with its arguments: `:memory main 64`, `:step 100`"),
            line(("  Esc  ", "call"), "ends a move that takes long; closes a prompt"),
            line(("    o  ", "call"), "the other half, on a small screen"),
            line(("    q  ", "call"), "leave"),
        ]
        with VerticalScroll() as frame:
            frame.border_title = "keys and verbs"
            yield Static(rich_text([*keys, *more]))


class StepperApp(App[int]):
    """The screen.

    Arguments:
        machine: one that has not run.
    """

    CSS_PATH = "app.tcss"
    TITLE = "gunyah-emu step"
    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = None
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(
                verb.key.name,
                f"verb('{verb.name}')",
                verb.key.label,
                show=bool(verb.key.label),
                priority=verb.key.name == "tab",
            )
            for verb in VERBS.values()
            if verb.key is not None
        ),
        Binding("colon", "ask('')", "verb", key_display=":"),
        Binding("o", "other_half", "other half", show=False),
        Binding("question_mark", "help", "help", key_display="?"),
        Binding("q", "leave", "quit"),
        Binding("escape", "stop", "stop", show=False, priority=True),
        Binding("ctrl+c", "interrupt", "stop", show=False, priority=True),
    ]

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self._stopped = threading.Event()
        self.stepper = Stepper(machine, interrupted=self._stopped.is_set)
        self.context = Context(self.stepper, Views(self.stepper))
        self._asked: str | None = None
        self._said: list[Line] = []
        self._is_moving = False
        self._is_leaving = False

    def compose(self) -> ComposeResult:
        """Frames, prompt and keys."""
        views = self.context.views
        yield Static(id="status")
        with Horizontal(id="halves"):
            with Vertical(id="left"):
                yield Panel("code", self._code, id="code")
                yield Panel("call", lambda _: views.call(), id="call")
            with Vertical(id="right"):
                yield Panel("registers", self._registers, id="registers")
                yield Panel("doorbells and queues", lambda _: views.objects(), id="objects")
                yield Panel("interrupts", lambda _: views.gic(), id="gic")
        with Horizontal(id="bottom"):
            yield Panel("console", lambda panel: views.console(max(panel.size.height, 1)), id="console")
            log = RichLog(id="log", wrap=True, min_width=1, max_lines=HISTORY)
            log.border_title = "answers"
            log.can_focus = False
            yield log
        yield Input(id="prompt")
        yield Footer()

    def _code(self, panel: Panel) -> list[Line]:
        # Half of the lines may be labels and source lines.
        room = max(panel.size.height, 4)
        lines = self.context.views.code(before=room // 3, after=room)
        here = next((n for n, pieces in enumerate(lines) if pieces[0][0].startswith("=>")), 0)
        first = max(min(here - room // 2, len(lines) - room), 0)
        return lines[first : first + room]

    def _registers(self, panel: Panel) -> list[Line]:
        return self.context.views.registers(columns=max(min(panel.size.width // 21, 4), 1))

    def on_mount(self) -> None:
        """The first look."""
        self.query_one("#prompt").display = False
        self._say([line(("h", "call"), " goes to the next hypercall, ", ("?", "call"), " shows every key")])
        self.call_after_refresh(self._refresh_all)

    def on_resize(self, event: Resize) -> None:
        """Small screens show one half."""
        self.set_class(event.size.width < NARROW, "narrow")
        self.set_class(event.size.height < LOW, "low")
        self.call_after_refresh(self._refresh_all)
        self.call_after_refresh(self._write_again)

    # ------------------------------------------------------------------ what is shown

    def _refresh_all(self) -> None:
        if self._is_moving:
            return
        for panel in self.query(Panel):
            panel.show()
        self._show_status()

    def _show_status(self) -> None:
        stepper = self.stepper
        vcpu = stepper.focus
        name = f"{vcpu.vm.name}/{vcpu.index}" if vcpu is not None else "-"
        state = "  running: Esc stops it" if self._is_moving else ""
        shown = line((f" {name} ", "here"), f"  @{stepper.session.position}  ", (stepper.filter_text, "dim"))
        self.query_one("#status", Static).update(rich_text([[*shown, (state, "bad")]]))

    def _say(self, lines: list[Line]) -> None:
        self._said = [*self._said, *lines][-HISTORY:]
        self._write(lines)

    def _write(self, lines: list[Line]) -> None:
        log = self.query_one("#log", RichLog)
        for pieces in lines:
            text = rich_text([pieces])
            text.no_wrap, text.overflow = False, "fold"
            log.write(text, width=log.scrollable_content_region.width or None)

    def _write_again(self) -> None:
        """The answers, wrapped to another width."""
        self.query_one("#log", RichLog).clear()
        self._write(self._said)

    # ------------------------------------------------------------------ what is done

    def action_verb(self, name: str) -> None:
        """Do what a key stands for, once its question is answered."""
        verb = VERBS[name]
        assert verb.key is not None
        if self._is_moving or self._asked is not None or isinstance(self.screen, Help):
            return
        if verb.key.asks:
            self._ask(name, verb.key.asks)
        else:
            self._perform([name])

    def action_ask(self, verb: str) -> None:
        """Ask for a whole line."""
        if not self._is_moving:
            self._ask(verb, "a verb and its arguments; `help` lists them")

    def _ask(self, verb: str, what: str) -> None:
        self._asked = verb
        prompt = self.query_one("#prompt", Input)
        prompt.value, prompt.placeholder, prompt.border_title = "", what, verb or "verb"
        prompt.display = True
        prompt.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """The question is answered."""
        verb = self._close_prompt()
        try:
            words = [*([verb] if verb else []), *split(event.value)]
        except UserError as error:
            self._say([line((str(error), "bad"))])
            return
        if words == ["quit"]:
            self.action_leave()
        elif words:
            self._perform(words)

    def _close_prompt(self) -> str | None:
        prompt = self.query_one("#prompt", Input)
        prompt.display = False
        self.set_focus(None)
        asked, self._asked = self._asked, None
        return asked

    def _perform(self, words: list[str]) -> None:
        verb = VERBS.get(words[0])
        if verb is None or not verb.moves:
            self._finish(verb, words, self._answer(words))
            return
        self._is_moving = True
        self._stopped.clear()
        self._show_status()
        self.run_worker(lambda: self._move(verb, words), thread=True, exit_on_error=False)

    def _move(self, verb: Verb, words: list[str]) -> None:
        lines = self._answer(words)
        self.call_from_thread(self._finish, verb, words, lines)

    def _answer(self, words: list[str]) -> list[Line]:
        try:
            return perform(self.context, words)
        except UserError as error:
            return [line((str(error), "bad"))]

    def _finish(self, verb: Verb | None, words: list[str], lines: list[Line]) -> None:
        self._is_moving = False
        if self._is_leaving:
            self.exit(0)
            return
        self._say([line((f"> {' '.join(words)}", "dim")), *lines])
        if verb is None or verb.moves or verb.name in ("look", "filter", "break", "delete", "type"):
            self._refresh_all()

    def action_stop(self) -> None:
        """End a move, close a prompt, close the help."""
        if self._is_moving:
            self._stopped.set()
        elif self._asked is not None:
            self._close_prompt()
        elif len(self.screen_stack) > 1:
            self.pop_screen()

    def action_interrupt(self) -> None:
        """Ctrl-C: end a move, or leave."""
        if self._is_moving:
            self._stopped.set()
        else:
            self.action_leave()

    def action_leave(self) -> None:
        """Leave, once a move has ended."""
        self._is_leaving = True
        self._stopped.set()
        if not self._is_moving:
            self.exit(0)

    def action_help(self) -> None:
        """Show every key."""
        self.push_screen(Help())

    def action_other_half(self) -> None:
        """On a small screen, the half that is hidden."""
        self.toggle_class("other")
        self.call_after_refresh(self._refresh_all)

    def on_key(self, event: KeyPress) -> None:
        """Nothing but keys that are bound does anything, also while a move runs."""
        if self._is_moving:
            event.stop()


def run_app(machine: Machine) -> int:
    """Show the screen until the person leaves; the exit status."""
    app = StepperApp(machine)
    try:
        return app.run() or 0
    finally:
        app.stepper.session.close()
