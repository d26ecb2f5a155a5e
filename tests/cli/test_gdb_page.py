"""The sessions in docs/debugging.md are what GDB prints."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def load_tool():
    path = ROOT / "tools" / "debugging_page.py"
    spec = importlib.util.spec_from_file_location("debugging_page", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOOL = load_tool()
VERSION = TOOL.gdb_version()


@pytest.mark.skipif(
    VERSION is None or not VERSION.startswith(TOOL.RECORDED_WITH),
    reason=f"the page shows the words of GDB {TOOL.RECORDED_WITH}x (gdb-multiarch), which is not installed",
)
def test_the_page_shows_what_gdb_prints() -> None:
    page = TOOL.PAGE.read_text(encoding="utf-8")
    assert "\n".join(TOOL.blocks(page)) + "\n" == page, f"run {Path(sys.executable).name} tools/debugging_page.py"
