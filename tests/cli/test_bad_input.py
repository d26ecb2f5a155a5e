"""A user's mistake, through the command line: one message that says where and what, status 2, and no traceback.

Images are made from the project's own guest by changing what is wrong with them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GOOD_ELF = (ROOT / "guest_images/hello/hello.elf").read_bytes()
PROGRAM_HEADERS = int.from_bytes(GOOD_ELF[32:40], "little")
PADDR, MEMSZ = PROGRAM_HEADERS + 24, PROGRAM_HEADERS + 40  # of the first segment

GOOD_TOML = """\
[[vm]]
name = "sender"
image = "good.elf"
memory = { size = "4MiB" }

[[vm]]
name = "receiver"
image = "good.elf"

[[doorbell]]
label = 1
senders = ["sender"]
receiver = "receiver"
virq = { spi = 8, trigger = "edge" }
"""


def with_bytes(offset: int, replacement: bytes) -> bytes:
    """The good ELF with other bytes at an offset."""
    return GOOD_ELF[:offset] + replacement + GOOD_ELF[offset + len(replacement) :]


def refusal(folder: Path, *arguments: str) -> str:
    """What `gunyah-emu run` says on standard error before it ends with status 2, having run nothing."""
    run = subprocess.run(
        [sys.executable, "-m", "gunyah_emu", "run", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert "Traceback" not in run.stderr
    assert run.stderr.count("\n") == 1
    return run.stderr.removeprefix("gunyah-emu: ").removesuffix("\n")


# images


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            b"#!/bin/sh\n",
            "must be an ELF (7f 45 4c 46) or a Linux Image; it begins with 23 21 2f 62 "
            "(a raw binary needs --image-type raw, or image_type = 'raw' in a machine file)",
        ),
        (GOOD_ELF[:40], "must have an ELF header of 64 bytes; the file ends at 40"),
        (
            GOOD_ELF[: PROGRAM_HEADERS + 8],
            f"must hold its program headers, file offsets {PROGRAM_HEADERS:#x}.."
            f"{PROGRAM_HEADERS + 56 * GOOD_ELF[56] - 1:#x}; the file ends at {PROGRAM_HEADERS + 8:#x}",
        ),
        (with_bytes(4, b"\1"), "must be 64-bit (ELFCLASS64); it is 32-bit (ELFCLASS32)"),
        (with_bytes(5, b"\2"), "must be little-endian (ELFDATA2LSB); it is big-endian (ELFDATA2MSB)"),
        (with_bytes(18, b"\x3e\0"), "must be for AArch64 (EM_AARCH64, 183); it is for x86-64 (EM_X86_64, 62)"),
        (
            with_bytes(16, b"\1\0"),
            "must be an executable (ET_EXEC, or ET_DYN for a static-PIE); it is a relocatable object (ET_REL)",
        ),
        (with_bytes(PROGRAM_HEADERS, b"\3"), "must be statically linked; it needs the interpreter "),
        (with_bytes(24, bytes(8)), "the entry point must lie in a loadable segment; it is 0x0"),
        (
            with_bytes(PADDR, (0x0900_0000).to_bytes(8, "little")),
            "must not lie where the devices are, 0x8000000..0xaffffff; it is at ",
        ),
    ],
    ids=[
        "not an ELF",
        "truncated header",
        "truncated program headers",
        "wrong class",
        "wrong byte order",
        "wrong machine",
        "not linked",
        "dynamic",
        "entry point nowhere",
        "on the devices",
    ],
)
def test_an_image_that_cannot_run(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "bad.elf").write_bytes(data)
    text = refusal(tmp_path, "bad.elf")
    # Some messages end with what the changed file happens to hold there.
    assert text == f"bad.elf: {message}" or (message.endswith(" ") and text.startswith(f"bad.elf: {message}"))


def test_an_image_cut_short(tmp_path: Path) -> None:
    offset = int.from_bytes(GOOD_ELF[PROGRAM_HEADERS + 8 : PROGRAM_HEADERS + 16], "little")
    size = int.from_bytes(GOOD_ELF[PROGRAM_HEADERS + 32 : PROGRAM_HEADERS + 40], "little")
    address = int.from_bytes(GOOD_ELF[PADDR : PADDR + 8], "little")
    (tmp_path / "bad.elf").write_bytes(GOOD_ELF[: offset + size - 1])
    assert refusal(tmp_path, "bad.elf") == (
        f"bad.elf: must hold the segment at {address:#x}, file offsets {offset:#x}..{offset + size - 1:#x}; "
        f"the file ends at {offset + size - 1:#x}"
    )


def test_a_missing_image(tmp_path: Path) -> None:
    assert refusal(tmp_path, "nil.elf") == "nil.elf: must be a file that can be read; it does not exist"


def test_a_directory(tmp_path: Path) -> None:
    (tmp_path / "folder.elf").mkdir()
    assert refusal(tmp_path, "folder.elf") == "folder.elf: must be a file; it is a directory"


# machine files


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        (
            "vm]]\nname",
            "vm]\nname",
            "1:5: a machine file must be TOML; expected ']]' at the end of an array declaration",
        ),
        (
            'image = "good.elf"',
            'image = "nil.elf"',
            "3:9: image must be a file that can be read; nil.elf does not exist",
        ),
        ("image =", "imaeg =", "3:1: [[vm]] must have known keys only; it has 'imaeg' (did you mean 'image'?)"),
        ("spi = 8", 'spi = "8"', "14:16: virq.spi must be an integer of 0..987; it is '8'"),
        (
            '["sender"]',
            '["sendr"]',
            "12:12: senders[0] must be the name of a VM; there is no 'sendr' (did you mean 'sender'?)",
        ),
        ("spi = 8", "spi = 988", "14:16: virq.spi must be an integer of 0..987; it is 988"),
        ("spi = 8", "spi = 1", "14:16: spi must be free in VM 'receiver'; 1 is taken by the UART"),
        (
            "[[doorbell]]\n",
            '[[doorbell]]\nlabel = 2\nsenders = ["sender"]\nreceiver = "receiver"\nvirq = { spi = 8 }\n[[doorbell]]\n',
            "19:16: spi must be free in VM 'receiver'; 8 is taken by doorbell 2",
        ),
        (
            "[[doorbell]]\n",
            '[[doorbell]]\nlabel = 1\nsenders = ["sender"]\nreceiver = "receiver"\n[[doorbell]]\n',
            "15:9: labels of doorbells must be unique; 1 is that of number 1",
        ),
        ('name = "receiver"', 'name = "sender"', "7:8: every VM must have a name of its own; two are called 'sender'"),
    ],
    ids=[
        "syntax",
        "missing image",
        "unknown key",
        "wrong type",
        "unknown VM",
        "SPI out of range",
        "SPI of a device",
        "SPI taken",
        "label taken",
        "name taken",
    ],
)
def test_a_mistake_in_a_machine_file(tmp_path: Path, good: str, bad: str, message: str) -> None:
    assert good in GOOD_TOML
    (tmp_path / "good.elf").write_bytes(GOOD_ELF)
    (tmp_path / "m.toml").write_text(GOOD_TOML.replace(good, bad, 1))
    assert refusal(tmp_path, "m.toml") == f"m.toml:{message}"


def test_a_segment_outside_the_memory_of_its_vm(tmp_path: Path) -> None:
    (tmp_path / "far.elf").write_bytes(GOOD_ELF)
    (tmp_path / "m.toml").write_text('[[vm]]\nname = "a"\nimage = "far.elf"\nmemory = { base = 0x5000_0000 }\n')
    address = int.from_bytes(GOOD_ELF[PADDR : PADDR + 8], "little")
    size = int.from_bytes(GOOD_ELF[MEMSZ : MEMSZ + 8], "little")
    assert refusal(tmp_path, "m.toml") == (
        "far.elf: segments must lie inside the memory of VM 'a', 0x50000000..0x57ffffff; "
        f"there is one at {address:#x}..{address + size - 1:#x}"
    )


def test_two_images_of_one_vm_in_the_same_place(tmp_path: Path) -> None:
    for name in ("one.elf", "two.elf"):
        (tmp_path / name).write_bytes(GOOD_ELF)
    (tmp_path / "m.toml").write_text('[[vm]]\nname = "a"\nimage = "one.elf"\nextra_images = [{ file = "two.elf" }]\n')
    address = int.from_bytes(GOOD_ELF[PADDR : PADDR + 8], "little")
    size = int.from_bytes(GOOD_ELF[MEMSZ : MEMSZ + 8], "little")
    where = f"{address:#x}..{address + size - 1:#x}"
    assert refusal(tmp_path, "m.toml") == (
        f"two.elf: images of one VM must not overlap; {where} overlaps {where} of one.elf"
    )


def test_a_missing_machine_file(tmp_path: Path) -> None:
    assert refusal(tmp_path, "nil.toml") == "nil.toml: must be a file that can be read; it does not exist"
