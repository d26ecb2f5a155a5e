"""Golden files on disk: never half-written, whoever is killed and however full the disk is.

A new one is written beside the old one, under a name with this process's number, brought to the disk, and renamed.
What a killed process left there is swept away by the next one that writes the same file, which says so.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from gunyah_emu.errors import UserError
from gunyah_emu.testing.golden import GoldenTrace, read


def load(path: Path) -> GoldenTrace | None:
    """The golden trace of a file; None where there is none.  UserError: it cannot be read, or is none."""
    try:
        return read(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise UserError("a golden trace must be UTF-8; it is not", path=path) from None
    except OSError as error:
        raise UserError(f"the golden trace cannot be read: {error.strerror}", path=path) from None


def store(path: Path, golden: GoldenTrace) -> list[str]:
    """Write it whole, or leave what was there.

    Returns: what a person should know of earlier writers, a sentence each.

    Errors: UserError when the host has no room or gives no right; the old file is as it was.
    """
    told = _sweep(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("w", encoding="utf-8") as file:
                file.write(golden.text())
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except BaseException:  # Ctrl-C too
            partial.unlink(missing_ok=True)
            raise
    except OSError as error:
        kept = "the old one is unchanged" if path.exists() else "there is none now"
        raise UserError(f"the golden trace cannot be written: {error.strerror}; {kept}", path=path) from None
    return told


def _sweep(path: Path) -> list[str]:
    """Remove what killed processes left beside the file."""
    told = []
    try:
        names = [file.name for file in path.parent.iterdir()]
    except OSError:
        return []
    for name in names:
        match = re.fullmatch(rf"\.{re.escape(path.name)}\.(\d+)\.partial", name)
        if match is not None and not _lives(int(match[1])):
            path.with_name(name).unlink(missing_ok=True)
            told.append(f"{path}: an earlier update was killed while it wrote; its half-written copy is removed")
    return told


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
