"""Every kind of image starts where it should, finds its device tree at x0, prints and powers off."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path
from struct import pack

import pytest
from keystone import KS_ARCH_ARM64, KS_MODE_LITTLE_ENDIAN, Ks

ROOT = Path(__file__).parents[2]
BASE = 0x4010_0000
VIRTUAL_BASE = 0xFFFF_0000_4010_0000
R_AARCH64_RELATIVE = 1027

# Loops for ever unless x0 is the address of a device tree.
PRINT_AND_POWER_OFF = """
    ldr w4, [x0]
    movz w5, #0x0dd0
    movk w5, #0xedfe, lsl #16
wrong:
    cmp w4, w5
    b.ne wrong
next:
    ldrb w2, [x1]
    add x1, x1, #1
    cbz w2, done
    movz x3, #0x0900, lsl #16
    str w2, [x3]
    b next
done:
    movz w0, #0x0008
    movk w0, #0x8400, lsl #16
    hvc #0
"""


def assemble(source: str) -> bytes:
    encoded, _ = Ks(KS_ARCH_ARM64, KS_MODE_LITTLE_ENDIAN).asm(source, as_bytes=True)
    assert isinstance(encoded, bytes)
    return encoded


def program(text: bytes) -> bytes:
    """Code that runs anywhere, with its text behind it."""
    code = assemble(f"adr x1, #{len(assemble('adr x1, #0' + PRINT_AND_POWER_OFF))}" + PRINT_AND_POWER_OFF)
    return code + text + b"\0"


def elf(type_: int, vaddr: int, paddr: int, contents: bytes, *, dynamic: tuple[int, int] | None = None) -> bytes:
    """An ELF with one segment of everything from file offset 0x1000 on."""
    headers = [pack("<IIQQQQQQ", 1, 7, 0x1000, vaddr, paddr, len(contents), len(contents) + 64, 4096)]
    if dynamic is not None:
        at, size = dynamic
        headers.append(pack("<IIQQQQQQ", 2, 6, 0x1000 + at, vaddr + at, paddr + at, size, size, 8))
    header = b"\x7fELF\2\1\1" + bytes(9)
    header += pack("<HHIQQQIHHHHHH", type_, 183, 1, vaddr, 64, 0, 0, 64, 56, len(headers), 64, 0, 0)
    return (header + b"".join(headers)).ljust(0x1000, b"\0") + contents


def static_pie(text: bytes) -> bytes:
    """A program whose only way to its text is a pointer that must be relocated."""
    start = "adr x1, #{}\nldr x1, [x1]\n"
    pointer = (len(assemble(start.format(0) + PRINT_AND_POWER_OFF)) + 7) & -8
    code = assemble(start.format(pointer) + PRINT_AND_POWER_OFF).ljust(pointer, b"\0")
    relocations = pointer + 8
    dynamic = relocations + 24
    text_at = dynamic + 48
    contents = code + bytes(8)
    contents += pack("<QQq", pointer, R_AARCH64_RELATIVE, text_at)
    contents += pack("<qQqQqQ", 7, relocations, 8, 24, 0, 0)
    return elf(3, 0, 0, contents + text + b"\0", dynamic=(dynamic, 48))


def linux_image(text: bytes) -> bytes:
    """A kernel, as far as its header says: it branches over the header."""
    code = program(text)
    return pack("<IIQQQQQQ4sI", 0x1400_0010, 0, 0, 0x1_0000, 0xA, 0, 0, 0, b"ARM\x64", 0) + code


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "gunyah_emu", "run", "--max-instructions", "100k", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "image",
    [
        elf(2, BASE, BASE, program(b"static\n")),
        elf(2, VIRTUAL_BASE, BASE, program(b"static\n")),
        elf(2, 0x8000_0000, 0x8000_0000, program(b"static\n")),
        static_pie(b"static\n"),
        linux_image(b"static\n"),
        gzip.compress(linux_image(b"static\n"), mtime=0),
    ],
    ids=["static", "virtual addresses", "far away", "static-PIE", "Linux Image", "gzipped Linux Image"],
)
def test_an_image_runs(tmp_path: Path, image: bytes) -> None:
    (tmp_path / "image").write_bytes(image)
    assert run(tmp_path, "image") == (0, "static\n", "")


@pytest.mark.parametrize("where", ["", "load_address = 0x4001_2340"])
def test_a_raw_binary_runs_where_it_is_put(tmp_path: Path, where: str) -> None:
    (tmp_path / "code.bin").write_bytes(program(b"raw\n"))
    (tmp_path / "m.toml").write_text(f'[[vm]]\nname = "raw"\nimage = "code.bin"\nimage_type = "raw"\n{where}\n')
    assert run(tmp_path, "m.toml") == (0, "raw\n", "")


def test_a_second_image_is_in_memory_before_the_first_starts(tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(b"from the second image\n\0")
    far = f"movz x1, #0x4020, lsl #16\n{PRINT_AND_POWER_OFF}"
    (tmp_path / "first.elf").write_bytes(elf(2, BASE, BASE, assemble(far)))
    (tmp_path / "m.toml").write_text(
        '[[vm]]\nname = "a"\nimage = "first.elf"\n'
        'extra_images = [{ file = "data.bin", type = "raw", load_address = 0x4020_0000 }]\n'
    )
    assert run(tmp_path, "m.toml") == (0, "from the second image\n", "")
