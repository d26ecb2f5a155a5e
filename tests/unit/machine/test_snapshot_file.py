"""A machine's state in a file: it goes on in another process, or is refused with the reason."""

import io
import json
import pickle
import shutil
import subprocess
import sys
import zlib
from hashlib import sha256
from pathlib import Path

import pytest

from gunyah_emu import Machine, UserError
from gunyah_emu.debug.session import Session
from gunyah_emu.events import MemorySink
from gunyah_emu.machine import snapshot_file

GUESTS = Path(__file__).parents[3] / "guest_images"

GO_ON = """
import json, sys
from gunyah_emu import Machine
with Machine.from_snapshot(sys.argv[1]) as machine:
    outcome = machine.run()
    print(json.dumps([outcome.instructions, outcome.virtual_ns, [vm.console.text for vm in machine.vms]]))
"""


def end_of(machine):
    outcome = machine.run()
    return [outcome.instructions, outcome.virtual_ns, [vm.console.text for vm in machine.vms]]


@pytest.mark.parametrize("way", ["fast", "portable"])
@pytest.mark.parametrize(
    ("name", "after"), [("doorbell_irq", 70_000), ("message_queue", 70_000), ("smp", 400_000), ("timer", 5000)]
)
def test_another_process_goes_on(name, after, way, tmp_path):
    path = tmp_path / "saved.snapshot"
    with Machine.from_toml(GUESTS / name / "machine.toml", way=way) as machine:
        machine.run(max_instructions=after)
        machine.snapshot().save(path)
        end = end_of(machine)
    done = subprocess.run([sys.executable, "-c", GO_ON, path], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == end


def test_an_earlier_state_is_saved_while_the_machine_stays_where_it_is(tmp_path):
    with Machine.from_toml(GUESTS / "doorbell_irq" / "machine.toml") as machine:
        machine.run(max_instructions=50_000)
        early = machine.snapshot()
        machine.run(max_instructions=20_000)
        early.save(tmp_path / "early.snapshot")
        assert machine.clock.instructions > early.instructions
        end = end_of(machine)
    with Machine.from_snapshot(tmp_path / "early.snapshot") as machine:
        assert machine.clock.instructions == early.instructions
        assert end_of(machine) == end


def test_who_looks_on_is_no_part_of_it_and_looks_on(tmp_path):
    with Machine.from_toml(GUESTS / "doorbell_irq" / "machine.toml") as machine:
        kept = MemorySink()
        machine.record(kept)
        session = Session(machine)
        session.go(70_500)
        session.step(session.current, 3)
        machine.snapshot().save(tmp_path / "halted.snapshot")
        before = len(kept.events)
        session.resume()
        assert len(kept.events) > before
        session.close()
        end = [machine.clock.instructions, machine.clock.now(), [vm.console.text for vm in machine.vms]]
    with Machine.from_snapshot(tmp_path / "halted.snapshot") as machine:
        assert machine.tracing is None
        assert end_of(machine) == end


def test_the_command_line_saves_and_goes_on(tmp_path):
    def run(*words):
        command = [sys.executable, "-m", "gunyah_emu", "run", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    path = tmp_path / "half.snapshot"
    first = run(GUESTS / "doorbell_irq" / "machine.toml", "--max-instructions", "75000", "--snapshot", path)
    assert first.returncode == 124
    second = run(path)
    assert (second.returncode, second.stderr) == (0, "")
    whole = run(GUESTS / "doorbell_irq" / "machine.toml")
    assert sorted((first.stdout + second.stdout).splitlines()) == sorted(whole.stdout.splitlines())
    assert run(path, "--seed", "1").stderr == (
        f"gunyah-emu: {path}: --seed must be left out for a snapshot, which says it itself\n"
    )
    assert run(path, path).stderr == "gunyah-emu: a snapshot must stand alone; 2 files were given\n"


# what is refused


@pytest.fixture
def saved(tmp_path):
    shutil.copy(GUESTS / "hello" / "hello.elf", tmp_path)
    path = tmp_path / "saved.snapshot"
    with Machine.from_images([tmp_path / "hello.elf"]) as machine:
        machine.run(max_instructions=100)
        machine.snapshot().save(path)
    return path


def refusal(path):
    with pytest.raises(UserError) as caught:
        Machine.from_snapshot(path)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value).removeprefix(f"{path}: ")


def with_header(path, **changes):
    magic, header, packed = path.read_bytes().split(b"\n", 2)
    fields = json.loads(header) | changes
    path.write_bytes(b"\n".join((magic, json.dumps(fields).encode(), packed)))


def test_no_file_and_no_snapshot(tmp_path):
    assert refusal(tmp_path / "none") == "a snapshot must be a file that can be read; No such file or directory"
    (tmp_path / "text").write_text("hello")
    assert refusal(tmp_path / "text") == "this is no snapshot of a machine"


def test_one_that_was_cut_short(saved):
    whole = saved.read_bytes()
    saved.write_bytes(whole[:-1])
    assert "bytes of state; it has" in refusal(saved)
    saved.write_bytes(whole[:30])
    assert refusal(saved) == "the snapshot is damaged: its first lines make no sense"


def test_one_that_was_damaged(saved):
    data = bytearray(saved.read_bytes())
    data[-5] ^= 1
    saved.write_bytes(data)
    assert refusal(saved) == "the snapshot is damaged: its contents are not what was written"


def test_one_of_another_version(saved):
    with_header(saved, version="0.0.9")
    assert refusal(saved) == "the snapshot must be of this version, 0.1.0 (format 1); it is of 0.0.9 (format 1)"


def test_one_of_another_build(saved):
    with_header(saved, objects=3)
    assert refusal(saved) == "the snapshot must be of this very build of the package; it is of another"


def test_one_whose_image_has_changed_or_gone(saved):
    image = saved.parent / "hello.elf"
    image.write_bytes(image.read_bytes() + b"\0")
    assert refusal(saved) == f"the snapshot's machine is made of {image}, which has changed since"
    image.unlink()
    assert refusal(saved) == f"the snapshot's machine is made of {image}, which is gone"


class Evil:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "evil",
    [
        Evil(exec, "raise SystemExit(7)"),
        Evil(subprocess.run, ["true"]),
        Evil(getattr, snapshot_file.save, "__globals__"),
    ],
)
def test_one_that_would_run_code_on_the_host(saved, evil):
    _, header, _ = saved.read_bytes().split(b"\n", 2)
    body = io.BytesIO()
    pickle.Pickler(body, protocol=5).dump(([(0, evil)], {}))
    packed = zlib.compress(body.getvalue())
    fields = json.loads(header) | {"size": len(packed), "digest": sha256(packed).hexdigest()}
    saved.write_bytes(snapshot_file.MAGIC + json.dumps(fields).encode() + b"\n" + packed)
    assert refusal(saved).startswith("the snapshot holds what no snapshot holds: ")


def test_vms_that_a_guest_made_are_said_not_to_fit(tmp_path):
    with Machine.from_toml(GUESTS / "root_proxy" / "machine.toml") as machine:
        machine.run(max_instructions=300_000)
        with pytest.raises(UserError, match="of the machine file's own VMs only; guests have made more"):
            machine.snapshot().save(tmp_path / "root.snapshot")
        assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_leaves_no_half_of_a_file(tmp_path):
    with Machine.from_images([GUESTS / "hello" / "hello.elf"]) as machine, pytest.raises(UserError) as caught:
        machine.snapshot().save(tmp_path / "none" / "saved.snapshot")
    assert "the snapshot cannot be written: No such file or directory" in str(caught.value)
