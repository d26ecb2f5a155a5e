"""RAM and devices as a guest meets them, both ways."""

from __future__ import annotations

import mmap
import random

import pytest

from gunyah_emu.cpu import Stop

BASE = 0x4000_0000
DEVICE = 0x0900_0000
SKIP = {0x200: "mrs x20, esr_el1\nmrs x21, far_el1\nmrs x10, elr_el1\nadd x10, x10, #4\nmsr elr_el1, x10\neret"}
ONES = (1 << 64) - 1


class Device:
    """Reads as a number with its top bit set in every size; refuses offset 0x80."""

    def __init__(self):
        self.log = []

    def read(self, offset, size):
        self.log.append(("read", offset, size))
        return None if offset == 0x80 else 0x8182_8384_8586_8788 & (1 << 8 * size) - 1

    def write(self, offset, size, value):
        self.log.append(("write", offset, size, value))
        return offset != 0x80


def with_device(make, source, **options):
    g = make(f"mov x0, #{DEVICE}\nmov x1, #-2\nmov x2, #16\n{source}\nhvc #0xe0", vectors=SKIP, **options)
    g.device = Device()
    g.engine.map_device(DEVICE, 0x1000, g.device)
    return g.finish()


LOADS = [
    ("ldr x1, [x0, #8]", 8, 8, 0x8182_8384_8586_8788),
    ("ldr w1, [x0, #4]", 4, 4, 0x8586_8788),
    ("ldrh w1, [x0, #2]", 2, 2, 0x8788),
    ("ldrb w1, [x0, #1]", 1, 1, 0x88),
    ("ldrsb w1, [x0]", 0, 1, 0xFFFF_FF88),
    ("ldrsb x1, [x0]", 0, 1, ONES - 0x77),
    ("ldrsh w1, [x0]", 0, 2, 0xFFFF_8788),
    ("ldrsh x1, [x0]", 0, 2, ONES - 0x7877),
    ("ldrsw x1, [x0]", 0, 4, 0xFFFF_FFFF_8586_8788),
    ("ldur w1, [x0, #12]", 12, 4, 0x8586_8788),
    ("ldtr w1, [x0, #12]", 12, 4, 0x8586_8788),
    ("ldr w1, [x0, x2]", 16, 4, 0x8586_8788),
    ("ldr w1, [x0, x2, lsl #2]", 64, 4, 0x8586_8788),
    ("ldr w1, [x0, w2, uxtw]", 16, 4, 0x8586_8788),
    ("ldr w1, [x0, w2, sxtw #2]", 64, 4, 0x8586_8788),
    ("ldar w1, [x0]", 0, 4, 0x8586_8788),
    ("ldarb w1, [x0]", 0, 1, 0x88),
    ("ldr xzr, [x0]", 0, 8, ONES - 1),
]


@pytest.mark.parametrize(("load", "offset", "size", "value"), LOADS, ids=[each[0] for each in LOADS])
def test_a_load_is_a_read_of_the_device(guest, load, offset, size, value):
    g = with_device(guest, load)
    assert g.device.log == [("read", offset, size)]
    assert hex(g.x[1]) == hex(value)
    assert g.engine.retired == 5


STORES = [
    ("str x1, [x0, #8]", 8, 8, ONES - 1),
    ("str w1, [x0, #4]", 4, 4, 0xFFFF_FFFE),
    ("strh w1, [x0, #2]", 2, 2, 0xFFFE),
    ("strb w1, [x0, #1]", 1, 1, 0xFE),
    ("str xzr, [x0]", 0, 8, 0),
    ("stur w1, [x0, #12]", 12, 4, 0xFFFF_FFFE),
    ("str w1, [x0, x2]", 16, 4, 0xFFFF_FFFE),
    ("stlr w1, [x0]", 0, 4, 0xFFFF_FFFE),
]


@pytest.mark.parametrize(("store", "offset", "size", "value"), STORES, ids=[each[0] for each in STORES])
def test_a_store_is_a_write_to_the_device(guest, store, offset, size, value):
    assert with_device(guest, store).device.log == [("write", offset, size, value)]


@pytest.mark.parametrize(
    "access",
    [
        "ldp x3, x4, [x0]", "stp x3, x4, [x0]", "ldr x3, [x0], #8", "ldr x3, [x0, #8]!", "str x3, [x0], #8",
        "ldxr x3, [x0]", "ldr q0, [x0]", "str d0, [x0]", "ld1 {v0.16b}, [x0]",
    ],
)  # fmt: skip
def test_an_access_without_a_syndrome_is_an_external_abort_and_changes_nothing(guest, access):
    g = with_device(guest, f"mov x3, #3 << 20\nmsr cpacr_el1, x3\nisb\n{access}")
    wnr = 0x40 if access.startswith("st") else 0
    far = DEVICE + (8 if access.endswith("!") else 0)
    assert (hex(g.x[20]), g.x[21], g.x[0], g.device.log) == (hex(0x9600_0010 | wnr), far, DEVICE, [])


