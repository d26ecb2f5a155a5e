"""The private door: what is proved, and what is said when the proof fails."""

from __future__ import annotations

import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from gunyah_emu.cpu import door, libunicorn, open_engine
from gunyah_emu.cpu.opening import STALE
from gunyah_emu.errors import UserError


@pytest.fixture
def unproved(monkeypatch):
    """The door as a fresh process finds it."""
    monkeypatch.setattr(door, "_door", None)


# What a different build of Unicorn would look like, and the line that says so.
DIFFERENCES = [
    ("env_x", 72, r"unicorn's layout differs: x0\.\.sp is \[.*\], not \[0, 1, .*\]"),
    ("env_ttbr1_el1", 816, r"unicorn's layout differs: env_ttbr1_el1 is 0, not 305422336"),
    ("uc_cpu", 448, r"unicorn's layout differs: .*"),
    ("cpu_env", 288, r"unicorn's layout differs: .*"),
    ("env_syndrome", 3028, r"unicorn's layout differs: the proof's run is .*"),
    ("env_pc", 328, r"unicorn's layout differs: the proof's run is .*"),
    ("env_daif", 568, r"unicorn's layout differs: DAIF at the IRQ vector is .*"),
    ("cpu_uc", 33200, r"unicorn's layout differs: the CPU's pointer to its engine is .*"),
    ("hook_callback", 48, r"unicorn's layout differs: a hook's function is .*"),
    ("env_exclusive_addr", 12024, r"unicorn's layout differs: exclusive_addr is 0, not 18446744073709551615"),
]


@pytest.mark.parametrize(("name", "offset", "message"), DIFFERENCES, ids=[each[0] for each in DIFFERENCES])
@pytest.mark.usefixtures("unproved")
def test_an_offset_that_is_wrong_closes_the_door_with_one_line(monkeypatch, name, offset, message):
    monkeypatch.setitem(door.OFFSETS, name, offset)
    for _ in range(2):  # the second time the answer is remembered
        with pytest.raises(door.DoorClosedError) as closed:
            door.open_door()
        assert re.fullmatch(message, str(closed.value))


@pytest.mark.usefixtures("unproved")
def test_a_symbol_that_is_missing_closes_the_door(monkeypatch):
    monkeypatch.setattr(door, "_PRIVATE", ("arm_cpu_do_nothing",))
    with pytest.raises(
        door.DoorClosedError, match=r"^this build of unicorn does not export arm_cpu_do_nothing_aarch64$"
    ):
        door.open_door()


def test_blocks_that_do_not_count_right_close_the_door_and_leave_the_translator_as_it_was(monkeypatch, all_ways):
    if "fast" not in all_ways:
        return
    from gunyah_emu.cpu import counting, fast

    proved = fast.open_accelerator()
    replaced = dict(door._replaced)
    monkeypatch.setattr(counting, "_LOOP", counting._LOOP[:4] + counting._LOOP)
    try:
        with pytest.raises(door.DoorClosedError, match=r"^unicorn's translator differs: blocks count \[.*\]$"):
            counting.let_blocks_count(proved)
        assert {name: door._replaced[name] for name in counting.REPLACED} == {
            name: proved.functions[name] for name in counting.REPLACED
        }
    finally:
        for name in counting.REPLACED:
            proved.replace(name, replaced[name])


@pytest.mark.usefixtures("unproved")
def test_another_machine_closes_the_door(monkeypatch):
    monkeypatch.setattr("os.uname", lambda: SimpleNamespace(machine="riscv64"))
    with pytest.raises(
        door.DoorClosedError, match=r"^the private layout of unicorn is known for x86_64 only, not for riscv64$"
    ):
        door.open_door()


def closed():
    raise door.DoorClosedError("the door is jammed")


def test_a_closed_door_leaves_the_portable_way_and_the_reason(monkeypatch, all_ways):
    if "fast" in all_ways:
        monkeypatch.setattr("gunyah_emu.cpu.fast.open_accelerator", closed)
    expected = "the door is jammed" if "fast" in all_ways else "the C accelerator is not built"
    engine = open_engine()
    assert (engine.way, engine.why) == ("portable", expected)
    engine.close()
    with pytest.raises(UserError, match=f"^the fast way must work where it is asked for, but {expected}$"):
        open_engine(way="fast")


def stale():
    raise KeyError("a name that only newer sources know")


def test_an_accelerator_of_older_sources_leaves_the_portable_way_and_the_reason(monkeypatch, all_ways):
    """Whoever pulls and does not build again must not be met by a traceback."""
    if "fast" in all_ways:
        monkeypatch.setattr("gunyah_emu.cpu.fast.open_accelerator", stale)
        engine = open_engine()
        assert (engine.way, engine.why) == ("portable", STALE)
        engine.close()


def test_a_missing_unicorn_is_said(monkeypatch):
    monkeypatch.setattr(libunicorn, "_library", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        UserError,
        match=r"^the package unicorn must be installed with its shared library: pip install unicorn==2\.1\.4$",
    ):
        libunicorn.library()


def test_another_version_of_unicorn_is_said(monkeypatch):
    monkeypatch.setattr(libunicorn, "_library", None)
    monkeypatch.setattr(libunicorn, "VERSION", (2, 1, 5))
    with pytest.raises(
        UserError, match=r"^unicorn must be version 2\.1\.5, not 2\.1\.4: pip install unicorn==2\.1\.5$"
    ):
        libunicorn.library()


def test_a_library_that_cannot_be_loaded_is_said(monkeypatch, tmp_path):
    broken = tmp_path / "libunicorn.so.2"
    broken.write_bytes(b"not a library")
    monkeypatch.setattr(libunicorn, "_library", None)
    monkeypatch.setattr(libunicorn, "_find", lambda: broken)
    with pytest.raises(UserError, match=r"libunicorn\.so\.2: unicorn's library must be loadable, but: "):
        libunicorn.library()


def test_neither_way_imports_unicorns_python_binding(all_ways):
    for way in all_ways:
        code = (
            f"import sys; from gunyah_emu.cpu import open_engine; open_engine(way={way!r}); "
            "sys.exit('unicorn' in sys.modules)"
        )
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
