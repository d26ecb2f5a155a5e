"""The fast and the portable way give one guest one run: the same exits in order, the same counts, the same state.

Random programs of everything that traps and much that does not, in slices of random length.  A program that differs is
its seed.
"""

from __future__ import annotations

import mmap
import random

import pytest

from gunyah_emu.cpu import Stop, SystemRegister

DEVICE, READ_ONLY = 0x0800_0000, 0x4000_7000

PROLOGUE = """
    movz x8, #0x4008, lsl #16
    movz x18, #0x0800, lsl #16
    movz x29, #0x1234, lsl #16
    movz x30, #0x4000, lsl #16
    movk x30, #0x7000
    mov sp, x8
"""
POINTERS = ("x8", "x8", "x18", "x18", "x18", "x29", "x30")  # RAM, device, nothing, read-only RAM
READABLE = (
    "esr_el1",
    "elr_el1",
    "far_el1",
    "spsr_el1",
    "cntvct_el0",
    "cntpct_el0",
    "cntfrq_el0",
    "cntv_ctl_el0",
    "cntv_tval_el0",
    "cntp_cval_el0",
    "midr_el1",
    "mpidr_el1",
    "id_aa64pfr0_el1",
    "id_aa64isar0_el1",
    "id_aa64mmfr0_el1",
    "S3_0_C12_C12_0",
    "S3_0_C11_C3_5",
    "currentel",
    "nzcv",
    "daif",
    "sctlr_el1",
    "pmccntr_el0",
    "pmcr_el0",
    "ctr_el0",
    "spsel",
    "tpidr_el0",
    "mdscr_el1",
    "oslsr_el1",
    "dbgbcr0_el1",
    "fpcr",
)
MOVES = (
    "ldr_x",
    "ldr_w",
    "ldrb_w",
    "ldrh_w",
    "ldrsb_x",
    "ldrsh_w",
    "ldrsw_x",
    "ldur_x",
    "ldtr_x",
    "str_x",
    "str_w",
    "strb_w",
    "strh_w",
    "stur_w",
    "sttr_x",
)
OTHER_MOVES = (
    "ldp {r}, x15, [{b}, #{o}]",
    "stp {r}, {s}, [{b}, #{o}]", "ldr {r}, [{b}], #0", "ldxr {r}, [{b}]", "stxr w15, {r}, [{b}]",
    "ldr q0, [{b}]", "ldr {r}, [{b}, {s}]", "str {r}, [x8, #-8]!", "ldr {r}, [x8], #8", "dc zva, x8", "ldar {r}, [{b}]",
    "stlr {r}, [{b}]", "ld1 {{v0.2d, v1.2d}}, [x30]", "ldr {r}, [{b}, {s}, lsl #3]", "str {r}, [{b}, w7, uxtw]",
)  # fmt: skip
EXITS = (
    "hvc #0x6000", "hvc #0x6001", "hvc #0x6002", "hvc #0x6050", "hvc #7", "smc #3", "svc #5", "brk #9", ".word 0",
    ".word 0xd45e0000", "hlt #3", "wfi", "fadd d0, d0, d1",
)  # fmt: skip
STATE = (
    "msr S3_0_C12_C12_1, {r}", "msr S3_0_C11_C3_5, {r}", "msr daifset, #2", "msr daifclr, #2", "msr daifclr, #2",
    "msr cntv_tval_el0, {r}", "msr cntp_ctl_el0, {r}", "msr tpidr_el0, {r}", "msr spsel, #0", "msr spsel, #1", "isb",
)  # fmt: skip
ALU = (
    "add {r}, {s}, {t}",
    "sub {r}, {s}, {t}",
    "eor {r}, {s}, {t}",
    "orr {r}, {s}, {t}",
    "mul {r}, {s}, {t}",
    "movz {r}, #{n}",
)

SYNCHRONOUS = """
    stp x20, x21, [sp, #-16]!
    add x28, x28, #1
    mrs x26, esr_el1
    eor x27, x27, x26
    mrs x26, far_el1
    eor x27, x27, x26
    mrs x20, esr_el1
    lsr x20, x20, #26
    cmp x20, #0x15
    b.eq out
    mrs x20, elr_el1
    add x20, x20, #4
    msr elr_el1, x20
out:
    ldp x20, x21, [sp], #16
    eret
"""
INTERRUPT = "add x25, x25, #1\nmrs x24, S3_0_C12_C12_0\nmsr S3_0_C12_C12_1, x24\neret"


