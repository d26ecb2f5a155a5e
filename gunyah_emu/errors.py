"""The mistakes of the person at the keyboard.

A guest's mistake is a Gunyah error code in x0 and never an exception; a bug of ours is an assertion.  What is left is
an input that a person can mend: it is a `UserError`, says what must be and what is, and ends the program with status 2
and no traceback.
"""

from __future__ import annotations

from pathlib import Path


class UserError(Exception):
    """An input that must be mended by the user.

    Arguments:
        message: what must be, and what it is.
        path: the file at fault, when there is one.
        line, column: the place in it, counted from 1.
    """

    def __init__(
        self, message: str, *, path: str | Path | None = None, line: int | None = None, column: int | None = None
    ) -> None:
        place = "" if path is None else str(path)
        if line is not None:
            place += f":{line}:{1 if column is None else column}"
        super().__init__(f"{place}: {message}" if place else message)
        self.message = message
        self.path = path
        self.line = line
        self.column = column
