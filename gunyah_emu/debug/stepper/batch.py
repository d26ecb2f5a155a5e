"""Scripts of verbs: the stepper in a pipe, and in tests.

A line is a verb and its arguments; `#` begins a comment.  Besides the verbs a script knows `expect TEXT...`, which
fails unless what the last verb printed holds the text, and `quit`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from gunyah_emu.debug.stepper.lines import plain
from gunyah_emu.debug.stepper.verbs import perform, split
from gunyah_emu.errors import UserError

if TYPE_CHECKING:
    from gunyah_emu.debug.stepper.lines import Line
    from gunyah_emu.debug.stepper.verbs import Context


def run_script(context: Context, script: Iterable[str], name: str, write: Callable[[str], None]) -> None:
    """Perform a script; every verb is written in front of its answer, behind `> `.

    Arguments:
        context: what it acts on.
        script: its lines.
        name: of its file, for messages.
        write: takes each line of output.

    Errors: UserError, with file and line: a verb that is wrong, or an `expect` that is not met.
    """
    answer: list[Line] = []
    for number, text in enumerate(script, 1):
        try:
            words = split(text)
            if not words:
                continue
            if words == ["quit"]:
                return
            if words[0] == "expect":
                _expect(answer, " ".join(words[1:]))
                continue
            write(f"> {text.strip()}")
            answer = perform(context, words)
        except UserError as error:
            raise UserError(error.message, path=name, line=number) from None
        for shown in answer:
            write(plain(shown))


def _expect(answer: Iterable[Line], text: str) -> None:
    printed = "\n".join(map(plain, answer))
    if text not in printed:
        raise UserError(f"the last verb must print {text!r}; it printed {printed!r}")
