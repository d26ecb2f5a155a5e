"""The report in a real Chromium: what a person sees, clicks and types."""

from pathlib import Path

import pytest

from gunyah_emu import Machine
from gunyah_emu.events import Event
from gunyah_emu.events.report import write_report
from gunyah_emu.machine.report import ReportSink

GUESTS = Path(__file__).parents[3] / "guest_images"
EVIL = "</script><img src=x onerror=alert(1)><b>bold</b>"


def recorded(folder: Path, guest: str) -> Path:
    path = folder / f"{guest}.html"
    with Machine.from_toml(GUESTS / guest / "machine.toml") as machine:
        sink = ReportSink(path, machine)
        machine.record(sink)
        sink.outcome = machine.run()
    return path


@pytest.fixture(scope="module")
def doorbells(tmp_path_factory):
    return recorded(tmp_path_factory.mktemp("report"), "doorbell_irq")


def first(page, kind: str, label: str) -> int:
    """The number of the first event of that kind and label."""
    return page.ask(
        """([kind, label]) => { const {model} = report;
             for (let i = 0; i < model.count; i++)
               if (model.kindOf(i).name === kind && model.label(i) === label) return model.seq[i]; }""",
        [kind, label],
    )


def height(page, colour: str, x: float, top: float, bottom: float) -> int:
    """How many rows of a narrow column of the timeline have a pixel of that colour."""
    return page.ask(
        """([name, x, top, bottom]) => { const {lanes} = report, ratio = window.devicePixelRatio;
             const probe = document.createElement("canvas").getContext("2d");
             probe.fillStyle = lanes.colour[name]; probe.fillRect(0, 0, 1, 1);
             const wanted = probe.getImageData(0, 0, 1, 1).data;
             const {data} = lanes.context.getImageData((x - 3) * ratio, top * ratio, 7 * ratio, (bottom - top) * ratio);
             const rows = new Set();
             for (let at = 0; at < data.length; at += 4)
               if ([0, 1, 2].every((c) => Math.abs(data[at + c] - wanted[c]) < 60))
                 rows.add(Math.floor(at / 4 / (7 * ratio)));
             return rows.size / ratio; }""",
        [colour, x, top, bottom],
    )


def test_the_first_glance_shows_consoles_and_an_arrow_from_the_doorbell_to_its_interrupt(opened, doorbells):
    page = opened(doorbells)
    assert "doorbell 1: sent 0x1" in page.text("#consoles")
    assert "SPI 8 (INTID 40) taken" in page.text("#consoles")
    assert "every VM exited" in page.text("#summary")
    call = first(page, "hypercall", "doorbell_send")
    x, top = page.ask("seq => Object.values(report.lanes.anchor(report.model.find(seq)))", call)
    bottom = page.ask("seq => report.lanes.anchor(report.model.find(seq)).y", first(page, "irq_pending", "SPI 8"))
    assert bottom > top
    assert height(page, "arrow", x, top, bottom) > (bottom - top) / 2
    assert page.problems == []
    assert page.requests == [doorbells.as_uri()]


def test_a_click_on_an_interrupt_shows_what_caused_it(opened, doorbells):
    page = opened(doorbells)
    taken = first(page, "irq_acknowledged", "SPI 8")
    page.page.keyboard.press("o")
    page.page.wait_for_function("report.view.scale === 'order' && !report.view.dirty")
    page.click_event(taken)
    assert page.text("#details h2") == "irq_acknowledged: SPI 8"
    assert page.text("#details .story").startswith(
        "SPI 8 was taken in receiver · vCPU 0 because sender · vCPU 0 called doorbell_send "
    )
    causes = page.page.locator("#causes button").all_inner_texts()
    assert [text.splitlines()[0] for text in causes] == [
        "hypercall: doorbell_send", "virq_assert: doorbell 1, SPI 8", "irq_pending: SPI 8", "irq_acknowledged: SPI 8",
    ]  # fmt: skip
    page.page.locator("#causes button").first.click()
    details = page.text("#details")
    assert "0x100000000 (doorbell 1)" in details
    assert "→ error\tOK" in details
    assert "hypercalls.h" in details or "doorbell_send+" in details


def test_a_line_of_a_console_leads_to_its_moment(opened, doorbells):
    page = opened(doorbells)
    page.page.locator(".console .row", has_text="SPI 9 (INTID 41) taken").click()
    assert page.text("#details h2").startswith("console: SPI 9 (INTID 41) taken")
    seq = page.ask("report.model.seq[report.view.selected]")
    assert page.page.url.endswith(f"#e={seq}")


