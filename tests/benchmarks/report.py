"""One measurement of reports and traces in a process of its own, printed as one JSON line.

`python -m tests.benchmarks.report`.  The events are 100,000 of eight vCPUs that ring each other's doorbells from many
places at irregular times: nothing repeats, which is the worst case for size, memory and drawing.
"""

import json
import time
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from gunyah_emu.events import Event, JsonLinesSink
from gunyah_emu.events.perfetto import PerfettoSink
from gunyah_emu.events.report import write_report
from tests.quality.report.conftest import CHROMIUM, OPTIONS

COUNT = 100_000
VMS = ("primary", "worker-1", "worker-2", "worker-3")
DRAW = """(lo, hi) => { const {view} = report, [first, last] = view.bounds, width = last - first;
  const began = performance.now();
  for (let n = 0; n < 10; n++) {
    view.show(first + width * (lo + n / 1e4), first + width * hi);
    view.draw();
  }
  return (performance.now() - began) / 10; }"""


def rings(random: Random) -> list[Event]:
    """Calls, interrupts and waits, each with its cause."""
    events: list[Event] = []
    time_now = 0

    def add(vm: str, vcpu: int, kind: str, cause: int, *fields: object) -> int:
        events.append(Event(len(events) + 1, time_now, vm, vcpu, kind, cause, fields))
        return len(events)

    def place() -> int:
        return 0x4010_0000 + 4 * random.randrange(4000)

    while len(events) < COUNT:
        time_now += random.randrange(5, 2000)
        sender, receiver = random.sample(VMS, 2)
        this, that, spi = random.randrange(2), random.randrange(2), random.randrange(8, 16)
        flags, bell = random.getrandbits(64), f"doorbell {spi}"
        arguments = {"doorbell": 1 << 32 | spi, "new_flags": flags}
        fields = ("doorbell_send", arguments, {"doorbell": bell}, place(), place())
        call = add(sender, this, "hypercall", 0, *fields)
        asserted = add(receiver, -1, "virq_assert", call, bell, 32 + spi, True)
        pending = add(receiver, that, "irq_pending", asserted, 32 + spi)
        add(receiver, that, "wake", pending)
        add(sender, this, "hypercall_return", call, "doorbell_send", [0, flags])
        time_now += random.randrange(5, 900)
        taken = add(receiver, that, "irq_acknowledged", pending, 32 + spi, place())
        time_now += random.randrange(5, 900)
        add(receiver, that, "irq_ended", taken, 32 + spi)
        add(receiver, that, "wait", 0, place())
    return events


def seconds(path: Path) -> dict[str, float]:
    """From the navigation to the first drawing, and a drawing of everything and of a thousandth."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        page = browser.new_page(viewport={"width": 1400, "height": 860})
        began = time.perf_counter()
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]")
        opened = time.perf_counter() - began
        whole, part = (page.evaluate(f"() => ({DRAW})({span})") for span in ("0, 1", "0.4, 0.401"))
        browser.close()
    return {"report_open_s": opened, "report_draw_ms.whole": whole, "report_draw_ms.part": part}


def main() -> None:
    events = rings(Random(1))
    figures: dict[str, float] = {}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "run.html"
        began = time.perf_counter()
        write_report(path, events, title="benchmark")
        figures["report_write_s"] = time.perf_counter() - began
        figures["report_size_kib"] = path.stat().st_size / 1024
        for name, sink in (("jsonl", JsonLinesSink), ("pftrace", PerfettoSink)):
            file = sink(Path(folder) / f"run.{name}")
            began = time.perf_counter()
            for event in events:
                file.write(event)
            file.close(complete=True)
            figures[f"trace_us_per_event.{name}"] = (time.perf_counter() - began) / len(events) * 1e6
        if CHROMIUM is not None:
            figures |= seconds(path)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
