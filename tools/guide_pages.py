"""Runs every code block of the user guide, and keeps the output that the pages show fresh.

    python tools/guide_pages.py [--check] [PAGE ...]

A page's blocks are run in order, in a folder of its own.  A comment in front of a block says what is special about it:

    <!-- file: NAME -->          the block is that file, from here on
    <!-- same as: PATH -->       the block is that file of the checkout
    <!-- folder: PATH -->        go on in a copy of that folder of the checkout (in front of any block)
    <!-- checkout: PATH, ... --> go on in a folder that has these parts of the checkout at their places
    <!-- status: N -->           the last command of the block ends with this status
    <!-- not run: REASON -->     the block is for reading only

A `console` block has commands behind `$ `; where lines of output follow a command, they are what it prints (`...`
stands for any lines; a block of one command always shows them).  `python` is executed, `toml` is read as a machine
file, `c` is compiled, `yaml` is parsed, `text` is for reading.  With --check nothing is written: the status is 1 when a
page is not what would be written.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PAGES = (
    "README.md",
    "docs/guide.md",
    "docs/testing.md",
    "docs/ci.md",
    "docs/how-real.md",
    "docs/coverage.md",
    "docs/faults.md",
    "docs/snapshots.md",
    "docs/machine-file.md",
    "docs/guests.md",
)
START = "guest_images/doorbell_irq"
"""What is in a page's folder at first."""

BLOCK = re.compile(r"((?:<!-- [^\n]* -->\n)*)```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"<!-- (file|same as|folder|checkout|status|not run): (.*?) -->")
READ_ONLY = ("text", "gdb", "dts")
PYTEST = "--no-header -p no:cacheprovider -p no:hypothesispytest -p no:timeout"
NOT_PASSED_ON = ("PYTEST", "CI", "BUILD_NUMBER")
"""Beginnings of names of variables that change what pytest prints."""
TIMEOUT = 100


class PageError(Exception):
    """A block does not do what the page says; the message has its place."""


class Command(NamedTuple):
    """A command of a console block, and the lines that the page shows of its output."""

    line: str
    output: list[str]


def commands(block: str) -> list[Command]:
    """The commands of a console block; a line that ends in a backslash goes on."""
    found: list[Command] = []
    lines = iter(block.splitlines())
    for line in lines:
        if line.startswith("$ "):
            while line.endswith("\\"):
                line += "\n" + next(lines)
            found.append(Command(line[2:], []))
        elif found:
            found[-1].output.append(line)
        else:
            raise PageError(f"a console block must begin with a command; it begins with {line!r}")
    return found


def tidy(text: str, folder: Path) -> list[str]:
    """Output without what differs from run to run and from machine to machine."""
    text = text.replace(f"{folder}/", "").replace(str(folder), ".")
    text = re.sub(r"\bin \d+\.\d+s( \(0:\d\d:\d\d\))?", "in 0.50s", text)
    lines = [line.rstrip() for line in text.splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    return [
        re.sub(r"^=+ (.*) in 0\.50s =+$", lambda match: f" {match[1]} in 0.50s ".center(100, "="), line)
        for line in lines
    ]


def matches(shown: list[str], found: list[str]) -> bool:
    """Whether output is what a page shows; `...` is any number of lines."""
    pattern = "".join(r"(?:.*\n)*?" if line == "..." else re.escape(line) + r"\n" for line in shown)
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in found)) is not None


