"""A report is one file, bounded, whole or absent, and what a guest says is never markup in it."""

import json
import re
from base64 import b64decode
from zlib import decompress

import pytest

from gunyah_emu.errors import UserError
from gunyah_emu.events import Event
from gunyah_emu.events.report import Recent, write_report
from gunyah_emu.events.report.recent import MAX_CONSOLES, MAX_TEXT

EVIL = "</script><img src=x onerror=alert(1)>"


def doorbell(seq: int, time: int) -> list[Event]:
    call = Event(seq, time, "sender", 0, "hypercall", 0, ("doorbell_send", {"doorbell": 7}, {"doorbell": "bell"}, 4, 8))
    asserted = Event(seq + 1, time, "receiver", -1, "virq_assert", seq, ("bell", 40, True))
    pending = Event(seq + 2, time, "receiver", 0, "irq_pending", seq + 1, (40,))
    taken = Event(seq + 3, time + 9, "receiver", 0, "irq_acknowledged", seq + 2, (40, 12))
    return [call, asserted, pending, taken]


def data_of(text: str) -> dict[str, object]:
    return json.loads(decompress(b64decode(re.search(r'<script id="data"[^>]*>([^<]*)</script>', text)[1])))


def test_a_report_holds_every_event_and_each_distinct_text_once(tmp_path):
    path = tmp_path / "run.html"
    write_report(path, [*doorbell(1, 100), *doorbell(5, 200)], title="two rings")
    data = data_of(path.read_text())
    assert data["seq"] == [1] * 8
    assert data["time"] == [100, 0, 0, 9, 91, 0, 0, 9]
    assert data["cause"] == [0, 1, 1, 1] * 2
    assert data["vms"] == ["sender", "receiver"]
    assert data["what"] == [0, 1, 2, 3] * 2
    _, label, pairs = data["pool"][0]
    assert (label, dict(pairs)) == (
        "doorbell_send", {"call": "doorbell_send", "doorbell": "7 (bell)", "pc": "0x4", "lr": "0x8"},
    )  # fmt: skip


def test_lanes_stand_in_the_order_that_is_asked_for(tmp_path):
    write_report(tmp_path / "run.html", doorbell(1, 0), title="", vms=["receiver", "sender", "silent"])
    assert data_of((tmp_path / "run.html").read_text())["vms"] == ["receiver", "sender", "silent"]


def test_nothing_is_fetched_and_nothing_foreign_is_markup(tmp_path):
    path = tmp_path / "run.html"
    write_report(path, [Event(1, 0, EVIL, -1, "console", 0, (EVIL,))], title=EVIL, summary=[(EVIL, EVIL)], notes=[EVIL])
    text = path.read_text()
    assert "<img" not in text
    assert "default-src 'none'" in text
    assert not re.search(r"https?:|src=|href=|@import|url\(", re.sub(r"<title>.*?</title>|<h1.*?</h1>", "", text))


def test_the_end_of_a_run_is_kept_and_the_report_says_so():
    recent = Recent(limit=4)
    for event in [*doorbell(1, 0), *doorbell(5, 100)]:
        recent.write(event)
    assert [event.seq for event in recent.events()] == [5, 6, 7, 8]
    assert recent.notes()[0].startswith("Only the last 4 of 8 events are shown; `gunyah-emu report ")
    assert list(recent.vms) == ["sender", "receiver"]


def test_a_guest_that_prints_for_ever_pushes_neither_events_nor_other_consoles_out():
    recent = Recent(limit=10)
    for event in doorbell(1, 0):
        recent.write(event)
    recent.write(Event(5, 0, "quiet", -1, "console", 0, ("hello",)))
    for seq in range(6, 4000):
        recent.write(Event(seq, seq, "flood", -1, "console", 0, ("x" * 1000,)))
    kept = list(recent.events())
    assert [event.seq for event in kept[:6]] == [1, 2, 3, 4, 5, kept[5].seq]
    assert sum(len(event.fields[0]) for event in kept[5:]) <= MAX_TEXT
    assert [event.seq for event in kept] == sorted(event.seq for event in kept)
    assert re.fullmatch(r"The first [\d,]+ lines of the consoles are not shown\.", recent.notes()[0])


def test_guests_that_make_many_vms_do_not_multiply_what_is_kept():
    recent = Recent()
    for vm in range(100):
        for _ in range(300):
            recent.write(Event(vm + 1, 0, f"vm-{vm}", -1, "console", 0, ("x" * 1000,)))
    assert sum(len(event.fields[0]) for event in recent.events()) <= (MAX_CONSOLES + 1) * MAX_TEXT


def test_a_report_that_cannot_be_written_leaves_the_old_one_and_nothing_else(tmp_path):
    path = tmp_path / "run.html"
    path.write_text("old")

    def interrupted():
        yield from doorbell(1, 0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_report(path, interrupted(), title="")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(UserError, match=r"nowhere/run\.html: the report cannot be written: No such file or directory"):
        write_report(tmp_path / "nowhere" / "run.html", [], title="")


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path):
    (tmp_path / "run.html.partial").symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"run\.html: the report cannot be written: No space left on device"):
        write_report(tmp_path / "run.html", doorbell(1, 0), title="")
    assert list(tmp_path.iterdir()) == []
