"""The firmware's CBOR reader, compiled for this machine: cbor2 agrees with it, and no broken bytes mislead it."""

from __future__ import annotations

import ctypes
import mmap
import random
import subprocess
import sys
from pathlib import Path

import cbor2
import pytest

ROOT = Path(__file__).resolve().parents[3]
SOURCES = ("firmware/src/cbor.c", "firmware/src/string.c")
KEYS = ("", "a", "cspace_capid", "free_ranges", "vic_hwirq", "a key that is longer than twenty-three bytes")
BROKEN = 1000

Value = int | bool | str | bytes | None | list["Value"] | dict[str, "Value"]


class Item(ctypes.Structure):
    """struct cbor."""

    _fields_ = (("at", ctypes.c_void_p), ("end", ctypes.c_void_p))


class Reader:
    """cbor.h, for bytes whose last is the last before an unmapped page."""

    def __init__(self, library: Path, data: bytes) -> None:
        self.library = ctypes.CDLL(str(library))
        for name in ("cbor_map_get", "cbor_array_get", "cbor_number"):
            getattr(self.library, name).restype = ctypes.c_bool
        pages = -(-len(data) // mmap.PAGESIZE) or 1
        self.memory = mmap.mmap(-1, (pages + 1) * mmap.PAGESIZE)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        at = pages * mmap.PAGESIZE - len(data)
        self.memory[at : at + len(data)] = data
        libc = ctypes.CDLL(None)
        assert libc.mprotect(ctypes.c_void_p(start + pages * mmap.PAGESIZE), mmap.PAGESIZE, 0) == 0
        self.whole = Item(start + at, start + at + len(data))

    def get(self, item: Item, key: str) -> Item | None:
        found = Item()
        return found if self.library.cbor_map_get(item, key.encode(), ctypes.byref(found)) else None

    def element(self, item: Item, n: int) -> Item | None:
        found = Item()
        return found if self.library.cbor_array_get(item, ctypes.c_uint64(n), ctypes.byref(found)) else None

    def number(self, item: Item) -> int | None:
        value = ctypes.c_uint64()
        return value.value if self.library.cbor_number(item, ctypes.byref(value)) else None


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reader")
    command = [sys.executable, "-m", "ziglang", "cc", "-shared", "-fPIC", "-O1", "-g0", "-nostdlib", "-fno-builtin"]
    environment = {"ZIG_GLOBAL_CACHE_DIR": str(folder / "zig"), "ZIG_LOCAL_CACHE_DIR": str(folder / "zig")}
    target = folder / "reader.so"
    includes = ("-Ifirmware/include", "-fno-sanitize=all")
    subprocess.run([*command, *includes, *SOURCES, "-o", str(target)], cwd=ROOT, env=environment, check=True)
    return target


def random_value(source: random.Random, depth: int) -> Value:
    numbers = [0, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**64 - 1, -1, -(2**64)]
    simple: list[Value] = [*numbers, True, False, None, "text", b"bytes" * 60]
    kind = source.randrange(4 if depth else 2)
    if kind < 2:
        return source.choice(simple)
    length = source.randrange(5)
    if kind == 2:
        return [random_value(source, depth - 1) for _ in range(length)]
    return {source.choice(KEYS): random_value(source, depth - 1) for _ in range(length)}


def compare(reader: Reader, item: Item, value: Value) -> None:
    if isinstance(value, dict):
        for key in KEYS:
            found = reader.get(item, key)
            assert (found is not None) == (key in value), key
            if found is not None:
                compare(reader, found, value[key])
    elif isinstance(value, list):
        for n, element in enumerate(value):
            found = reader.element(item, n)
            assert found is not None
            compare(reader, found, element)
        assert reader.element(item, len(value)) is None
    number = int(value) if isinstance(value, int) and value >= 0 else None
    assert reader.number(item) == number
    if not isinstance(value, dict):
        assert reader.get(item, "a") is None
    if not isinstance(value, list):
        assert reader.element(item, 0) is None


@pytest.mark.parametrize("seed", range(50))
def test_values_are_read_as_cbor2_wrote_them(library: Path, seed: int) -> None:
    source = random.Random(seed)
    value: Value = {key: random_value(source, 4) for key in source.sample(KEYS, 4)}
    reader = Reader(library, cbor2.dumps(value))
    compare(reader, reader.whole, value)


def read_everything(reader: Reader, item: Item, depth: int = 4) -> None:
    """Follow whatever is found."""
    reader.number(item)
    for found in [reader.get(item, key) for key in KEYS] + [reader.element(item, n) for n in range(4)]:
        if found is not None and depth:
            assert reader.whole.at <= found.at < reader.whole.end
            read_everything(reader, found, depth - 1)


def read_broken_bytes(library: Path) -> None:
    """In a process of its own: a read past the end ends it."""
    source = random.Random(1)
    whole = cbor2.dumps({key: random_value(source, 3) for key in KEYS})
    for _ in range(BROKEN):
        data = bytearray(whole[: source.randrange(len(whole) + 1)])
        for _ in range(source.randrange(4)):
            if data:
                data[source.randrange(len(data))] = source.randrange(256)
        reader = Reader(library, bytes(data))
        read_everything(reader, reader.whole)
    for bomb in (
        b"\x9b" + b"\xff" * 8,
        b"\xbb" + b"\xff" * 8,
        b"\x5b" + b"\xff" * 8,
        b"\x9f",
        b"\xc0" * 64,
        b"\xa1\x61",
    ):
        reader = Reader(library, bomb)
        read_everything(reader, reader.whole)


def test_broken_bytes_lead_nowhere(library: Path) -> None:
    command = [sys.executable, __file__, str(library)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


if __name__ == "__main__":
    read_broken_bytes(Path(sys.argv[1]))
