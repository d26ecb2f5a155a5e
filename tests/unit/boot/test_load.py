"""A file is loaded as what it is, and a file given by mistake is not run."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from struct import pack

import pytest

from gunyah_emu.boot.linux_image import read_linux_image
from gunyah_emu.boot.load import load_image
from gunyah_emu.errors import UserError

ROOT = Path(__file__).parents[3]
HELLO = ROOT / "guest_images/hello/hello.elf"


def linux(
    *, text_offset: int = 0, size: int = 0x20_0000, flags: int = 0xA, magic: bytes = b"ARM\x64", data: bytes = b""
) -> bytes:
    """A kernel's header, as arch/arm64 writes it, and some code."""
    return pack("<IIQQQQQQ4sI", 0xD503201F, 0x14000000, text_offset, size, flags, 0, 0, 0, magic, 0) + data


def efi_zboot(payload: bytes, compression: bytes = b"gzip") -> bytes:
    """A kernel as distributions ship it: compressed, in a wrapper that EFI firmware runs."""
    return pack("<4s4sIIII32sI4x", b"MZ\0\0", b"zimg", 64, len(payload), 0, 0, compression, 0x818223CD) + payload


def refusal(path: Path, kind: str = "auto", load_address: int | None = None) -> str:
    with pytest.raises(UserError) as caught:
        load_image(str(path), kind, load_address)
    assert caught.value.path == str(path)
    return caught.value.message


def test_an_elf_is_told_by_its_first_bytes() -> None:
    assert load_image(str(HELLO)).kind == "elf"


def gzip_in_efi(data: bytes) -> bytes:
    return efi_zboot(gzip.compress(data))


@pytest.mark.parametrize("pack_it", [bytes, gzip.compress, gzip_in_efi])
def test_a_kernel_is_told_by_its_first_bytes_compressed_or_not(
    tmp_path: Path, pack_it: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "Image"
    path.write_bytes(pack_it(linux(text_offset=0x1000, data=b"kernel")))
    image = load_image(str(path))
    assert (image.kind, image.entry, image.is_position_independent) == ("linux", 0x1000, True)
    assert bytes(image.segments[0].data[64:]) == b"kernel"
    assert image.segments[0].memory_size == 0x20_0000


def test_a_kernel_that_does_not_state_its_size_is_of_the_time_of_a_fixed_offset() -> None:
    image = read_linux_image(linux(size=0, text_offset=77), "Image")
    assert image.entry == 0x8_0000
    assert image.segments[0].memory_size == 64


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"#!/bin/sh\n", "it begins with 23 21 2f 62"),
        (b"", "it is empty"),
    ],
)
def test_a_file_of_an_unknown_kind_is_refused_and_not_run_as_code(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "script.sh"
    path.write_bytes(data)
    assert refusal(path) == (
        f"must be an ELF (7f 45 4c 46) or a Linux Image; {message} "
        "(a raw binary needs --image-type raw, or image_type = 'raw' in a machine file)"
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"short", "must have a Linux Image header of 64 bytes; it has 5"),
        (linux(magic=b"MZ\0\0"), "must be a Linux Image (41 52 4d 64 at offset 0x38); it has 4d 5a 00 00"),
        (linux(flags=0xB), "must be a little-endian kernel; its header says big-endian"),
        (efi_zboot(b"", b"zstd22"), "a kernel in an EFI wrapper must be compressed by gzip; it is by zstd22"),
        (efi_zboot(b"abc")[:-1], "must hold the kernel up to 0x43; the file ends at 0x42"),
        (linux(size=65, data=b"ab"), "must fit into the 0x41 bytes that its header asks for; it has 0x42"),
        (
            linux(text_offset=0x20_0000),
            "must start below 2 MiB and need at most 2 GiB; its header says 0x200000 and 0x200000",
        ),
        (linux(size=1 << 40), "must start below 2 MiB and need at most 2 GiB; its header says 0x0 and 0x10000000000"),
        (gzip.compress(bytes(100), mtime=0)[:-9], "must be sound gzip data; it is truncated"),
        (
            b"\x1f\x8b\x08" + bytes(7) + b"\xff\xff\xff",
            "must be sound gzip data; Error -3 while decompressing data: invalid block type",
        ),
        (gzip.compress(b"short", mtime=0), "must have a Linux Image header of 64 bytes; it has 5"),
    ],
)
def test_a_kernel_that_cannot_boot_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "Image"
    path.write_bytes(data)
    assert refusal(path, "linux") == message


def test_a_raw_binary_must_be_asked_for_and_goes_where_it_should(tmp_path: Path) -> None:
    path = tmp_path / "code.bin"
    path.write_bytes(b"\x1f\x20\x03\xd5" * 3)
    image = load_image(str(path), "raw", 0x4008_0004)
    assert (image.entry, image.start, image.end) == (0x4008_0004, 0x4008_0004, 0x4008_0010)
    assert not image.is_position_independent
    assert load_image(str(path), "raw").is_position_independent


def test_an_empty_binary_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.bin"
    path.write_bytes(b"")
    assert refusal(path, "raw") == "must hold at least one byte; it is empty"


def test_an_address_for_an_image_that_has_its_own_is_refused(tmp_path: Path) -> None:
    kernel = tmp_path / "Image"
    kernel.write_bytes(linux())
    for path in (HELLO, kernel):
        assert refusal(path, load_address=0x4020_0000) == (
            "load_address must be left out for an image that says where it goes; it is 0x40200000"
        )