def test_the_table_filters_by_words_vm_kind_and_number(opened, doorbells):
    page = opened(doorbells)
    page.page.keyboard.press("/")
    page.page.keyboard.type("doorbell_send ok")
    assert page.text("#count").startswith("4 of ")
    page.page.fill("#filter", "")
    page.page.select_option("#vm", label="receiver")
    page.page.select_option("#kind", label="irq_acknowledged")
    assert page.text("#count").startswith("4 of ")
    page.page.locator("#events .row").nth(1).click()
    assert page.text("#details h2") == "irq_acknowledged: SPI 8"
    page.page.locator("#events").press("ArrowDown")
    page.page.locator("#events").press("End")
    assert page.text("#details h2") == "irq_acknowledged: SPI 9"


def test_keys_walk_along_a_lane_and_along_causes(opened, doorbells):
    page = opened(doorbells)
    seq = first(page, "irq_acknowledged", "SPI 8")
    page.ask("seq => report.view.select(report.model.find(seq))", seq)
    walked = []
    for key in "cce":
        page.page.keyboard.press(key)
        walked.append(page.text("#details h2").split(":")[0])
    page.page.keyboard.press("Escape")
    assert walked == ["irq_pending", "virq_assert", "irq_pending"]
    assert page.page.locator("#legend").is_visible()


def test_wheel_drag_and_fit_change_what_is_shown(opened, doorbells):
    page = opened(doorbells)
    shown = lambda: page.ask("[report.view.lo, report.view.hi]")  # noqa: E731
    whole = shown()
    page.page.mouse.move(700, 200)
    page.page.mouse.wheel(0, -600)
    page.page.wait_for_function("([lo, hi]) => report.view.hi - report.view.lo < (hi - lo) / 2", arg=whole)
    near = shown()
    page.page.mouse.down()
    page.page.mouse.move(600, 200, steps=3)
    page.page.mouse.up()
    assert shown()[0] > near[0]
    page.page.keyboard.press("f")
    assert shown() == whole


def test_the_page_is_dark_where_the_system_is_and_prints_its_lists(opened, doorbells):
    page = opened(doorbells, color_scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    dark = page.ask(background)
    page.page.click("#theme")
    assert page.ask(background) != dark
    page.page.emulate_media(media="print")
    page.ask("dispatchEvent(new Event('beforeprint'))")
    assert page.page.locator("#events .row:visible").count() == page.ask("report.model.count")


def test_what_guests_say_and_vms_are_called_stays_text(opened, tmp_path):
    path = tmp_path / "evil.html"
    events = [
        Event(1, 0, EVIL, 0, "vcpu_on", 0, (0, 0)),
        Event(2, 5, EVIL, -1, "console", 0, (EVIL + "\x00\x1b[31m\u202e\n",)),
        Event(3, 6, EVIL, 0, "unknown", 0, (EVIL, None)),
        Event(4, 7, EVIL, -1, "exit", 0, (1, EVIL)),
    ]
    write_report(path, events, title=EVIL, summary=[(EVIL, EVIL)], notes=[EVIL])
    page = opened(path)
    for seq in (1, 2, 3, 4):
        page.ask("seq => report.view.select(report.model.find(seq))", seq)
        page.page.locator("#tab-events").click()
    page.page.mouse.move(300, 250)
    assert page.page.locator("img, b:text-is('bold')").count() == 0
    assert page.text("#title") == EVIL
    assert page.problems == []
    assert page.requests == [path.as_uri()]


def test_a_cause_that_the_report_no_longer_holds_is_named(opened, tmp_path):
    path = tmp_path / "cut.html"
    write_report(path, [Event(900, 50, "a", 0, "irq_acknowledged", 12, (40, 0))], title="cut")
    page = opened(path)
    page.click_event(900)
    assert "#12 is not in this report" in page.text("#causes")


def test_an_empty_report_opens(opened, tmp_path):
    write_report(tmp_path / "empty.html", [], title="nothing")
    page = opened(tmp_path / "empty.html")
    assert page.text("#count") == "0 events"
    assert page.problems == []


def test_a_hundred_thousand_events_open_and_can_be_searched(opened, tmp_path):
    path = tmp_path / "large.html"
    with Machine.from_toml(GUESTS / "bench_ping_pong" / "machine.toml") as machine:
        machine.record_events()
        events = machine.run(max_instructions=1_300_000).events
    assert len(events) == 100_000
    write_report(path, events, title="large")
    page = opened(path)
    assert page.text("#count") == "100,000 events"
    seq = page.ask("report.model.seq[report.model.count >> 1]")
    page.page.fill("#filter", f"#{seq}")
    assert page.text("#count").startswith("1 of ")
    page.page.fill("#filter", "virq_assert")
    assert page.text("#count").endswith("of 100,000 events")
    assert page.problems == []
