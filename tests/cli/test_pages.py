"""What the pages for users show is what the commands print.

python tests/cli/test_pages.py          writes what they print now into the pages
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
from pathlib import Path

import pytest

from gunyah_emu.cli import main

ROOT = Path(__file__).parents[2]
PAGES = [page for name in ("why.md", "stepping.md") if (page := ROOT / "docs" / name).exists()]


def printed(command: str) -> list[str]:
    """What a command prints to both streams, standard error last."""
    program, *words = command.removeprefix("$ ").split()
    if program == "cat":
        return Path(words[0]).read_text().splitlines()
    out, error = io.BytesIO(), io.StringIO()
    text = io.TextIOWrapper(out, "utf-8", write_through=True)
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(error):
        main(words)
    return (out.getvalue().decode() + error.getvalue()).splitlines()


def rewritten(page: str) -> str:
    """A page with what the commands of its console blocks print, as of now; to be called in an empty folder."""
    lines: list[str] = []
    in_block = skipping = False
    for line in page.splitlines():
        if line.startswith("```"):
            in_block, skipping = line == "```console", False
        elif in_block and line.startswith(("$ gunyah-emu ", "$ cat ")) and not line.endswith("step machine.toml"):
            lines += [line, *printed(line)]
            skipping = True
            continue
        if not skipping:
            lines.append(line)
    return "\n".join(lines) + "\n"


def in_a_folder(page: Path, folder: Path) -> str:
    """The page, its commands run in a folder that holds the guests."""
    for name in ("guest_images", "docs"):
        (folder / name).symlink_to(ROOT / name)
    before = Path.cwd()
    os.chdir(folder)
    try:
        return rewritten(page.read_text())
    finally:
        os.chdir(before)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_shows_what_its_commands_print(page: Path, tmp_path: Path) -> None:
    assert in_a_folder(page, tmp_path) == page.read_text(), "run `make docs`"


if __name__ == "__main__":
    for page in PAGES:
        with tempfile.TemporaryDirectory() as folder:
            page.write_text(in_a_folder(page, Path(folder)))
            sys.stdout.write(f"{page}\n")
