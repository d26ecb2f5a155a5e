"""More code than there is room for once it is translated: the run goes on and counts right, the host's memory stays."""

from __future__ import annotations

import mmap
from pathlib import Path

import pytest

from gunyah_emu.cpu import Stop, libunicorn, open_engine

BASE, SIZE = 0x4000_0000, 1 << 17
NOP, NEXT = 0xD503_201F, 0x1400_0001
BACK_TO_BASE = 0x1400_0000 | -(SIZE // 4 - 1) & 0x3FF_FFFF
BUFFER = 4 << 20


def memory() -> int:
    """Bytes of this process that no file backs."""
    return 1024 * int(Path("/proc/self/status").read_text().partition("RssAnon:")[2].split()[0])


@pytest.mark.parametrize(("way", "rounds"), [("fast", 8), ("portable", 3)])
def test_a_guest_that_fills_the_buffer_again_and_again_counts_right_and_takes_no_more(
    monkeypatch, all_ways, way, rounds
):
    if way not in all_ways:
        return
    monkeypatch.setattr(libunicorn, "CODE_BUFFER", BUFFER)
    code = memoryview(mmap.mmap(-1, SIZE))
    code[:] = (NOP.to_bytes(4, "little") + NEXT.to_bytes(4, "little")) * (SIZE // 8)
    code[-4:] = BACK_TO_BASE.to_bytes(4, "little")
    engine = open_engine(way=way)
    engine.map_ram(BASE, code)
    engine.reset(0, pc=BASE)
    sizes = []
    for _ in range(rounds):
        assert engine.run(0, SIZE // 4) is Stop.BUDGET
        assert (engine.retired, engine.registers(0).pc) == (SIZE // 4, BASE)
        engine.invalidate(BASE, SIZE)
        sizes.append(memory())
    engine.close()
    assert sizes[-1] - sizes[rounds // 2] < BUFFER
