"""Golden traces: what is compared, what may vary, and that a file is never half-written."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gunyah_emu.errors import UserError
from gunyah_emu.events import Event
from gunyah_emu.testing.golden import GoldenTrace, Recording, default_header, header_of, read
from gunyah_emu.testing.golden_diff import difference
from gunyah_emu.testing.golden_file import load, store

pytest_plugins = "pytester"

GUESTS = Path(__file__).parents[3] / "guest_images"
PYTHON = sys.executable


def run_of(*, flags: int = 1, late: int = 0, intid: int = 40) -> list[Event]:
    """A doorbell's way, as it is recorded."""
    sent = ("doorbell_send", {"doorbell": 1 << 32, "new_flags": flags}, {"doorbell": "doorbell 1"}, 0x4000, 0x4010)
    return [
        Event(1, 5, "a", 0, "hypercall", 0, sent),
        Event(2, 5, "b", -1, "virq_assert", 1, ("doorbell 1", intid, True)),
        Event(3, 5, "b", 0, "irq_pending", 2, (intid,)),
        Event(4, 5, "a", 0, "hypercall_return", 1, ("doorbell_send", [0, 0])),
        Event(5, 9 + late, "b", 0, "irq_acknowledged", 3, (intid, 0x5000)),
    ]


def lines(events: list[Event], **keys: list[str]) -> tuple[str, ...]:
    return Recording(events, header_of(keys)).lines


def test_a_line_says_what_happened_and_because_of_what():
    assert lines(run_of()) == (
        "a/0 hypercall doorbell_send(doorbell=doorbell 1, new_flags=0x1)",
        "a/0 hypercall_return doorbell_send OK, old_flags=0x0",
        "b/0 irq_acknowledged SPI 8 <- a/0 hypercall doorbell_send(doorbell=doorbell 1, new_flags=0x1)",
    )


def test_time_varies_unless_it_is_compared():
    assert lines(run_of()) == lines(run_of(late=100))
    assert lines(run_of(), varies=[]) != lines(run_of(late=100), varies=[])


def test_a_value_and_an_interrupt_may_be_left_out():
    assert lines(run_of(), ignores=["new_flags"]) == lines(run_of(flags=2), ignores=["new_flags"])
    assert lines(run_of(), ignores=["doorbell_send.new_flags"])[0].endswith("new_flags=*)")
    assert not any("irq" in line for line in lines(run_of(), ignores=["intid 40"]))


def test_where_order_varies_each_vm_is_compared_by_itself():
    first, second = run_of(), run_of()
    second[3], second[4] = second[4]._replace(seq=4), second[3]._replace(seq=5)
    assert lines(first) != lines(second)
    assert lines(first, varies=["time", "order"]) == lines(second, varies=["time", "order"])


def test_a_file_is_read_back_as_it_was_written():
    header = header_of({"varies": ["time", "order"], "ignores": ["a.b"]})
    golden = GoldenTrace(header, lines(run_of()))
    again = read(golden.text(), "x.golden")
    assert again.lines == golden.lines
    assert again.text() == golden.text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("varies = []\n", "x.golden: a golden trace must have a line '---' behind its keys; it has none"),
        ("varies = [\n---\n", "x.golden: a golden trace's head must be TOML; Invalid value (at end of document)"),
        (
            'compares = ["exit"]\nvaries = ["tim"]\n---\n',
            "x.golden:2:11: varies[0] must be 'time', 'order' or 'causes'; it is 'tim'",
        ),
        (
            'vary = ["time"]\n---\n',
            "x.golden:1:1: a golden trace's head must have known keys only; it has 'vary' (did you mean 'varies'?)",
        ),
    ],
)
def test_a_mistake_in_the_head_is_told_with_its_place(text: str, message: str):
    with pytest.raises(UserError) as caught:
        read(text, "x.golden")
    assert str(caught.value) == message


