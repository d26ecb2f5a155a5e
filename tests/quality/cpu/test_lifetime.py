"""Engines come and go: a test session makes thousands."""

from __future__ import annotations

import gc
import mmap
import weakref
from pathlib import Path

import pytest

from gunyah_emu.cpu import CallTable, SystemRegister, open_engine
from gunyah_emu.errors import UserError

BASE = 0x4000_0000


def ways():
    try:
        open_engine(way="fast").close()
    except UserError:
        return ["portable"]
    return ["fast", "portable"]


def resident_kib():
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1])


def one(way):
    registers = [SystemRegister("ICC_IAR1_EL1", (3, 0, 12, 12, 0), read=lambda: 1023)]
    calls = CallTable([lambda caller: 0], b"\0")
    engine = open_engine(way=way, vcpus=2, system_registers=[registers] * 2, calls=calls)
    memory = mmap.mmap(-1, 64 * 1024)
    memory[:8] = b"\x02\x00\x0c\xd4\x7f\x20\x03\xd5"  # hvc #0x6000; wfi
    engine.map_ram(BASE, memory)
    engine.reset(0, BASE)
    engine.run(0, 100)
    engine.close()
    return weakref.ref(engine)


@pytest.mark.parametrize("way", ways())
def test_a_thousand_engines_leave_no_memory_behind(way):
    for _ in range(100):
        one(way)
    gc.collect()
    before = resident_kib()
    for _ in range(1000):
        one(way)
    gc.collect()
    grown = resident_kib() - before
    assert grown < 4 * 1024, f"{grown} KiB more after 1000 engines"


@pytest.mark.parametrize("way", ways())
def test_a_closed_engine_is_collected(way):
    left = one(way)
    gc.collect()
    assert left() is None


@pytest.mark.parametrize("way", ways())
def test_closing_releases_the_buffers(way):
    engine = open_engine(way=way)
    memory = mmap.mmap(-1, 4096)
    engine.map_ram(BASE, memory)
    engine.registers(0).x[7] = 7
    engine.close()
    engine.close()
    with pytest.raises(RuntimeError, match="run called on a closed engine"):
        engine.run(0, 10)
    del engine
    gc.collect()
    memory.close()  # BufferError while anybody holds it