@pytest.mark.parametrize(
    ("access", "esr"), [("ldr w1, [x0, #0x80]", 0x9600_0010), ("str w1, [x0, #0x80]", 0x9600_0050)]
)
def test_a_device_may_abort(guest, access, esr):
    g = with_device(guest, access)
    assert (g.x[20], g.x[21], g.x[1], len(g.device.log)) == (esr, DEVICE + 0x80, ONES - 1, 1)
    assert g.seen == []  # something is there


def test_code_cannot_be_fetched_from_a_device(guest):
    vectors = {0x200: "mrs x20, esr_el1\nmrs x21, far_el1\nhvc #0xe0"}
    g = guest(f"mov x0, #{DEVICE}\nbr x0", vectors=vectors)
    g.engine.map_device(DEVICE, 0x1000, Device())
    g.finish()
    assert (g.x[20], g.x[21]) == (0x8600_0010, DEVICE)


@pytest.mark.parametrize("value", ["x", -1, 1 << 64])
def test_a_device_that_answers_nonsense_is_a_python_error(guest, value):
    g = guest(f"mov x0, #{DEVICE}\nldr w1, [x0]")
    device = Device()
    device.read = lambda offset, size: value
    g.engine.map_device(DEVICE, 0x1000, device)
    with pytest.raises((TypeError, OverflowError)):
        g.run()


def test_a_device_access_changes_no_flags_and_the_next_instruction_follows(guest):
    g = with_device(guest, "cmp x2, #16\nldr w3, [x0]\ncset x4, eq\nadd x5, x4, #1")
    assert (g.x[4], g.x[5]) == (1, 2)


def test_read_only_ram_refuses_stores_and_gives_them_to_a_device_that_is_there(guest):
    g = guest(f"mov x0, #{DEVICE}\nldr x1, [x0]\nstr x1, [x0]\nldr x2, [x0]\nstr x2, [x0, #8]\nhvc #0xe0", vectors=SKIP)
    flash = mmap.mmap(-1, 4096)
    flash[:8] = b"unlocked"
    g.engine.map_ram(DEVICE, flash, writable=False)
    g.finish()
    assert (g.x[1].to_bytes(8, "little"), hex(g.x[20]), g.x[21]) == (b"unlocked", "0x96000050", DEVICE + 8)
    assert flash[:16] == b"unlocked" + bytes(8)
    device = Device()
    g.engine.map_device(DEVICE, 0x1000, device)
    g.engine.registers(0).pc = BASE
    g.finish()
    assert [each[:3] for each in device.log] == [("write", 0, 8), ("write", 8, 8)]


def test_ram_that_is_not_executable_cannot_be_fetched_from(guest):
    g = guest(f"mov x0, #{DEVICE}\nbr x0", vectors={0x200: "mrs x20, esr_el1\nmrs x21, far_el1\nhvc #0xe0"})
    g.engine.map_ram(DEVICE, mmap.mmap(-1, 4096), executable=False)
    g.finish()
    assert (g.x[20], g.x[21]) == (0x8600_0010, DEVICE)


def test_ram_can_be_unmapped_in_part_and_mapped_anew_while_the_guest_runs(guest, calls):
    memory, other = mmap.mmap(-1, 4 * 4096), mmap.mmap(-1, 4096)
    memory[:] = b"".join(bytes([page]) * 4096 for page in (1, 2, 3, 4))
    other[:] = bytes([9]) * 4096

    def unmap(caller):
        g.engine.unmap(DEVICE + 4096, 8192)
        return 0

    def remap(caller):
        g.engine.map_ram(DEVICE + 8192, other)
        return 0

    look = "ldrb w3, [x1]\nadd x4, x3, x4, lsl #8\nadd x1, x1, #0x1000\n"
    g = guest(
        f"mov x5, #3\nagain: mov x1, #{DEVICE}\nmov x4, #0\n{look * 4}stp x4, x7, [x6], #16\nsubs x5, x5, #1\n"
        "b.eq end\ncmp x5, #2\nb.ne second\nhvc #0x6000\nb again\nsecond: hvc #0x6001\nb again\nend: hvc #0xe0",
        vectors={0x200: "mov w3, #0xee\nadd x7, x7, #1\nmrs x10, elr_el1\nadd x10, x10, #4\nmsr elr_el1, x10\neret"},
        calls=calls({0: (0, unmap), 1: (0, remap)}, results=1),
    )
    g.x[6] = BASE + 0x8000
    g.engine.map_ram(DEVICE, memory)
    g.finish()
    assert [hex(g.word(0x8000 + 16 * n)) for n in range(3)] == ["0x1020304", "0x1eeee04", "0x1ee0904"]
    assert [g.word(0x8008 + 16 * n) for n in range(3)] == [0, 2, 3]


