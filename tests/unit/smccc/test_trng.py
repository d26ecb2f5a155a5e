"""Random numbers arrive where Arm's TRNG interface puts them."""

import pytest

from gunyah_emu.testing.conformance_direct import DirectTarget

INVALID = 0xFFFF_FFFF_FFFF_FFFE
NOT_SUPPORTED = 0xFFFF_FFFF_FFFF_FFFF
RND32, RND64 = 0x8400_0053, 0xC400_0053


@pytest.fixture
def target():
    made = DirectTarget("root")
    made.machine.entropy = lambda size: b"\xff" * size
    return made


def call(target, *x):
    registers = [*x, *[0x7777] * (8 - len(x))]
    assert target.smccc.call(target.vcpu, registers)
    return registers


def test_version_and_identity(target):
    assert call(target, 0x8400_0050) == [0x1_0000, 0, 0, 0, *[0x7777] * 4]
    assert call(target, 0x8400_0052)[:4] == [0x4554_6E21, 0x92A1_433D, 0xA2EA_5FE2, 0x1639_7D4E]


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (0x8400_0050, 0),
        (0x8400_0053, 0),
        (0xC400_0053, 0),
        (0xC400_0050, NOT_SUPPORTED),
        (0x8400_0054, NOT_SUPPORTED),
        (0x8600_0050, NOT_SUPPORTED),
    ],
)
def test_features(target, asked, answer):
    assert call(target, 0x8400_0051, asked)[:2] == [answer, asked]


@pytest.mark.parametrize(
    ("function_id", "bits", "words"),
    [
        (RND64, 1, [0, 0, 1]),
        (RND64, 64, [0, 0, (1 << 64) - 1]),
        (RND64, 65, [0, 1, (1 << 64) - 1]),
        (RND64, 192, [(1 << 64) - 1] * 3),
        (RND32, 32, [0, 0, 0xFFFF_FFFF]),
        (RND32, 40, [0, 0xFF, 0xFFFF_FFFF]),
        (RND32, 96, [0xFFFF_FFFF] * 3),
    ],
)
def test_bits_are_right_aligned_from_x3_down(target, function_id, bits, words):
    assert call(target, function_id, bits)[:4] == [0, *words]


@pytest.mark.parametrize(("function_id", "bits"), [(RND64, 0), (RND64, 193), (RND32, 97), (RND64, 1 << 40)])
def test_a_wrong_number_of_bits_clears_the_words(target, function_id, bits):
    assert call(target, function_id, bits)[:4] == [INVALID, 0, 0, 0]


def test_unknown_functions_of_the_range(target):
    assert call(target, 0x8400_0057)[0] == 0xFFFF_FFFF
    assert call(target, 0xC400_0057)[0] == NOT_SUPPORTED