def test_the_difference_shows_what_is_gone_what_is_new_and_how_it_came_about():
    expected = lines(run_of())
    recording = Recording(run_of(intid=41), default_header())
    report = difference(expected, recording.lines, ("golden", "run"), recording)
    assert "  -" + expected[2] in report
    assert "  +" + recording.lines[2] in report
    assert [line.split("ns")[1].strip() for line in report if " ns " in line] == [
        "b/0 irq_acknowledged SPI 9",
        "b/0 irq_pending SPI 9",
        "b virq_assert doorbell 1: SPI 9",
        "a/0 hypercall doorbell_send(doorbell=doorbell 1, new_flags=0x1)",
    ]


def test_a_difference_far_behind_has_its_own_line_numbers():
    expected = [f"line {n}" for n in range(5000)]
    found = [*expected[:4000], "new", *expected[4000:]]
    report = difference(expected, found, ("golden", "run"), None)
    assert "  @@ -3998,6 +3998,7 @@" in report
    assert "  +new" in report
    assert not difference(expected, expected, ("golden", "run"), None)


# files


@pytest.fixture
def golden() -> GoldenTrace:
    return GoldenTrace(default_header(), lines(run_of()))


def test_what_is_stored_is_loaded(tmp_path: Path, golden: GoldenTrace):
    path = tmp_path / "new" / "x.golden"
    assert load(path) is None
    assert store(path, golden) == []
    loaded = load(path)
    assert loaded is not None
    assert loaded.lines == golden.lines
    assert [each.name for each in path.parent.iterdir()] == ["x.golden"]


FULL = """
import resource, sys
from pathlib import Path
from gunyah_emu.testing.golden import GoldenTrace, default_header
from gunyah_emu.testing.golden_file import store
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
store(Path(sys.argv[1]), GoldenTrace(default_header(), ("a line",) * 10_000))
"""


@pytest.mark.parametrize("is_old", [False, True])
def test_without_room_the_old_file_stays_and_it_says_so(tmp_path: Path, golden: GoldenTrace, is_old: bool):
    path = tmp_path / "x.golden"
    if is_old:
        store(path, golden)
    done = subprocess.run([PYTHON, "-c", FULL, str(path)], capture_output=True, text=True, check=False)
    kept = "the old one is unchanged" if is_old else "there is none now"
    assert done.stderr.splitlines()[-1].endswith(f"the golden trace cannot be written: File too large; {kept}")
    assert [each.name for each in tmp_path.iterdir()] == (["x.golden"] if is_old else [])
    if is_old:
        assert path.read_text() == golden.text()


