"""The firmware's device tree reader, compiled for this machine: libfdt agrees with it, and no broken tree misleads it.

The broken trees are read in a process of their own with an unmapped page behind each blob: a read past the end ends it.
"""

from __future__ import annotations

import ctypes
import mmap
import random
import subprocess
import sys
from pathlib import Path

import libfdt
import pytest

ROOT = Path(__file__).parents[3]
SOURCES = ("firmware/src/fdt.c", "firmware/src/string.c")
BROKEN_TREES = 3000
TOTAL_SIZE = range(4, 8)  # bytes of the header; the reader has to believe those

NODES = {
    "/chosen": {"bootargs": b"rounds=5\0"},
    "/empty": {},
    "/hypervisor": {"compatible": b"gunyah-hypervisor\0simple-bus\0"},
    "/hypervisor/doorbell@1": {
        "compatible": b"bell\0capability\0",
        "reg": b"\0\0\0\x05\0\0\0\x06",
        "odd": b"\x01\x02\x03",
    },
    "/hypervisor/doorbell@2": {"compatible": b"bell\0capability\0", "reg": b"\0\0\0\x07\0\0\0\x08"},
    "/hypervisor/doorbell@2/inner": {"compatible": b"bellows\0"},
    "/memory@40000000": {"device_type": b"memory\0"},
}


class Fdt(ctypes.Structure):
    """struct fdt of fdt.h."""

    _fields_ = (
        ("structure", ctypes.c_void_p),
        ("structure_size", ctypes.c_uint32),
        ("strings", ctypes.c_void_p),
        ("strings_size", ctypes.c_uint32),
    )


class Property(ctypes.Structure):
    """struct fdt_property of fdt.h."""

    _fields_ = (("value", ctypes.c_void_p), ("size", ctypes.c_uint32))


class Reader:
    """fdt.h, for a blob whose last byte is the last before an unmapped page."""

    def __init__(self, library: Path, blob: bytes) -> None:
        self.library = ctypes.CDLL(str(library))
        self.library.fdt_cell_pair.restype = ctypes.c_uint64
        self.library.fdt_open.restype = ctypes.c_bool
        self.library.fdt_get.restype = ctypes.c_bool
        pages = -(-len(blob) // mmap.PAGESIZE)
        self.memory = mmap.mmap(-1, (pages + 1) * mmap.PAGESIZE)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        at = pages * mmap.PAGESIZE - len(blob)
        self.memory[at : at + len(blob)] = blob
        libc = ctypes.CDLL(None)
        assert libc.mprotect(ctypes.c_void_p(start + pages * mmap.PAGESIZE), mmap.PAGESIZE, 0) == 0
        self.tree = Fdt()
        self.opened = bool(self.library.fdt_open(ctypes.byref(self.tree), ctypes.c_void_p(start + at)))

    def find(self, previous: int, name: str, value: str) -> int:
        return int(self.library.fdt_find(ctypes.byref(self.tree), previous, name.encode(), value.encode()))

    def find_top(self, name: str) -> int:
        return int(self.library.fdt_find_top(ctypes.byref(self.tree), name.encode()))

    def get(self, node: int, name: str) -> bytes | None:
        found = Property()
        if not self.library.fdt_get(ctypes.byref(self.tree), node, name.encode(), ctypes.byref(found)):
            return None
        self.library.fdt_cell_pair(ctypes.byref(found), 0)
        return ctypes.string_at(found.value, found.size)


def blob() -> bytes:
    """The tree of NODES, padded to 8 bytes so that it ends at a page and begins aligned."""
    tree = libfdt.Fdt.create_empty_tree(4096)
    for path, properties in NODES.items():
        parent, _, name = path.rpartition("/")
        node = tree.add_subnode(tree.path_offset(parent or "/"), name)
        for key, value in properties.items():
            tree.setprop(node, key, value)
    tree.pack()
    data = bytearray(tree.as_bytearray())
    data += bytes(-len(data) % 8)
    data[TOTAL_SIZE.start : TOTAL_SIZE.stop] = len(data).to_bytes(4, "big")
    return bytes(data)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reader")
    command = [sys.executable, "-m", "ziglang", "cc", "-shared", "-fPIC", "-O1", "-g0", "-nostdlib", "-fno-builtin"]
    environment = {"ZIG_GLOBAL_CACHE_DIR": str(folder / "zig"), "ZIG_LOCAL_CACHE_DIR": str(folder / "zig")}
    target = folder / "reader.so"
    includes = ("-Ifirmware/include", "-fno-sanitize=all")
    subprocess.run([*command, *includes, *SOURCES, "-o", str(target)], cwd=ROOT, env=environment, check=True)
    return target


def test_properties_are_read_as_libfdt_reads_them(library: Path):
    data = blob()
    reader, tree = Reader(library, data), libfdt.FdtRo(data)
    assert reader.opened
    names = {name for properties in NODES.values() for name in properties} | {"absent"}
    structure = tree.off_dt_struct()
    assert structure
    for path in ("/", *NODES):
        node = tree.path_offset(path)
        for name in names:
            expected = tree.getprop(node, name, (libfdt.FDT_ERR_NOTFOUND,))
            assert reader.get(node, name) == (None if isinstance(expected, int) else bytes(expected)), (path, name)


def test_nodes_are_found_by_string_and_by_name(library: Path):
    data = blob()
    reader, tree = Reader(library, data), libfdt.FdtRo(data)
    first = reader.find(-1, "compatible", "bell")
    second = reader.find(first, "compatible", "bell")
    assert first == tree.path_offset("/hypervisor/doorbell@1") or second == tree.path_offset("/hypervisor/doorbell@1")
    assert {first, second} == {tree.path_offset("/hypervisor/doorbell@1"), tree.path_offset("/hypervisor/doorbell@2")}
    assert reader.find(second, "compatible", "bell") == -1
    assert reader.find(-1, "compatible", "bel") == -1
    assert reader.find(-1, "device_type", "memory") == tree.path_offset("/memory@40000000")
    assert reader.find_top("chosen") == tree.path_offset("/chosen")
    assert reader.find_top("doorbell@1") == -1, "it is not right under the root"


def test_no_broken_tree_makes_it_read_outside_or_loop(library: Path):
    command = [sys.executable, __file__, str(library)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stderr) == (0, ""), "a crash is a read outside of the blob"


def read_broken_trees(library: Path) -> None:
    """Break the tree in a few random places, each time others, and ask it everything."""
    good = blob()
    places = [place for place in range(len(good)) if place not in TOTAL_SIZE]
    dice = random.Random(0)
    for _ in range(BROKEN_TREES):
        broken = bytearray(good)
        for place in dice.sample(places, dice.choice((1, 1, 2, 5))):
            broken[place] = dice.choice((0, 1, 2, 3, 9, 0x7F, 0x80, 0xFF, dice.randrange(256)))
        reader = Reader(library, bytes(broken))
        node = -1
        while (following := reader.find(node, "compatible", "bell")) != -1:
            assert following > node
            node = following
            reader.get(node, "reg")
        reader.get(reader.find_top("chosen"), "bootargs")


if __name__ == "__main__":
    read_broken_trees(Path(sys.argv[1]))
