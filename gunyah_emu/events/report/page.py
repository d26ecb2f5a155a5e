"""Puts a report together: one file that holds its style, its script and its data, and asks a network for nothing.

Text of a guest never becomes markup: it travels compressed in base64, and the script puts it into text nodes.  Besides,
the page's own policy allows exactly the script and the style that are written here.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import compress

from gunyah_emu.events.labels import Names
from gunyah_emu.events.report.columns import encode
from gunyah_emu.events.whole_file import WholeFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gunyah_emu.events.recorder import Event

HERE = Path(__file__).parent
SCRIPTS = ("model.js", "view.js", "lanes.js", "overview.js", "list.js", "lists.js", "details.js", "main.js")
COMPRESSION = 6


def write_report(
    path: str | Path,
    events: Iterable[Event],
    *,
    title: str,
    names: Names | None = None,
    vms: Iterable[str] = (),
    summary: Sequence[tuple[str, str]] = (),
    notes: Sequence[str] = (),
) -> None:
    """Write a report; a file of that name is whole, or is not touched.

    Arguments:
        path: the file to be; its folder must exist.
        events: what to show, in the order of the run; bounded by the caller (`Recent`).
        title: the page's heading.
        names: who knows symbols and results.
        vms: the order of their lanes; by default as they appear.
        summary: (name, value) of what stands behind the heading.
        notes: what a reader must see first, for example why a test failed.

    Errors: UserError where the host refuses; nothing is left behind then.
    """
    file = WholeFile[str](path, "report", "w")
    try:
        data = encode(events, names or Names(), vms)
        data |= {"title": title, "summary": list(summary), "notes": list(notes)}
        file.write(page(title, data))
        file.close(complete=True)
    except BaseException:
        file.discard()
        raise


def page(title: str, data: dict[str, object]) -> str:
    """The whole page."""
    style = (HERE / "style.css").read_text("utf-8")
    script = '"use strict";\n' + "".join((HERE / name).read_text("utf-8") for name in SCRIPTS)
    parts = {
        "title": escape(title),
        "style": style,
        "style-hash": _hash(style),
        "script": script,
        "script-hash": _hash(script),
        "data": b64encode(compress(json.dumps(data, separators=(",", ":")).encode(), COMPRESSION)).decode(),
    }
    return re.sub("@([a-z-]+)@", lambda found: parts[found[1]], (HERE / "page.html").read_text("utf-8"))


def _hash(text: str) -> str:
    return b64encode(sha256(text.encode()).digest()).decode()