KILLED = """
import os, sys
from pathlib import Path
from gunyah_emu.testing import golden_file
from gunyah_emu.testing.golden import GoldenTrace, default_header

def stuck(descriptor):
    print("written", flush=True)
    sys.stdin.read()

os.fsync = stuck
golden_file.store(Path(sys.argv[1]), GoldenTrace(default_header(), ("a line",)))
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_writer_that_is_killed_leaves_the_old_file_and_the_next_one_tells(
    tmp_path: Path, golden: GoldenTrace, end: signal.Signals
):
    path = tmp_path / "x.golden"
    store(path, golden)
    with subprocess.Popen(
        [PYTHON, "-c", KILLED, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"written\n"
        writer.send_signal(end)
        writer.wait()
    assert path.read_text() == golden.text()
    left = [each.name for each in tmp_path.iterdir() if each != path]
    assert left == ([f".x.golden.{writer.pid}.partial"] if end is signal.SIGKILL else [])
    told = store(path, golden)
    assert [each.name for each in tmp_path.iterdir()] == ["x.golden"]
    assert told == [f"{path}: an earlier update was killed while it wrote; its half-written copy is removed"] * len(
        left
    )


# in a test run


@pytest.fixture
def doorbells(pytester: pytest.Pytester) -> pytest.Pytester:
    for path in (GUESTS / "doorbell_irq").iterdir():
        shutil.copy(path, pytester.path)
    pytester.makepyfile(
        test_ring="""
        def test_ring(machine):
            machine.expect_exit()
            machine.assert_golden("golden/ring.golden")
        """
    )
    return pytester


def run(pytester: pytest.Pytester, *arguments: str, **counts: int) -> str:
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", *arguments)
    result.assert_outcomes(**counts)
    return str(result.stdout)


def test_a_golden_trace_is_recorded_then_compared_and_its_head_is_kept(doorbells: pytest.Pytester):
    path = doorbells.path / "golden" / "ring.golden"
    assert "record it by pytest --gunyah-update" in run(doorbells, failed=1)
    assert not path.exists()
    assert "golden/ring.golden: recorded, 14 events" in run(doorbells, "--gunyah-update", passed=1)
    run(doorbells, passed=1)
    text = path.read_text()
    assert "golden traces" not in run(doorbells, "--gunyah-update", passed=1)

    path.write_text(text.replace("SPI 9", "SPI 7"))
    shown = run(doorbells, failed=1)
    path.write_text(text.replace('varies = ["time"]', 'varies = ["time", "causes"]').replace("SPI 9", "SPI 7"))
    assert "-receiver/0 irq_acknowledged SPI 7" in shown
    assert "+receiver/0 irq_acknowledged SPI 9" in shown
    assert "ns  receiver virq_assert doorbell 2: SPI 9" in shown
    run(doorbells, "--gunyah-update", passed=1)
    assert 'varies = ["time", "causes"]' in path.read_text()
    assert "SPI 7" not in path.read_text()


def test_two_variants_that_write_one_file_differently_are_told(doorbells: pytest.Pytester):
    shown = run(doorbells, "--gunyah-update", "--gunyah-quanta=10,30000", passed=1, failed=1)
    assert "two runs write the golden trace" in shown


def test_a_run_of_which_events_are_lost_has_no_golden_trace(doorbells: pytest.Pytester):
    doorbells.makeini("[pytest]\ngunyah_events = 20\n")
    assert "raise the setting gunyah_events" in run(doorbells, "--gunyah-update", failed=1)


@pytest.mark.parametrize("end", ["Ctrl-C", "killed worker"])
def test_an_interrupted_update_leaves_whole_files_only(doorbells: pytest.Pytester, end: str):
    """Workers write golden traces for ever; one is killed, or all are interrupted, in the middle of that."""
    doorbells.makepyfile(
        test_ring="""
        import os, pathlib, pytest
        from gunyah_emu.testing.golden import GoldenTrace, default_header
        from gunyah_emu.testing.golden_file import store

        @pytest.mark.parametrize("n", range(40))
        def test_ring(machine, n):
            machine.expect_exit()
            pathlib.Path(f"pid.{os.getpid()}").touch()
            for turn in range(10):
                machine.golden_writes.clear()
                machine.assert_golden(f"golden/{n}.golden")
                store(machine.golden_folder / f"golden/{n}.golden", GoldenTrace(default_header(), ("another",)))
        """
    )
    command = [PYTHON, "-m", "pytest", "-q", "-p", "xdist", "-n", "2", "--gunyah-update", "-p", "no:cacheprovider"]
    with subprocess.Popen(
        command, cwd=doorbells.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as tests:
        while not (workers := list(doorbells.path.glob("pid.*"))) or not list(doorbells.path.glob("golden/*.golden")):
            assert tests.poll() is None
            time.sleep(0.01)
        if end == "Ctrl-C":
            os.killpg(tests.pid, signal.SIGINT)
        else:
            os.kill(int(workers[0].suffix[1:]), signal.SIGKILL)
        output, _ = tests.communicate()
    assert ("KeyboardInterrupt" if end == "Ctrl-C" else "crashed") in output
    for path in doorbells.path.glob("golden/*.golden"):
        text = path.read_text()
        assert text.endswith(("another\n", "sender exit 0\n")), path
