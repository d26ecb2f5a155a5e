"""Records the GDB sessions of docs/debugging.md: what stock gdb-multiarch prints for the commands in it.

    python tools/debugging_page.py [--check]

A block of the page that is marked `gdb` begins with a `gunyah-emu debug` command and holds GDB's prompts; what stands
behind a prompt is replaced by what GDB answers now.  With --check nothing is written: the status is 1 when the page is
not what would be written.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from gunyah_emu.debug.gdb.client_files import FOLDER

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/debugging.md"
RECORDED_WITH = "13."
"""The versions of GDB whose words the page shows."""

PROMPT = "(gdb) "
TIMEOUT = 100


def gdb_version() -> str | None:
    """The version of the installed gdb-multiarch; None when there is none."""
    program = shutil.which("gdb-multiarch")
    if program is None:
        return None
    first = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    return first.rpartition(" ")[2]


def record(arguments: list[str], commands: list[str]) -> str:
    """What a person sees who types these commands at GDB, connected to a machine."""
    server = subprocess.Popen(
        [sys.executable, "-m", "gunyah_emu", "debug", *arguments],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert server.stderr is not None
        found = re.search(r"'gunyah (\S+)'", line := server.stderr.readline())
        assert found is not None, line + server.stderr.read()
        words = ["gdb-multiarch", "-nx", "-batch", "-x", str(FOLDER / "gunyah-gdb.py"), "-ex", f"gunyah {found[1]}"]
        for command in commands:
            shown = command.replace("\\", "\\\\")
            words += ["-ex", f"echo {PROMPT}{shown}\\n", "-ex", command]
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=TIMEOUT, start_new_session=True, check=False,
        )  # fmt: skip
        return _tidy(done.stdout, found[1])
    finally:
        server.kill()
        server.communicate()


def _tidy(output: str, address: str) -> str:
    """Without what differs from host to host, and what GDB says when its script ends."""
    output = output.replace(f"{ROOT}/", "").replace(address, "127.0.0.1:1234")
    kept = [line.rstrip() for line in output.expandtabs(8).splitlines()]
    while kept and re.fullmatch(r"\[Inferior \d+ \(process \d+\) detached\]|", kept[-1]):
        kept.pop()
    return "\n".join(kept)


def blocks(page: str) -> Iterator[str]:
    """The page's lines, its sessions recorded anew."""
    lines = iter(page.splitlines())
    for line in lines:
        yield line
        if line != "```gdb":
            continue
        start = next(lines)
        commands = []
        for inside in lines:
            if inside == "```":
                break
            if inside.startswith(PROMPT):
                commands.append(inside.removeprefix(PROMPT))
        yield start
        arguments = start.removeprefix("$ gunyah-emu debug ").partition("  #")[0].split()
        yield record(arguments, commands)
        yield "```"


def main() -> int:
    """Write the page, or compare it."""
    before = PAGE.read_text(encoding="utf-8")
    after = "\n".join(blocks(before)) + "\n"
    if "--check" in sys.argv[1:]:
        return int(before != after)
    PAGE.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
