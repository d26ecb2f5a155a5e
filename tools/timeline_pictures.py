"""Makes the pictures of docs/timeline.md: runs the doorbell guests and opens their report in a headless Chromium.

    python tools/timeline_pictures.py

Wants `playwright` (the extra `dev`) and Chromium (`apt-get install chromium`).
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Page, sync_playwright

from gunyah_emu import Machine
from gunyah_emu.machine.report import ReportSink

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs/images"
GUEST = "guest_images/doorbell_irq/machine.toml"

SELECT = """() => {
  const {model, view} = report;
  const taken = [...model.kind.keys()].find((i) => model.kindOf(i).name === "irq_acknowledged");
  view.select(taken);
}"""


def record(folder: Path) -> Path:
    """The report of the doorbell guests."""
    path = folder / "report.html"
    os.chdir(ROOT)  # the page shows the machine file's name as it is given
    with Machine.from_toml(GUEST) as machine:
        sink = ReportSink(path, machine)
        machine.record(sink)
        sink.outcome = machine.run()
    return path


def take(page: Page, name: str) -> None:
    """One picture of what is shown now."""
    page.wait_for_function("!report.view.dirty")
    page.screenshot(path=PICTURES / f"{name}.png")
    print(PICTURES.relative_to(ROOT) / f"{name}.png")


def main() -> int:
    """Make them all."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("timeline_pictures: there is no Chromium; on Debian: apt-get install chromium", file=sys.stderr)
        return 2
    PICTURES.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=chromium, args=options)
        page = browser.new_page(viewport={"width": 1280, "height": 780})
        page.goto(record(Path(folder)).as_uri())
        page.wait_for_selector("html[data-ready]")
        take(page, "timeline")
        page.keyboard.press("o")
        page.evaluate(SELECT)
        page.click("#tab-events")
        take(page, "timeline-cause")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
