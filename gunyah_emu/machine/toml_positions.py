"""Where in a TOML file each key and each value is, for messages that point at them.

tomllib says what a document means, not where.  This scanner runs only when there is something to complain about, over a
text that tomllib accepted: it need not check, only find.  A parser that keeps positions (tomlkit, 60 ms to import) was
rejected: every run would pay for the few that fail.

Source: TOML 1.0.
"""

from __future__ import annotations

import re
import tomllib
from typing import NamedTuple

Path = tuple[str | int, ...]

BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
BASIC_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
LITERAL_STRING = re.compile(r"'[^'\n]*'")
# Up to two quotes before the closing three are the string's own.
MULTI_LINE_BASIC = re.compile(r'"""(?:[^\\]|\\.)*?"{3,5}(?!")', re.DOTALL)
MULTI_LINE_LITERAL = re.compile(r"'''.*?'{3,5}(?!')", re.DOTALL)
SCALAR = re.compile(r"[^,\]}#\n]*")


class Place(NamedTuple):
    """Offsets into the text of a key (a table's header, an array's element) and of its value."""

    key: int
    value: int


class Positions:
    """The places of everything in a TOML document.

    Arguments:
        text: a document that tomllib accepts.

    Paths are made of keys and indices: ("vm", 0, "memory", "size").  A part that no text names of its own, as `a` in
    `[a.b]`, is where it is first mentioned.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._lengths: dict[Path, int] = {}
        self.places: dict[Path, Place] = {}
        self._scan()

    def line_and_column(self, path: Path, *, of_key: bool = False) -> tuple[int, int]:
        """Line and column, from 1, of a value (or its key); of the nearest part that exists, when it does not."""
        while path and path not in self.places:
            path = path[:-1]
        if not path:
            return 1, 1
        return line_and_column(self._text, self.places[path].key if of_key else self.places[path].value)

    def _scan(self) -> None:
        prefix: Path = ()
        while self._skip_blank() < len(self._text):
            if self._text[self._at] == "[":
                prefix = self._header()
            else:
                self._pair(prefix)

    def _header(self) -> Path:
        start = self._at
        is_array = self._text.startswith("[[", start)
        self._at += 2 if is_array else 1
        self._skip_blank()
        path: Path = ()
        keys = self._dotted_key()
        for index, (key, at) in enumerate(keys):
            path = (*path, key)
            if index < len(keys) - 1 or not is_array:
                self.places.setdefault(path, Place(start, at))
                # A header that goes through an array of tables means the array's last table.
                if path in self._lengths:
                    path = (*path, self._lengths[path] - 1)
            else:
                self.places.setdefault(path, Place(start, start))
        if is_array:
            self._lengths[path] = self._lengths.get(path, 0) + 1
            path = (*path, self._lengths[path] - 1)
        self.places[path] = Place(start, start)
        self._skip_blank()
        self._at += 2 if is_array else 1
        return path

    def _pair(self, prefix: Path) -> None:
        keys = self._dotted_key()
        self._at += 1  # =
        self._skip_blank()
        for key, at in keys:
            prefix = (*prefix, key)
            self.places.setdefault(prefix, Place(at, self._at))
        self._value(prefix)

    def _dotted_key(self) -> list[tuple[str, int]]:
        keys = []
        while True:
            at = self._at
            quote = self._text[at]
            pattern = {'"': BASIC_STRING, "'": LITERAL_STRING}.get(quote, BARE_KEY)
            raw = self._take(pattern)
            keys.append((tomllib.loads(f"key = {raw}")["key"] if quote in "\"'" else raw, at))
            self._skip_blank()
            if self._text[self._at] != ".":
                return keys
            self._at += 1
            self._skip_blank()

    def _value(self, path: Path) -> None:
        text, at = self._text, self._at
        if text.startswith('"""', at):
            self._take(MULTI_LINE_BASIC)
        elif text.startswith("'''", at):
            self._take(MULTI_LINE_LITERAL)
        elif text[at] == '"':
            self._take(BASIC_STRING)
        elif text[at] == "'":
            self._take(LITERAL_STRING)
        elif text[at] == "[":
            self._elements("]", path)
        elif text[at] == "{":
            self._elements("}", path)
        else:
            self._take(SCALAR)

    def _elements(self, closing: str, path: Path) -> None:
        self._at += 1
        index = 0
        while self._text[self._skip_blank()] != closing:
            if self._text[self._at] == ",":
                self._at += 1
            elif closing == "}":
                self._pair(path)
            else:
                self.places[(*path, index)] = Place(self._at, self._at)
                self._value((*path, index))
                index += 1
        self._at += 1

    def _skip_blank(self) -> int:
        self._take(BLANK)
        return self._at

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        assert match is not None, f"tomllib accepts what {pattern.pattern!r} does not find at offset {self._at}"
        self._at = match.end()
        return match.group()


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """Line and column, from 1, of an offset into a text."""
    before = text[:offset]
    return before.count("\n") + 1, offset - before.rfind("\n")
