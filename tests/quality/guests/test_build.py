"""The checked-in guests are what their sources make, wherever and whenever they are built."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def check(root: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "tools/build_guests.py", "--check"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def copy_of_the_sources(folder: Path, *guests: str) -> Path:
    """A checkout of its own with these guests, or all."""
    shutil.copytree(ROOT / "firmware", folder / "firmware")
    for source in (ROOT / "guest_images").iterdir():
        if source.name in guests or not guests:
            shutil.copytree(source, folder / "guest_images" / source.name)
    if not guests:
        shutil.copytree(ROOT / "docs/examples", folder / "docs/examples")
    (folder / "tools").mkdir()
    shutil.copy(ROOT / "tools/build_guests.py", folder / "tools")
    return folder


def test_a_rebuild_in_another_directory_gives_the_checked_in_bytes(tmp_path: Path):
    result = check(copy_of_the_sources(tmp_path / "some where else"))
    assert (result.returncode, result.stderr) == (0, "")


def test_the_check_sees_what_is_stale_missing_and_left_over(tmp_path: Path):
    root = copy_of_the_sources(tmp_path, "hello", "timer")
    images = root / "guest_images"
    source = images / "hello/main.c"
    source.write_text(source.read_text().replace("Hello", "Goodbye"))
    (images / "timer/timer.elf").rename(images / "timer/old.elf")
    result = check(root)
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        "guest_images/hello/hello.elf must be what its source makes, its bytes differ",
        "guest_images/timer/old.elf must be made by a source, there is none",
        "guest_images/timer/timer.elf must be checked in, it is missing",
        "run python tools/build_guests.py",
    ]


def test_a_mistake_in_a_guest_is_told_in_the_compilers_words(tmp_path: Path):
    root = copy_of_the_sources(tmp_path, "hello")
    (root / "guest_images/hello/main.c").write_text("int main(void) { return nothing; }\n")
    result = check(root)
    assert result.returncode == 1
    assert "guest_images/hello/main.c:1:25: error: use of undeclared identifier 'nothing'" in result.stderr


def test_the_images_tell_no_path_of_the_machine_that_built_them():
    for elf in (*ROOT.glob("guest_images/*/*.elf"), *ROOT.glob("docs/examples/*/*.elf")):
        image = elf.read_bytes()
        for path in (str(ROOT), "/tmp/", "/home/", "/root/", "site-packages"):
            assert path.encode() not in image, f"{elf} holds {path}"