class Runner:
    """Runs the blocks of one page.

    Arguments:
        page: its text.
        scratch: an empty folder.
    """

    def __init__(self, page: str, scratch: Path) -> None:
        self.page = page
        self.scratch = scratch
        self.folder = scratch / "start"
        shutil.copytree(ROOT / START, self.folder)
        self.python: dict[str, object] = {"__name__": "__page__"}
        bin_folder = Path(sys.executable).parent
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(NOT_PASSED_ON)},
            "PATH": f"{bin_folder}:{os.environ['PATH']}",
            "COLUMNS": "100",
            "NO_COLOR": "1",
            "PYTEST_ADDOPTS": PYTEST,
            "PYTHONPATH": str(ROOT),
        }

    def run(self) -> str:
        """The page as it must be; PageError where a block does not do what it must."""
        return BLOCK.sub(self._block, self.page)

    def _block(self, match: re.Match[str]) -> str:
        line = self.page.count("\n", 0, match.start(2)) + 1
        options = dict(COMMENT.findall(match[1]))
        try:
            body = self._run(match[2], match[3], options)
        except PageError as error:
            raise PageError(f"line {line}: {error}") from None
        except Exception as error:
            raise PageError(f"line {line}: {type(error).__name__}: {error}") from None
        return f"{match[1]}```{match[2]}\n{body}```"

    def _run(self, kind: str, body: str, options: dict[str, str]) -> str:
        if "folder" in options:
            self.folder = self.scratch / Path(options["folder"]).name
            if not self.folder.exists():
                shutil.copytree(ROOT / options["folder"], self.folder)
        if "checkout" in options:
            self.folder = self.scratch / "checkout"
            for name in options["checkout"].split(", "):
                shutil.copytree(ROOT / name, self.folder / name)
        if "same as" in options:
            body = (ROOT / options["same as"]).read_text()
        if "file" in options:
            path = self.folder / options["file"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(body)
        if "not run" in options or kind in READ_ONLY:
            return body
        action = getattr(self, f"_{kind}", None)
        if action is None:
            raise PageError(f"a block must be one of console, python, toml, c, yaml and text; it is {kind}")
        if kind == "console":
            return self._console(body, int(options.get("status", "0")))
        if kind == "python" and "file" in options:
            compile(body, options["file"], "exec")
            return body
        action(body)
        return body

    def _console(self, body: str, status: int) -> str:
        shown = commands(body)
        lines: list[str] = []
        for number, command in enumerate(shown):
            done = subprocess.run(
                ["bash", "-c", command.line], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=TIMEOUT,
            )  # fmt: skip
            expected = status if number == len(shown) - 1 else 0
            if done.returncode != expected:
                raise PageError(f"$ {command.line}: status {done.returncode}\n{done.stdout[-2000:]}")
            lines.append(f"$ {command.line}")
            found = tidy(done.stdout, self.folder)
            if command.output or len(shown) == 1 or (number == len(shown) - 1 and status):
                lines += command.output if matches(command.output, found) else found
        return "".join(f"{line}\n" for line in lines)

    def _python(self, body: str) -> None:
        before = Path.cwd()
        os.chdir(self.folder)
        try:
            exec(compile(body, "page", "exec"), self.python)
        finally:
            os.chdir(before)

    def _toml(self, body: str) -> None:
        """A machine file; a fragment of one is tried at the end of the folder's."""
        from gunyah_emu.machine.config import MachineConfig

        if "[[vm]]" not in body:
            body = (self.folder / "machine.toml").read_text() + body
        path = self.folder / "block.toml"
        path.write_text(body)
        MachineConfig.from_toml(path)
        path.unlink()

    def _c(self, body: str) -> None:
        path = self.folder / "block.c"
        path.write_text(body)
        flags = ["-target", "aarch64-freestanding-none", "-ffreestanding", "-Werror", f"-I{ROOT}/firmware/include"]
        command = [sys.executable, "-m", "ziglang", "cc", *flags, "-c", path.name, "-o", "block.o"]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PageError(done.stderr)

    def _yaml(self, body: str) -> None:
        import yaml

        yaml.safe_load(body)


def fresh(page: Path) -> str:
    """A page as it must be."""
    with tempfile.TemporaryDirectory(prefix="gunyah_emu-page-") as scratch:
        return Runner(page.read_text(), Path(scratch).resolve()).run()


def stale(names: list[str], *, write: bool) -> Iterator[str]:
    """What is wrong with these pages, a line each; with `write` their output is renewed."""
    for name in names:
        path = ROOT / name
        try:
            new = fresh(path)
        except PageError as error:
            yield f"{name}: {error}"
            continue
        if new == path.read_text():
            continue
        if write:
            path.write_text(new)
        else:
            yield f"{name} is stale: run python tools/{Path(__file__).name}"


def main() -> int:
    """Write or check the pages."""
    names = [word for word in sys.argv[1:] if not word.startswith("-")] or list(PAGES)
    wrong = list(stale(names, write="--check" not in sys.argv[1:]))
    print(*wrong, sep="\n", file=sys.stderr, end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
