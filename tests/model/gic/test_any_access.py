"""A guest may load, store and move anything, anywhere: it gets a value, an abort or UNDEFINED, never an exception of
ours."""

from __future__ import annotations

import random

import pytest

from gunyah_emu.gic import ARCHITECTURAL, CPU_INTERFACE_REGISTERS, GUNYAH, Gic, Model

VCPUS = 3
STEPS = 6_000


def interesting_offset(rng: random.Random, size: int) -> int:
    """Mostly where registers are, aligned or not."""
    span = rng.choice([0x100, 0x1000, 0x8000, 0x10000, 0x60000, 0x70000])
    base = rng.choice([0, 0x6000, 0x10000, 0x30000, 0xFFD0])
    offset = base + rng.randrange(span)
    return offset if rng.random() < 0.1 else offset & -size


def interesting_value(rng: random.Random) -> int:
    return rng.choice([0, 1, 2, 3, 40, 1023, 0xFFFF_FFFF, (1 << 64) - 1, 1 << rng.randrange(64), rng.getrandbits(64)])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("model", [ARCHITECTURAL, GUNYAH], ids=lambda model: model.name)
def test_any_access_is_answered(model: Model, seed: int) -> None:
    rng = random.Random(seed)
    lines = [False] * VCPUS

    def drive(vcpu: int, level: bool) -> None:
        assert lines[vcpu] is not level
        lines[vcpu] = level

    gic = Gic(VCPUS, 64, drive, model)
    for intid in range(32, 96):
        gic.connect(intid, lambda: rng.random() < 0.3)
    for _ in range(STEPS):
        kind = rng.randrange(8)
        size = rng.choice([1, 2, 4, 4, 4, 8])
        frame = rng.choice([gic.distributor, gic.redistributors])
        cpu = rng.choice(gic.cpu_interfaces)
        if kind == 0:
            value = frame.read(interesting_offset(rng, size), size)
            assert value is None or 0 <= value < 1 << 8 * size
        elif kind <= 2:
            value = interesting_value(rng) & (1 << 8 * size) - 1
            assert frame.write(interesting_offset(rng, size), size, value) in (True, False)
        elif kind <= 4:
            register = rng.choice(CPU_INTERFACE_REGISTERS)
            if register.writer is not None:
                assert getattr(cpu, register.writer)(interesting_value(rng)) in (True, False)
            if register.reader is not None:
                value = getattr(cpu, register.reader)()
                assert value is None or 0 <= value < 1 << 64
        elif kind == 5:
            rng.choice([gic.assert_level, gic.assert_edge, gic.clear])(rng.randrange(32, 96))
        elif kind == 6:
            gic.set_private_level(cpu.vcpu, rng.randrange(16, 32), rng.random() < 0.5)
        else:
            assert isinstance(gic.why_not(cpu.vcpu, rng.randrange(1024)), list)
        # Keep it alive: most random writes turn things off.
        if rng.random() < 0.05:
            gic.distributor.write(0, 4, 2)
            cpu.write_igrpen1(1)
            cpu.write_pmr(0xFF)
            gic.distributor.write(0x84, 4, 0xFFFF_FFFF)
            gic.distributor.write(0x104, 4, rng.getrandbits(32))
