"""`gunyah-emu faults` finds what was planted, whoever runs it, and leaves whole files or none."""

import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from multiprocessing import active_children
from pathlib import Path

import pytest

from gunyah_emu.errors import UserError
from gunyah_emu.testing import fault_report
from gunyah_emu.testing.bundle import bundle_of
from gunyah_emu.testing.campaign import Campaign, Workforce, variants
from gunyah_emu.testing.fault_search import Choice, search
from gunyah_emu.testing.journal import Journal

PLANTED = Path(__file__).parents[3] / "guest_images" / "planted" / "machine.toml"
PLANTED_VERDICTS = {
    "doorbell_mask": "handled",
    "doorbell_receive": "hang",
    "doorbell_reset": "silent",
    "doorbell_send": "hang",
    "msgqueue_receive": "crash",
    "msgqueue_send": "handled",
}
FEW = Choice(variants([], [], []), calls=("doorbell_reset", "msgqueue_receive"))


def nobody(_stage):
    return lambda _done, _total: None


def found(workforce: Workforce, choice: Choice = FEW, progress=nobody):
    campaign = Campaign(bundle_of([str(PLANTED)]), workforce, f"faults {choice}")
    try:
        return search(campaign, choice, progress)[1]
    finally:
        campaign.close()


@pytest.fixture(scope="module")
def few():
    return fault_report.as_json(found(Workforce(jobs=1)))


@pytest.fixture(scope="module")
def everything():
    return found(Workforce(jobs=2), Choice(variants([], [], [])))


def test_every_planted_treatment_of_errors_is_found(everything):
    verdicts = {(finding.case.call, finding.verdict.word) for finding in everything}
    assert verdicts == set(PLANTED_VERDICTS.items())


def test_the_place_is_the_call_in_the_source_not_its_stub(everything):
    places = {finding.case.call: finding.case.place for finding in everything}
    assert "main.c:" in places["doorbell_mask"]
    assert "(on_doorbell+" in places["doorbell_receive"]


def test_each_fault_struck_once(everything):
    assert {tuple(finding.result["struck"]) for finding in everything} == {(1,)}


def test_the_reports_are_the_same_when_a_worker_is_killed_midway(few):
    def killing(stage):
        def tell(done, _total):
            if stage == "with faults" and done == 3:
                os.kill(active_children()[0].pid, signal.SIGKILL)

        return tell

    assert fault_report.as_json(found(Workforce(jobs=2), progress=killing)) == few


def test_a_campaign_that_was_cut_short_goes_on_from_its_journal(few, tmp_path):
    class EnoughError(Exception):
        pass

    def stopping(stage):
        def tell(done, _total):
            if stage == "with faults" and done == 5:
                raise EnoughError

        return tell

    journal = tmp_path / "journal"
    with pytest.raises(EnoughError):
        found(Workforce(jobs=1, journal=str(journal)), progress=stopping)
    kept = journal.read_bytes()
    assert kept.count(b"\n") == 1 + 1 + 5
    journal.write_bytes(kept + b'{"task": 6, "resu')  # the plug was pulled
    began = []

    def counting(stage):
        return lambda done, total: began.append((stage, done, total))

    resumed = found(Workforce(jobs=1, journal=str(journal), resume=True), progress=counting)
    assert next(entry for entry in began if entry[0] == "with faults") == ("with faults", 5, 13)
    assert fault_report.as_json(resumed) == few


def test_the_page_escapes_what_a_guest_printed(everything):
    finding = everything[0]
    finding = finding._replace(result={**finding.result, "consoles": {"planted": "<script>alert(1)</script>\x00\x1b"}})
    page = fault_report.html("Faults <of> planted", [finding])
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\ufffd\ufffd" in page
    assert "http" not in page


def test_junit_has_a_case_for_each_fault_and_a_failure_for_each_that_counts(everything):
    root = ET.fromstring(fault_report.junit("planted", everything, ["crash"]))
    cases = root.findall(".//testcase")
    assert len(cases) == len(everything)
    assert len({(case.get("classname"), case.get("name")) for case in cases}) == len(cases)
    failures = [case for case in cases if case.find("failure") is not None]
    assert {case.get("classname") for case in failures} == {"planted.msgqueue_receive"}


