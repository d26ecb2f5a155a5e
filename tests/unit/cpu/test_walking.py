"""Our walk of the guest's page tables says what the emulator's says, or leaves it to the emulator."""

from __future__ import annotations

import random

import pytest

from gunyah_emu.cpu import door

RAM, PAGE = 0x4000_0000, 4096
USER, PRIVILEGED, PAN = REGIMES = (16, 18, 19)
LOAD, STORE, FETCH = ACCESSES = range(3)
MMU_ON = 0x30D0_1805
TCR_39_BITS = 25 | 25 << 16 | 2 << 30
TCR_48_BITS = 16 | 16 << 16 | 2 << 30
TBI, TBID = 3 << 37, 3 << 51


@pytest.fixture
def tables(all_ways):
    """Guest tables of so many pages; nothing where there is no fast way, which alone has them."""
    if "fast" not in all_ways:
        return None
    from gunyah_emu.cpu import fast, walking

    proved = fast.open_accelerator()
    return lambda **options: walking.guest_tables(proved, **options)


def fill(words, seed):
    """Four levels of tables with every kind of descriptor, most of them sensible."""
    choice = random.Random(seed)
    for table, below in ((0, 1), (1, 2), (2, 3), (3, None)):
        for entry in range(512):
            leaf = below is None or choice.random() < 0.2
            kind = 3 if below is None or not leaf else 1
            kind = choice.choice((kind,) * 8 + (0, 2, kind ^ 2))
            at = RAM + (0 if leaf else below * PAGE)
            high = choice.choice((0, 0, choice.getrandbits(14) << 50))
            low = choice.choice((1 << 10, 1 << 10 | choice.getrandbits(10) << 2))
            words[table * 512 + entry] = at | kind | high | low


@pytest.mark.parametrize(
    "tcr", [TCR_39_BITS, TCR_48_BITS, TCR_39_BITS | TBI, TCR_48_BITS | TBI | TBID, 33 | 33 << 16 | 2 << 30]
)
@pytest.mark.parametrize("sctlr", [MMU_ON, MMU_ON | 1 << 19, MMU_ON & ~1])
def test_what_we_find_is_what_the_emulator_finds(tables, tcr, sctlr):
    if tables is None:
        return
    choice = random.Random(tcr ^ sctlr)
    found = refused = 0
    with tables(tcr=tcr, sctlr=sctlr) as (core, words):
        for seed in range(4):
            fill(words, seed)
            for _ in range(300):
                va = choice.choice((0, 0, 0xFF << 56, choice.getrandbits(16) << 48))
                va |= choice.choice((RAM, 0)) | choice.getrandbits(choice.choice((12, 20, 31, 48)))
                ours, emulators = core.walks(va, choice.choice(ACCESSES), choice.choice(REGIMES))
                assert ours in (emulators, None), hex(va)
                found += ours is not None
                refused += emulators is not None and ours is None
    assert found > 50
    assert refused < found  # guarded pages


@pytest.mark.parametrize(
    ("what", "options", "descriptor"),
    [
        ("big-endian tables", {"sctlr": MMU_ON | 1 << 25}, 0x403),
        ("a walk that is turned off", {"tcr": TCR_39_BITS | 1 << 7}, 0x403),
        ("64 KiB granules", {"tcr": TCR_39_BITS | 1 << 14}, 0x403),
        ("no access flag", {}, 0x003),
        ("a guarded page", {}, 0x403 | 1 << 50),
        ("an invalid page", {}, 0x402),
        ("tables outside the guest's memory", {}, 0x403 + (1 << 38)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_unusual_is_left_to_the_emulator(tables, what, options, descriptor):
    if tables is None:
        return
    with tables(**options) as (core, words):
        words[1], words[512], words[1024] = RAM + PAGE | 3, RAM + 2 * PAGE | 3, RAM | descriptor
        assert core.walks(RAM, LOAD, PRIVILEGED)[0] is None, what


def test_a_page_that_stage_2_withholds_is_left_to_the_emulator(tables):
    if tables is None:
        return
    with tables() as (core, words):
        words[1], words[512], words[1024] = RAM + PAGE | 3, RAM + 2 * PAGE | 3, RAM + PAGE | 0x403
        assert core.walks(RAM, LOAD, PRIVILEGED)[0] is not None
        assert core.walks(RAM, FETCH, PRIVILEGED) == (None, None)  # nobody has fetched from it: it is execute-never


def test_tables_that_the_emulator_reads_otherwise_close_the_door(tables, monkeypatch):
    if tables is None:
        return
    from gunyah_emu.cpu import fast, walking

    proved = fast.open_accelerator()
    monkeypatch.setattr(walking, "_REGIMES", (17,))  # a regime that we do not know: the emulator finds, we do not
    with pytest.raises(door.DoorClosedError, match=r"^unicorn's page tables differ: \d+ walks, the first \(.*\)$"):
        walking.let_us_walk(proved)
