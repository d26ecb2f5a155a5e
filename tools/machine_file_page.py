"""Writes the reference part of docs/machine-file.md from the declarations of the keys.

    python tools/machine_file_page.py [--check]

With --check nothing is written: the status is 1 when the page is not what would be written.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from gunyah_emu.machine.config_keys import DOCUMENT
from gunyah_emu.machine.config_schema import REQUIRED, Key, Table

PAGE = Path(__file__).parents[1] / "docs/machine-file.md"
MARK = "<!-- From here on, generated"


def default_of(key: Key) -> str:
    """What a key is when it is left out, as the page shows it."""
    if key.default is REQUIRED:
        return "required"
    if key.default_text is not None:
        return key.default_text
    if key.default in (None, (), ""):
        return "none"
    return f"`{key.default!r}`".replace("'", '"')


def table_lines(table: Table) -> Iterator[str]:
    """The section of one table."""
    yield f"### `{table.heading}`"
    yield ""
    yield table.purpose
    yield ""
    yield "| key | must be | default | |"
    yield "|---|---|---|---|"
    for key in table.keys.values():
        yield f"| `{key.name}` | {key.kind.must_be} | {default_of(key)} | {key.purpose} |"
    yield ""


def reference() -> str:
    """The generated part of the page, without its mark."""
    seen: list[Table] = []
    for table in DOCUMENT.tables():
        if table is not DOCUMENT and table not in seen:
            seen.append(table)
    return "\n".join(line for table in seen for line in table_lines(table))


def page(old: str) -> str:
    """The page with its generated part renewed."""
    start = old.index(MARK)
    line_end = old.index("\n", start) + 1
    return old[:line_end] + "\n" + reference().rstrip("\n") + "\n"


def main() -> int:
    """Write or check the page."""
    old = PAGE.read_text()
    new = page(old)
    if "--check" in sys.argv[1:]:
        if old != new:
            print(f"{PAGE.name} is stale: run python tools/{Path(__file__).name}", file=sys.stderr)
        return int(old != new)
    PAGE.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