def test_what_the_report_says_to_add_to_the_machine_file_gives_the_same_end(everything, tmp_path):
    finding = next(finding for finding in everything if finding.case.call == "msgqueue_receive")
    text = PLANTED.read_text().replace('"planted.elf"', f'"{PLANTED.with_name("planted.elf")}"')
    machine = tmp_path / "machine.toml"
    machine.write_text(f"{text}\n{finding.case.toml()}\n")
    command = [sys.executable, "-m", "gunyah_emu", "run", str(machine)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finding.verdict.why in ran.stderr


COMMAND = [sys.executable, "-m", "gunyah_emu", "faults", str(PLANTED), "--call", "msgqueue_receive", "-j", "1"]


def test_the_command_says_what_it_found_and_fails_for_it(tmp_path):
    files = ["--html", str(tmp_path / "f.html"), "--junit", str(tmp_path / "f.xml"), "--json", str(tmp_path / "f.json")]
    ran = subprocess.run([*COMMAND, *files], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stdout.splitlines()[-1] == "7 faults: 7 crash"
    assert ran.stderr.splitlines()[-1] == "gunyah-emu: with faults: 7 of 7"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.html", "f.json", "f.xml"]


LITTLE_ROOM = """
import resource
from gunyah_emu.errors import UserError
from gunyah_emu.testing.journal import Journal
from gunyah_emu.testing.report_files import write_whole
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))  # as on a full disk, a write is refused midway
try:
    {0}
except UserError as error:
    print(error)
"""


def said_with_little_room(code: str) -> str:
    command = [sys.executable, "-c", LITTLE_ROOM.format(code)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_full_disk_leaves_no_half_report_and_is_said(tmp_path):
    file = tmp_path / "report"
    file.write_text("the one of yesterday")
    said = said_with_little_room(f"write_whole({str(file)!r}, 'page', 'x' * 100_000)")
    assert said == f"{file}: the page cannot be written: File too large\n"
    assert [path.name for path in tmp_path.iterdir()] == ["report"]
    assert file.read_text() == "the one of yesterday"


def test_a_full_disk_under_the_journal_is_said_and_what_was_kept_serves_again(tmp_path):
    path = str(tmp_path / "journal")
    code = f"journal = Journal({path!r}, 'c', resume=False)\n    for n in range(99): journal.add(n, {{'x': 'x' * 500}})"
    assert said_with_little_room(code) == f"{path}: the journal cannot be written: File too large\n"
    again = Journal(path, "c", resume=True)
    assert list(again.results) == [0, 1, 2, 3, 4]
    again.add(5, {"x": 1})
    again.close()
    assert list(Journal(path, "c", resume=True).results) == [0, 1, 2, 3, 4, 5]


def test_the_journal_of_another_campaign_is_refused(tmp_path):
    path = str(tmp_path / "journal")
    Journal(path, "c", resume=False).close()
    with pytest.raises(UserError, match="must be of this campaign"):
        Journal(path, "d", resume=True)
    with pytest.raises(UserError, match="must not exist yet, or --resume be given"):
        Journal(path, "c", resume=False)


def test_ctrl_c_ends_all_processes_at_once(tmp_path):
    journal = tmp_path / "journal"
    process = subprocess.Popen(
        [*COMMAND[:5], "--seeds", "0-2000", "-j", "2", "--journal", str(journal), "--html", str(tmp_path / "f.html")],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and (not journal.exists() or journal.read_bytes().count(b"\n") < 3):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.splitlines()[-1] == "gunyah-emu: interrupted"
    assert "Traceback" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["journal"]


def workers_of(pid: int) -> set[int]:
    """The processes of a campaign that run its tasks."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words, fields = (folder / "cmdline").read_bytes(), (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and b"spawn_main" in words:
            found.add(int(folder.name))
    return found


def runs(pid: int) -> bool:
    """Whether a process is there, and not only waits for somebody to notice that it ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_campaign_that_is_killed_leaves_no_process_and_no_report(tmp_path):
    journal = tmp_path / "journal"
    command = [*COMMAND[:5], "-j", "2", "--journal", str(journal), "--json", str(tmp_path / "f.json")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while process.poll() is None and (not journal.exists() or journal.read_bytes().count(b"\n") < 4):
        time.sleep(0.02)
    workers = workers_of(process.pid)
    process.kill()
    process.wait()
    assert workers
    while any(map(runs, workers)):  # pytest's time limit ends this
        time.sleep(0.02)
    assert [path.name for path in tmp_path.iterdir()] == ["journal"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--vm", "plan"], "--vm must name a VM that makes hypercalls (planted); it is 'plan'"),
        (["--resume"], "--resume needs the --journal to go on from"),
        (["--max-instructions", "1000"], "without a fault the machine must exit or wait; instructions after"),
    ],
)
def test_a_mistake_is_refused_with_its_cure(options, message):
    ran = subprocess.run([*COMMAND, *options], capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert message in ran.stderr
    assert "Traceback" not in ran.stderr