def test_a_device_can_be_unmapped(guest, calls):
    g = guest(
        f"mov x20, #{DEVICE}\nldr w1, [x20]\nhvc #0x6000\nldr w2, [x20]\nhvc #0xe0",
        vectors={0x200: "mrs x21, far_el1\nhvc #0xe0"},
        calls=calls({0: (0, lambda caller: g.engine.unmap(DEVICE, 0x1000) or 0)}),
    )
    g.engine.map_device(DEVICE, 0x1000, Device())
    g.finish()
    assert g.x[21] == DEVICE


def test_one_buffer_can_be_seen_at_two_places(guest):
    g = guest(f"mov x0, #{DEVICE}\nmov x1, #{DEVICE + 0x10_0000}\nmov x2, #5\nstr x2, [x0]\nldr x3, [x1]\nhvc #0xe0")
    shared = mmap.mmap(-1, 4096)
    g.engine.map_ram(DEVICE, shared)
    g.engine.map_ram(DEVICE + 0x10_0000, shared)
    g.finish()
    assert g.x[3] == 5


def test_pieces_of_one_buffer_are_mapped_and_unmapped_for_ever(guest, calls):
    memory = memoryview(mmap.mmap(-1, 64 * 4096))
    rng = random.Random(1)

    def remap(caller):
        g.engine.unmap(DEVICE, 8 * 4096)
        first = rng.randrange(60)
        memory[first * 4096] = first
        g.engine.map_ram(DEVICE, memory[first * 4096 : (first + rng.randrange(1, 5)) * 4096])
        return first

    g = guest(
        f"mov x19, #200\nmov x20, #{DEVICE}\nagain: hvc #0x6000\nldrb w1, [x20]\neor w1, w1, w0\norr w2, w2, w1\n"
        "subs x19, x19, #1\nb.ne again\nhvc #0xe0",
        calls=calls({0: (0, remap)}, results=1),
    )
    g.finish()
    assert g.x[2] == 0


def test_two_engines_can_share_a_buffer(new_guest, way):
    shared = mmap.mmap(-1, 4096)
    writer = new_guest(way, f"mov x0, #{DEVICE}\nmov x2, #5\nstr x2, [x0]\nhvc #0xe0")
    reader = new_guest(way, f"mov x0, #{DEVICE}\nldr x3, [x0]\nhvc #0xe0")
    for g in (writer, reader):
        g.engine.map_ram(DEVICE, shared)
        g.finish()
        g.engine.close()
    assert shared[0] == 5


def test_overlapping_ram_is_our_own_mistake(guest):
    with pytest.raises(AssertionError, match="overlaps what is mapped"):
        guest("nop").engine.map_ram(BASE + 0x1000, mmap.mmap(-1, 4096))


class TestCode:
    """Code that changes."""

    def test_a_guest_may_write_code_and_run_it(self, guest):
        source = """
            mov x9, #3
            adr x1, patch
            ldr w2, [x1]
        again:
            add w2, w2, #0x400
            str w2, [x1]
            dsb sy
            ic ivau, x1
            dsb sy
            isb
        patch:
            add x0, x0, #0
            subs x9, x9, #1
            b.ne again
            hvc #0xe0
        """
        assert guest(source).finish().x[0] == 1 + 2 + 3

    def test_a_guest_may_write_code_into_a_page_that_held_data_only(self, guest):
        source = """
            movz x1, #0x4002, lsl #16
            mov x9, #2
        again:
            ldr w2, [x3]
            str w2, [x1]
            add x3, x3, #4
            ldr w2, ret
            str w2, [x1, #4]
            isb
            blr x1
            subs x9, x9, #1
            b.ne again
            hvc #0xe0
        ret: ret
            mov x20, #7
            mov x21, #8
        """
        g = guest(source)
        g.x[3] = BASE + 13 * 4 + 0
        g.finish()
        assert (g.x[20], g.x[21]) == (7, 8)

    def test_what_the_host_writes_is_executed_after_invalidate(self, guest, calls):
        def patch(caller):
            g.write(8, (0xD280_0054).to_bytes(4, "little"))  # mov x20, #2
            g.engine.invalidate(BASE + 8, 4)
            return 0

        g = guest("hvc #0x6000\nb patched\npatched: mov x20, #1\nhvc #0xe0\nb patched", calls=calls({0: (0, patch)}))
        g.engine.registers(0).pc = BASE + 4
        g.finish()
        assert g.x[20] == 1
        g.engine.registers(0).pc = BASE
        g.finish()
        assert g.x[20] == 2

    def test_invalidating_data_keeps_the_guest_running(self, guest, calls):
        table = calls({0: (0, lambda caller: g.engine.invalidate(BASE + 0x8000, 8) or 0)})
        g = guest("mov x19, #5\nagain: hvc #0x6000\nsubs x19, x19, #1\nb.ne again\nhvc #0xe0", calls=table)
        assert g.run() is Stop.REQUESTED
