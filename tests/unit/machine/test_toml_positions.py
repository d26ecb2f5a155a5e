"""A message about a machine file points at the very key or value that it is about, however the file is written."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gunyah_emu.machine.toml_positions import Path, Positions, line_and_column


@pytest.mark.parametrize(
    ("text", "path", "of_key", "place"),
    [
        ("a = 1", ("a",), True, (1, 1)),
        ("a = 1", ("a",), False, (1, 5)),
        ("# comment\n\n  a  =  1 # a = 2", ("a",), False, (3, 9)),
        ("a.b.c = 1", ("a", "b", "c"), True, (1, 5)),
        ("a.b.c = 1", ("a", "b"), True, (1, 3)),
        ("[vm]\n[vm.memory]\nsize = 1", ("vm", "memory", "size"), False, (3, 8)),
        ("[vm]\n[vm.memory]\nsize = 1", ("vm", "memory"), True, (2, 1)),
        ("[[vm]]\na = 1\n[[vm]]\na = 2", ("vm", 1, "a"), False, (4, 5)),
        ("[[vm]]\na = 1\n[[vm]]\na = 2", ("vm", 1), True, (3, 1)),
        ("[[vm]]\n[[vm]]", ("vm",), True, (1, 1)),
        ("[[vm]]\n[[vm.script]]\n[[vm.script]]\nb = 1\n", ("vm", 0, "script", 1, "b"), False, (4, 5)),
        ("[[vm]]\n[vm.memory]\nsize = 3", ("vm", 0, "memory", "size"), False, (3, 8)),
        ("m = { base = 1, size = 2 }", ("m", "size"), False, (1, 24)),
        ("m = { base = 1, size = 2 }", ("m", "size"), True, (1, 17)),
        ("m = { a.b = 1 }", ("m", "a", "b"), True, (1, 9)),
        ("s = [\n  'x', # ]\n  'y',\n]", ("s", 1), False, (3, 3)),
        ("s = [[1, 2], [3]]", ("s", 1, 0), False, (1, 15)),
        ("s = [{ a = 1 }, { a = 2 }]", ("s", 1, "a"), False, (1, 23)),
        ('"a b"."c\\u0064" = 1', ("a b", "cd"), True, (1, 7)),
        ("'a\"b' = 1", ('a"b',), False, (1, 9)),
        ('a = """\n[b]\nb = 2\n"""\nb = 3', ("b",), False, (5, 5)),
        ('a = """x\\""""\nb = 3', ("b",), False, (2, 5)),
        ('a = """x"""""\nb = 3', ("b",), False, (2, 5)),
        ('a = """"""\nb = 3', ("b",), False, (2, 5)),
        ("a = '''\\'''\nb = 3", ("b",), False, (2, 5)),
        ("a = '''''two'''''\nb = 3", ("b",), False, (2, 5)),
        ('a = "#\\\\"\nb = 3', ("b",), False, (2, 5)),
        ("a = 1979-05-27 07:32:00 # then\nb = 3", ("b",), False, (2, 5)),
        ("[ a . b ]\nc = 1", ("a", "b", "c"), False, (2, 5)),
        ("a = 1\r\nb = 2\r\n", ("b",), False, (2, 5)),
        ('"clé" = 1', ("clé",), False, (1, 9)),
    ],
)
def test_a_place_is_found(text: str, path: Path, of_key: bool, place: tuple[int, int]) -> None:
    assert tomllib.loads(text) is not None
    assert Positions(text).line_and_column(path, of_key=of_key) == place


def test_what_the_file_does_not_mention_is_where_its_table_is() -> None:
    positions = Positions("[machine]\n[[vm]]\nname = 'a'")
    assert positions.line_and_column(("vm", 0, "memory", "size")) == (2, 1)
    assert positions.line_and_column(("doorbell", 3)) == (1, 1)


# any document

KEYS = st.one_of(st.sampled_from(["a", "b", "vm", "a-b", "1", "_"]), st.text(st.characters(codec="ascii"), max_size=3))
BLANKS = st.sampled_from(["", " ", "\t "])
BREAKS = st.sampled_from(["\n", "\r\n", "\n# ] } \" ''' [x]\n", "\n\n  "])


class Writer:
    """Writes documents whose leaves are all different, and knows how each was written."""

    def __init__(self, data: st.DataObject) -> None:
        self.draw = data.draw
        self.written: dict[object, str] = {}

    def key(self) -> str:
        key = self.draw(KEYS)
        bare = key.isascii() and key and all(c.isalnum() or c in "-_" for c in key)
        if bare and self.draw(st.booleans()):
            return key
        if "'" not in key and key.isprintable() and self.draw(st.booleans()):
            return f"'{key}'"
        return '"' + "".join(f"\\u{ord(c):04x}" if not c.isalnum() else c for c in key) + '"'

    def dotted_key(self) -> str:
        dot = self.draw(st.sampled_from([".", " . "]))
        return dot.join(self.key() for _ in range(self.draw(st.integers(1, 3))))

    def leaf(self) -> str:
        number = len(self.written)
        forms: dict[str, tuple[object, str]] = {
            "integer": (number, str(number)),
            "hexadecimal": (number + 5000, hex(number + 5000)),
            "basic": (f'"#{number}', f'"\\"#{number}"'),
            "literal": (f'"]{number}\\', f"'\"]{number}\\'"),
            "multi-line basic": (f'""}}{number}\n"', f'"""""}}{number}\n""""'),
            "multi-line literal": (f"{number}\n'\\", f"'''{number}\n'\\'''"),
            "float": (number + 0.5, f"{number}.5"),
        }
        value, text = forms[self.draw(st.sampled_from(sorted(forms)))]
        self.written[value] = text
        return text

    def value(self, depth: int = 2) -> str:
        kind = self.draw(st.sampled_from(["leaf", "leaf", "array", "table"])) if depth else "leaf"
        count = self.draw(st.integers(0, 3))
        if kind == "array":
            breaks = [self.draw(st.one_of(BLANKS, BREAKS)) for _ in range(2 * count + 1)]
            parts = [f"{breaks[2 * n]}{self.value(depth - 1)}{breaks[2 * n + 1]}," for n in range(count)]
            return f"[{''.join(parts)}{breaks[-1]}]"
        if kind == "table":
            return "{ " + ", ".join(self.pair(depth - 1) for _ in range(count)) + " }"
        return self.leaf()

    def pair(self, depth: int = 2) -> str:
        return f"{self.dotted_key()}{self.draw(BLANKS)}={self.draw(BLANKS)}{self.value(depth)}"

    def document(self) -> str:
        text = ""
        for _ in range(self.draw(st.integers(1, 6))):
            line = self.draw(st.sampled_from(["pair", "pair", "[]", "[[]]"]))
            text += self.draw(BLANKS)
            if line == "pair":
                text += self.pair()
            else:
                text += line[: len(line) // 2] + self.draw(BLANKS) + self.dotted_key() + line[len(line) // 2 :]
            text += self.draw(BREAKS)
        return text


def leaves(value: object, path: Path = ()) -> Iterator[tuple[Path, object]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*path, index))
    else:
        yield path, value


@settings(deadline=None)
@given(st.data())
def test_every_value_of_any_document_is_found(data: st.DataObject) -> None:
    writer = Writer(data)
    text = writer.document()
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        assume(False)
        raise
    positions = Positions(text)
    for path, value in leaves(document):
        place = positions.places[path]
        assert text[place.value :].startswith(writer.written[value])
        if isinstance(path[-1], str):
            assert text[place.key] in f"{path[-1][:1]}'\""


@settings(deadline=None)
@given(st.text("a\n"), st.integers(0, 20))
def test_lines_and_columns_count_from_one(text: str, offset: int) -> None:
    offset = min(offset, len(text))
    line, column = line_and_column(text, offset)
    lines = text.split("\n")
    assert sum(len(earlier) + 1 for earlier in lines[: line - 1]) + column - 1 == offset
