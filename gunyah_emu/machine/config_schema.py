"""The means to declare a machine file's keys: kinds of values, keys, and tables of keys.

A kind reads one value and says what it must be, in the words of messages and of the reference page alike.  The
declarations themselves are in `config_keys`; parsing, messages and docs/machine-file.md derive from them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gunyah_emu.machine.toml_positions import Path

UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
AMOUNT = re.compile(r"([0-9]+) ?(B|KiB|MiB|GiB)")

REQUIRED = object()
"""The default of a key that has none."""


class ConfigError(Exception):
    """A value that is not what it must be.

    Arguments:
        path: of the value, from the document's root.
        message: what must be; what it is.
        at_key: the key is at fault rather than its value.
    """

    def __init__(self, path: Path, message: str, *, at_key: bool = False) -> None:
        super().__init__(message)
        self.path = path
        self.message = message
        self.at_key = at_key


class Kind:
    """What a value may be.

    Attributes:
        must_be: follows 'must be' in messages, and stands in the reference page.
    """

    must_be: str

    def read(self, value: object, path: Path) -> object:
        """The value as the configuration holds it; raises ConfigError when it is of another kind."""
        raise NotImplementedError

    def refuse(self, value: object, path: Path) -> ConfigError:
        """The error that says so."""
        return ConfigError(path, f"{name_of(path)} must be {self.must_be}; it is {show(value)}")


class Text(Kind):
    """A string."""

    def __init__(self, must_be: str = "a string", *, may_be_empty: bool = True) -> None:
        self.must_be = must_be
        self.may_be_empty = may_be_empty

    def read(self, value: object, path: Path) -> str:
        """The string."""
        if not isinstance(value, str) or "\0" in value or not (value or self.may_be_empty):
            raise self.refuse(value, path)
        return value


class File(Text):
    """The path of a file, from the machine file's folder; that it exists is checked with the file at hand."""

    def __init__(self) -> None:
        super().__init__("the path of a file", may_be_empty=False)


class Name(Text):
    """A name: as it stands in front of every line of a console and in the device tree."""

    def __init__(self) -> None:
        super().__init__("a name of 1..32 letters, digits, '_', '.' or '-'")

    def read(self, value: object, path: Path) -> str:
        """The name."""
        if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_.-]{1,32}", value):
            raise self.refuse(value, path)
        return value


class Integer(Kind):
    """An integer of a range."""

    def __init__(self, lowest: int, highest: int) -> None:
        self.lowest, self.highest = lowest, highest
        self.must_be = f"an integer of {lowest}..{highest if highest < 1 << 16 else hex(highest)}"

    def read(self, value: object, path: Path) -> int:
        """The integer."""
        if not isinstance(value, int) or isinstance(value, bool) or not self.lowest <= value <= self.highest:
            raise self.refuse(value, path)
        return value


class Amount(Kind):
    """Bytes, as an integer or with a unit, in whole pages."""

    def __init__(self, lowest: int, highest: int, *, multiple_of: int) -> None:
        self.lowest, self.highest, self.multiple_of = lowest, highest, multiple_of
        self.must_be = (
            f"bytes, as an integer or a string such as '64MiB', of {show_bytes(lowest)}..{show_bytes(highest)} "
            f"in steps of {show_bytes(multiple_of)}"
        )

    def read(self, value: object, path: Path) -> int:
        """The number of bytes."""
        amount = value
        if isinstance(value, str):
            match = AMOUNT.fullmatch(value)
            amount = int(match[1]) * UNITS[match[2]] if match else None
        if not isinstance(amount, int) or isinstance(amount, bool):
            raise self.refuse(value, path)
        if amount % self.multiple_of or not self.lowest <= amount <= self.highest:
            raise self.refuse(value, path)
        return amount


class Address(Kind):
    """A guest physical address."""

    def __init__(self, highest: int, *, multiple_of: int) -> None:
        self.highest, self.multiple_of = highest, multiple_of
        steps = f" in steps of {multiple_of:#x}" if multiple_of > 1 else ""
        self.must_be = f"an address of 0..{highest:#x}{steps}"

    def read(self, value: object, path: Path) -> int:
        """The address."""
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.refuse(value, path)
        if not 0 <= value <= self.highest or value % self.multiple_of:
            found = f"{value:#x}" if value.bit_length() <= 64 else show(value)
            raise ConfigError(path, f"{name_of(path)} must be {self.must_be}; it is {found}")
        return value


class Choice(Kind):
    """One of a few words."""

    def __init__(self, *words: str) -> None:
        self.words = words
        self.must_be = " or ".join((", ".join(map(repr, words[:-1])), repr(words[-1])))

    def read(self, value: object, path: Path) -> str:
        """The word."""
        if value not in self.words:
            raise self.refuse(value, path)
        return str(value)