def program(rng: random.Random) -> str:
    """Four times through a list of random instructions."""
    length = rng.randrange(20, 120)

    def register() -> str:
        return f"x{rng.randrange(8)}"

    def instruction(index: int) -> str:
        kind = rng.random()
        fields = {
            "r": register(),
            "s": register(),
            "t": register(),
            "b": rng.choice(POINTERS),
            "o": rng.randrange(18) * 8,
            "n": rng.randrange(1 << 16),
        }
        if kind < 0.2:
            name, size = rng.choice(MOVES).split("_")
            return f"{name} {size}{rng.randrange(8)}, [{fields['b']}, #{fields['o']}]"
        if kind < 0.3:
            return rng.choice(OTHER_MOVES).format(**fields)
        if kind < 0.42:
            return f"mrs {register()}, {rng.choice(READABLE)}"
        if kind < 0.5:
            return rng.choice(STATE).format(**fields)
        if kind < 0.62:
            return rng.choice(EXITS)
        if kind < 0.7:
            return f"tbnz {register()}, #3, at{rng.randrange(index + 1, length + 1)}"
        return rng.choice(ALU).format(**fields)

    body = "\n".join(f"at{index}: {instruction(index)}" for index in range(length))
    return f"{PROLOGUE}{body}\nat{length}: add x19, x19, #1\ncmp x19, #4\nb.ne at0\nhvc #0xe0\nb ."


class Device:
    def __init__(self, log, retired):
        self.log = log
        self.retired = retired

    def read(self, offset, size):
        self.log.append(("read", offset, size, self.retired()))
        return None if offset & 0x40 else 0xF1E2_D3C4_B5A6_9788 * (offset + 1) & (1 << 8 * size) - 1

    def write(self, offset, size, value):
        self.log.append(("write", offset, size, value, self.retired()))
        return not offset & 0x40


def observe(new_guest, way: str, seed: int, calls) -> tuple[object, ...]:
    """Everything that can be seen of one run."""
    rng = random.Random(seed)
    source, log = program(rng), []

    def call(name, act, results):
        return lambda caller, *x: (log.append((name, x, g.engine.retired)), act(*x), results(*x))[2]

    table = calls({
        0: (0, call("line", lambda: g.engine.set_irq(0, True), lambda: (1, 2))),
        1: (2, call("shorten", lambda a, b: g.engine.shorten(a & 63), lambda a, b: a)),
        2: (0, call("stop", lambda: g.engine.request_stop(), lambda: 5)),
    })  # fmt: skip
    registers = [
        SystemRegister(
            "ICC_IAR1_EL1", (3, 0, 12, 12, 0), read=call("iar", lambda: g.engine.set_irq(0, False), lambda: 40)
        ),
        SystemRegister("ICC_EOIR1_EL1", (3, 0, 12, 12, 1), write=call("eoi", lambda v: None, lambda v: v != 3)),
    ]
    for register in registers:  # an entry's first argument is its caller, which a register has not
        for verb in ("read", "write"):
            if (method := getattr(register, verb)) is not None:
                setattr(register, verb, lambda *x, method=method: method(None, *x))
    vectors = {
        base + offset: code for base in (0, 0x200) for offset, code in ((0, SYNCHRONOUS), (0x80, INTERRUPT))
    }  # fmt: skip
    g = new_guest(
        way,
        source,
        vectors=vectors,
        calls=table,
        system_registers=[registers],
        cpu_model="max" if seed % 5 == 0 else "cortex-a72",
    )
    engine, state = g.engine, g.engine.registers(0)
    engine.map_device(DEVICE, 0x1000, Device(log, lambda: engine.retired))
    read_only = mmap.mmap(-1, 4096)
    read_only[:] = bytes(range(256)) * 16
    engine.unmap(READ_ONLY, 4096)
    engine.map_ram(READ_ONLY, read_only, writable=False)
    state["SP_EL0"] = 0x4009_0000
    state["CPACR_EL1"] = (seed & 3) << 20
    engine.timers[0].level = lambda intid, level: log.append((intid, level, engine.retired))
    clock, trace = 0, []
    for _ in range(300):
        engine.set_clock(clock)
        stop = g.run(rng.choice((1, 2, 3, 5, 10, 50, 1000)))
        clock += engine.retired
        trace.append((stop, engine.retired, state.pc, state.pstate, state.sp, *state.x))
        if stop is Stop.WFI or rng.random() < 0.1:
            engine.set_irq(0, True)
        if state.x[19] == 4 or stop is Stop.EXCEPTION_LOOP:
            break
    saved = [state[name] for name in ("ESR_EL1", "FAR_EL1", "ELR_EL1", "SPSR_EL1", "SP_EL0", "SP_EL1")]
    seen = trace, log, g.seen, bytes(g.memory), bytes(read_only), saved
    engine.close()
    return seen


@pytest.mark.parametrize("seed", range(40))
def test_random_programs(new_guest, all_ways, calls, seed):
    first = observe(new_guest, all_ways[0], seed, calls)
    assert observe(new_guest, all_ways[0], seed, calls) == first, "one way, twice"
    for other in all_ways[1:]:
        assert observe(new_guest, other, seed, calls) == first
