"""tools/fetch_guests.py: what it builds is the same every time, what is damaged is fetched again, failures say why."""

from __future__ import annotations

import gzip
import importlib.util
import json
import struct
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools/fetch_guests.py"
_spec = importlib.util.spec_from_file_location("fetch_guests", TOOL)
assert _spec is not None
assert _spec.loader is not None
fetch_guests = importlib.util.module_from_spec(_spec)
sys.modules["fetch_guests"] = fetch_guests
_spec.loader.exec_module(fetch_guests)

IMAGE = bytes(56) + b"ARM\x64" + bytes(100)


def entries(archive: bytes) -> dict[str, tuple[int, bytes]]:
    """Mode and contents by name, as the kernel reads a cpio archive."""
    found, at = {}, 0
    while True:
        assert archive[at : at + 6] == b"070701"
        fields = [int(archive[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        name_end = at + 110 + fields[11]
        name = archive[at + 110 : name_end - 1].decode()
        start = -(-name_end // 4) * 4
        if name == "TRAILER!!!":
            return found
        found[name] = fields[1], archive[start : start + fields[6]]
        at = -(-(start + fields[6]) // 4) * 4


def test_the_initramfs_holds_what_the_kernel_looks_for_and_is_the_same_every_time() -> None:
    busybox = b"\x7fELF" + bytes(1001)
    archive = fetch_guests.initramfs(busybox)
    assert archive == fetch_guests.initramfs(busybox)
    found = entries(archive)
    assert found["bin/busybox"] == (0o100755, busybox)
    assert found["init"][0] == 0o100755
    assert found["init"][1].startswith(b"#!/bin/busybox sh\n")
    assert found["dev/console"][0] == 0o020600
    assert found["proc"][0] == found["sys"][0] == 0o040755


def zboot(payload: bytes, compression: bytes) -> bytes:
    header = struct.pack("<4s4sII8x32s", b"MZ\0\0", b"zimg", 64, len(payload), compression)
    return header.ljust(64, b"\0") + payload


PACKED = gzip.compress(IMAGE, mtime=0)


@pytest.mark.parametrize("kernel", [IMAGE, PACKED, zboot(PACKED, b"gzip")], ids=["Image", "Image.gz", "vmlinuz"])
def test_a_kernel_is_found_however_debian_packs_it(kernel: bytes) -> None:
    assert fetch_guests.decompressed(kernel) == IMAGE


def test_what_is_no_kernel_is_refused() -> None:
    with pytest.raises(fetch_guests.FetchError, match="must be an arm64 Image; it begins 7f454c46"):
        fetch_guests.decompressed(b"\x7fELF" + bytes(200))
    with pytest.raises(fetch_guests.FetchError, match=r"must be compressed with gzip, xz, or zstd .* it is with lz4"):
        fetch_guests.decompressed(zboot(b"", b"lz4"))


def test_a_folder_is_whole_only_while_every_file_is_as_it_was_written(tmp_path: Path) -> None:
    assert not fetch_guests.is_whole(tmp_path)
    fetch_guests.replace(tmp_path / "Image", IMAGE)
    facts = {"sha256": fetch_guests.sha256(tmp_path / "Image")}
    fetch_guests.replace(tmp_path / "guests.json", json.dumps({"files": {"Image": facts}}).encode())
    assert fetch_guests.is_whole(tmp_path)
    (tmp_path / "Image").write_bytes(IMAGE[:-1])
    assert not fetch_guests.is_whole(tmp_path)
    (tmp_path / "guests.json").write_text("{}")
    assert not fetch_guests.is_whole(tmp_path)


def test_an_archive_out_of_reach_is_said_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    programs, output = tmp_path / "bin", tmp_path / "output"
    programs.mkdir()
    (programs / "apt-get").write_text("#!/bin/sh\necho 'E: Failed to fetch InRelease' >&2\nexit 100\n")
    (programs / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setattr(fetch_guests, "KEYRING", TOOL)
    assert fetch_guests.main(["--output", str(output)]) == 1
    said = capsys.readouterr().err
    assert said.endswith(
        "fetch_guests: apt-get failed; are Debian's mirrors within reach?\n  E: Failed to fetch InRelease\n"
    )
    assert [path.name for path in output.iterdir()] == [".lock"]


def test_a_missing_keyring_is_said_with_its_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_guests, "KEYRING", tmp_path / "absent.gpg")
    with pytest.raises(fetch_guests.FetchError, match="apt-get install debian-archive-keyring"):
        fetch_guests.fetch(tmp_path / "output")
