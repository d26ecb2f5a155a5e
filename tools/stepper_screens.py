"""Takes the pictures of the stepper's screen that the documentation shows.

    python tools/stepper_screens.py [--check] [NAME...]

Each is what some keys lead to.  With --check nothing is written: the status is 1 when a picture is not what would be
taken.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import NamedTuple

from gunyah_emu import Machine
from gunyah_emu.debug.stepper.app import StepperApp

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs/images"


class Picture(NamedTuple):
    """One picture: its name, its machine, columns and rows, and the keys that lead there."""

    name: str
    guest: str
    size: tuple[int, int]
    keys: str


PICTURES = (
    Picture("stepper-call", "doorbell_flags", (170, 46), "f v m space t i c k enter h"),
    Picture("stepper-interrupt", "doorbell_irq", (170, 46), "h r i"),
    Picture("stepper-why", "bad_lost_wakeup", (170, 46), "c w d o o r b e l l space 1 enter"),
    Picture("stepper-small", "doorbell_irq", (80, 24), "h r i"),
)


async def _take(picture: Picture) -> str:
    with Machine.from_toml(ROOT / "guest_images" / picture.guest / "machine.toml") as machine:
        app = StepperApp(machine)
        async with app.run_test(size=picture.size) as pilot:
            for key in picture.keys.split():
                await pilot.press(key)
                await app.workers.wait_for_complete()
                await pilot.pause()
            return app.export_screenshot()


def take(picture: Picture) -> str:
    """The picture as SVG, without the fonts that a page would have to fetch from elsewhere."""
    os.environ.pop("NO_COLOR", None)
    svg = asyncio.run(_take(picture))
    return re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)


def main() -> int:
    """Take them, or compare."""
    names = [word for word in sys.argv[1:] if not word.startswith("-")]
    stale = 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for picture in PICTURES:
        if names and picture.name not in names:
            continue
        path, svg = FOLDER / f"{picture.name}.svg", take(picture)
        if "--check" not in sys.argv:
            path.write_text(svg, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != svg:
            print(f"{path.relative_to(ROOT)} is not what the stepper shows: run python tools/stepper_screens.py")
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main())