class ArrayOf(Kind):
    """An array whose elements are all of one kind, so many of them."""

    def __init__(self, element: Kind, of: str, lowest: int, highest: int) -> None:
        self.element = element
        self.lowest, self.highest = lowest, highest
        self.must_be = f"an array of {lowest}..{highest} {of}"

    def read(self, value: object, path: Path) -> tuple[object, ...]:
        """The elements."""
        if not isinstance(value, list):
            raise self.refuse(value, path)
        if not self.lowest <= len(value) <= self.highest:
            raise ConfigError(path, f"{name_of(path)} must be {self.must_be}; it has {len(value)}")
        return tuple(self.element.read(element, (*path, index)) for index, element in enumerate(value))


class Section:
    """A table of a machine file, read: an attribute per key.

    Subclasses annotate their attributes; a test holds the annotations against the declarations.

    Attributes:
        path: where it is in the document, for messages.
    """

    path: Path

    def __init__(self, path: Path, values: dict[str, object]) -> None:
        self.path = path
        self.__dict__.update(values)

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in vars(self).items() if name != "path")
        return f"{type(self).__name__}({fields})"


class Key:
    """A key of a table.

    Arguments:
        name: as in the file.
        kind: what its value may be.
        default: its value when it is missing; REQUIRED when it must not be.
        purpose: a sentence for the reference page.
        default_text: what the page says of the default, in Markdown, where the value would mislead.
    """

    def __init__(
        self, name: str, kind: Kind, purpose: str, *, default: object = REQUIRED, default_text: str | None = None
    ) -> None:
        self.name = name
        self.kind = kind
        self.purpose = purpose
        self.default = default
        self.default_text = default_text


class Table(Kind):
    """A table with declared keys.

    Arguments:
        heading: how the file writes it, such as `[[vm]]`; also its title in the reference page.
        section: the class of what is read.
        purpose: a paragraph for the reference page.
        keys: in the page's order.
    """

    def __init__(self, heading: str, section: type[Section], purpose: str, *keys: Key) -> None:
        self.must_be = f"a table {heading}" if heading.startswith("{") else "a table"
        self.heading = heading
        self.section = section
        self.purpose = purpose
        self.keys = {key.name: key for key in keys}

    def read(self, value: object, path: Path) -> Section:
        """The section; raises ConfigError about the first key that is unknown, missing or of another kind."""
        if not isinstance(value, dict):
            raise self.refuse(value, path)
        for name in value:
            if name not in self.keys:
                raise ConfigError(
                    (*path, name),
                    f"{self.heading} must have known keys only; it has {unknown(name, self.keys)}",
                    at_key=True,
                )
        read: dict[str, object] = {}
        for name, key in self.keys.items():
            if name in value:
                read[name] = key.kind.read(value[name], (*path, name))
            elif key.default is REQUIRED:
                raise ConfigError(path, f"{self.heading} must have the key '{name}'; it has none")
            else:
                read[name] = key.default
        return self.section(path, read)

    def tables(self) -> Iterator[Table]:
        """The table and those inside it, in the page's order."""
        yield self
        for key in self.keys.values():
            kind = key.kind.element if isinstance(key.kind, ArrayOf) else key.kind
            if isinstance(kind, Table):
                yield from kind.tables()


def unknown(name: str, known: Sequence[str] | dict[str, Key]) -> str:
    """A name that is not known, with the one that was perhaps meant."""
    import difflib

    near = difflib.get_close_matches(name, list(known), 1)
    return f"'{name}'" + (f" (did you mean '{near[0]}'?)" if near else "")


def name_of(path: Path) -> str:
    """A path as messages show it: `memory.size`, `senders[0]`; which table it is in, the place says."""
    shown = ""
    for part in path:
        if isinstance(part, int):
            shown += f"[{part}]"
        else:
            shown += f".{part}" if shown else part
    # vm[2].memory.size: the reader sees the line
    return (
        re.sub(r"^(vm|doorbell|message_queue|fault|expect\.[a-z]+)\[\d+\]\.", "", shown)
        .removeprefix("machine.")
        .removeprefix("expect.")
    )


def show(value: object) -> str:
    """A value as messages show it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return repr(value if len(value) <= 64 else value[:61] + "...")
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, int) and value.bit_length() > 64:
        return f"an integer of {value.bit_length()} bits"
    return str(value)


def show_bytes(amount: int) -> str:
    """Bytes in the largest unit that needs no fraction."""
    unit = next((name for name in ("GiB", "MiB", "KiB") if amount and amount % UNITS[name] == 0), "B")
    return f"{amount // UNITS[unit]} {unit}"
