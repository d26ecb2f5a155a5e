"""The one place where an error of ours becomes a line: whatever a guest left to be decoded, the session goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gunyah_emu.debug.stepper.lines import Line, line
from gunyah_emu.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable


def decoded(view: Callable[[], list[Line]]) -> list[Line]:
    """A view, or the line that says what could not be decoded.

    Errors: UserError: the view's own.
    """
    try:
        return view()
    except UserError:
        raise
    except Exception as error:
        return [line((f"cannot be shown: {type(error).__name__}: {error}", "bad"))]


def safely(view: Callable[[], list[Line]]) -> list[Line]:
    """The same, where the person's mistake is a line, too: a frame of a screen, a part of a larger view."""
    try:
        return decoded(view)
    except UserError as error:
        return [line((str(error), "dim"))]
