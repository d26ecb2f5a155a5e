"""What is installed for GDB itself, and the command line that makes it use that."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Final

FOLDER: Final = Path(__file__).resolve().parent / "client"
"""A script for GDB, and the folder `syscalls` with the names of calls."""


def command_line(host: str, port: int) -> str:
    """How to start GDB and connect it."""
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return f"gdb-multiarch -x {quote(str(FOLDER / 'gunyah-gdb.py'))} -ex 'gunyah {where}'"
