"""Which results of which hypercalls a run has seen, in which encoding, beside all that the declarations allow."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from gunyah_emu.abi.legal import ENCODINGS, legal_errors
from gunyah_emu.errors import UserError
from gunyah_emu.hypervisor.hypervisor import load_declarations
from gunyah_emu.hypervisor.object import OBJECT_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Calls = Counter[tuple[str, str, str]]
"""(call, encoding, result) and how often."""

FORMAT = "gunyah_emu hypercall coverage 1"


def allowed(call: str, encoding: str) -> tuple[str, ...]:
    """The results that a call may give, OK or its value first."""
    declaration = load_declarations()[call]
    if not declaration.error:
        return ("(value)",)
    return ("OK", *legal_errors(declaration, OBJECT_TYPES, encoding))


def as_json(calls: Mapping[tuple[str, str, str], int]) -> str:
    """Seen and unseen results of every call that was made, and the calls that were not."""
    made = sorted({call for call, _, _ in calls})
    document = {
        "format": FORMAT,
        "calls": {
            call: {
                encoding: {
                    "seen": {r: n for (c, e, r), n in sorted(calls.items()) if (c, e) == (call, encoding)},
                    "unseen": [r for r in allowed(call, encoding) if (call, encoding, r) not in calls],
                }
                for encoding in ENCODINGS
            }
            for call in made
        },
        "never_called": [name for name in _callable() if name not in made],
    }
    return json.dumps(document, indent=1) + "\n"


def read(path: str) -> Calls:
    """What `as_json` wrote; UserError for anything else."""
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise ValueError  # noqa: TRY301 - one message for all that is wrong
        return Counter(
            {
                (call, encoding, result): int(hits)
                for call, encodings in document["calls"].items()
                for encoding, found in encodings.items()
                for result, hits in found["seen"].items()
            }
        )
    except OSError as error:
        raise UserError(f"must be a file that can be read; {error.strerror}", path=path) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError("must be a hypercall coverage that gunyah_emu wrote", path=path) from None


def _callable() -> list[str]:
    numbers = {name: d.number for name, d in load_declarations().items() if d.number is not None and not d.absent}
    return sorted(numbers, key=lambda name: numbers[name])


def lines(calls: Mapping[tuple[str, str, str], int]) -> Iterator[str]:
    """The table for people: a line for each call that was made and each encoding that it was made in."""
    made = sorted({(call, encoding) for call, encoding, _ in calls})
    for call, encoding in made:
        seen = {result: hits for (c, e, result), hits in calls.items() if (c, e) == (call, encoding)}
        unseen = [result for result in allowed(call, encoding) if result not in seen]
        yield f"{call} ({encoding})"
        yield "  seen    " + ", ".join(f"{result} {hits}" for result, hits in sorted(seen.items()))
        yield "  unseen  " + (", ".join(unseen) or "-")
    names = _callable()
    used = {call for call, _ in made}
    pairs = sum(len(allowed(call, encoding)) for call, encoding in made)
    hit = sum(result in allowed(call, encoding) for call, encoding, result in calls)
    never = f"{len(names) - len(used)} of {len(names)} hypercalls never made"
    yield f"{hit} of {pairs} results of {len(used)} calls; {never}"
