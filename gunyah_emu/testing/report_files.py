"""What a campaign leaves for people and machines: a page, JUnit XML, JSON.  Nothing of it depends on who ran it."""

from __future__ import annotations

import json
import re
from html import escape
from typing import TYPE_CHECKING, NamedTuple
from xml.sax.saxutils import quoteattr

from gunyah_emu.errors import UserError
from gunyah_emu.events.whole_file import WholeFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped; a guest may print it."""

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --muted: #777; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .6rem; vertical-align: top; }
tr { border-bottom: 1px solid var(--line); } th { color: var(--muted); font-weight: 600; }
code, pre { font: 13px/1.4 ui-monospace, monospace; }
pre { margin: .4rem 0; white-space: pre-wrap; overflow-wrap: anywhere; }
details > summary { cursor: pointer; }
.word { display: inline-block; min-width: 4.6rem; padding: .05rem .5rem; border-radius: .6rem;
  color: #fff; text-align: center; }
.crash { background: #b3261e; } .hang { background: #a35200; } .silent { background: #6b4fa0; }
.lost { background: #555; }
.handled, .same { background: #2e6b3a; } .differs { background: #6b4fa0; } p { color: var(--muted); }
"""


class Case(NamedTuple):
    """One test case of a JUnit file: its class and name, why it fails (type, message), what it printed."""

    group: str
    name: str
    failure: tuple[str, str] | None
    text: str


def write_whole(path: str, what: str, text: str) -> None:
    """Write a file that has its name only when it is whole; UserError, and nothing is left, where the host refuses."""
    file: WholeFile[str] = WholeFile(path, what, "w")
    try:
        file.write(text)
        file.close(complete=True)
    except UserError:
        file.discard()
        raise


def clean(text: str) -> str:
    """Text without what XML and HTML cannot hold."""
    return _ILLEGAL.sub("\ufffd", text)


def junit(suite: str, cases: Sequence[Case]) -> str:
    """A JUnit file."""
    failures = sum(case.failure is not None for case in cases)
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>',
        f'<testsuites><testsuite name={quoteattr(suite)} tests="{len(cases)}" failures="{failures}" errors="0">',
    ]
    for case in cases:
        lines.append(f"<testcase classname={quoteattr(clean(case.group))} name={quoteattr(clean(case.name))}>")
        if case.failure is not None:
            kind, message = case.failure
            lines.append(f"<failure type={quoteattr(kind)} message={quoteattr(clean(message))}/>")
        lines.append(f"<system-out>{escape(clean(case.text))}</system-out></testcase>")
    return "\n".join([*lines, "</testsuite></testsuites>", ""])


def page(title: str, body: Iterable[str]) -> str:
    """A page that needs nothing but itself."""
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    return "\n".join([head, f"<h1>{escape(title)}</h1>", *body, "</html>", ""])


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of a page; the cells are HTML."""
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    lines = ["<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows]
    return "\n".join([f"<table><tr>{head}</tr>", *lines, "</table>"])


def word(verdict: str) -> str:
    """A verdict, coloured."""
    return f'<span class="word {escape(verdict)}">{escape(verdict)}</span>'


def folded(summary: str, text: str) -> str:
    """Text that is there when somebody asks for it."""
    return f"<details><summary>{escape(clean(summary))}</summary><pre>{escape(clean(text))}</pre></details>"


def as_json(document: object) -> str:
    """The same document, the same bytes."""
    return json.dumps(document, indent=1, sort_keys=True) + "\n"
