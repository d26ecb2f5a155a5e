"""Operating systems that nobody here wrote, fetched when they are first needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def debian_guests() -> Path:
    """The folder of tools/fetch_guests.py; the first call on a machine needs Debian's mirrors."""
    command = [sys.executable, str(ROOT / "tools/fetch_guests.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"tools/fetch_guests.py must fetch Debian's packages:\n{done.stderr}"
    return Path(done.stdout.strip())
