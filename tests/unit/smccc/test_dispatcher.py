"""What `hvc #0` and `smc #0` answer, to the register and the bit."""

import pytest

from gunyah_emu.smccc.dispatcher import FUNCTIONS
from gunyah_emu.testing.conformance_direct import DirectTarget

UNKNOWN = 0xFFFF_FFFF_FFFF_FFFF
MARKS = [0x1111, 0x2222, 0x3333, 0x4444, 0x5555, 0x6666, 0x7777]
UID = [0xCD8F_D5C1, 0xDB5F_53A4, 0x36CE_6592, 0x145F_3D67]


@pytest.fixture(scope="module")
def root():
    return DirectTarget("root")


@pytest.fixture(scope="module")
def hlos():
    return DirectTarget("hlos")


def call(target, *x):
    registers = [*x, *MARKS[len(x) - 1 :]]
    assert target.smccc.call(target.vcpu, registers)
    return registers


@pytest.mark.parametrize(
    "function_id",
    [
        pytest.param(0x8000_0002, id="SOC_ID"),
        pytest.param(0x8000_8000, id="workaround"),
        pytest.param(0x8200_0000, id="SiP"),
        pytest.param(0x8300_0000, id="OEM"),
        pytest.param(0xB200_0000, id="trusted OS"),
        pytest.param(0x0000_0000, id="yielding"),
        pytest.param(0x8600_FF00, id="call count"),
        pytest.param(0x8600_0000, id="vendor features"),
        pytest.param(0x8600_8000, id="hypercall in 32 bits"),
        pytest.param(0x4600_8000, id="yielding hypercall"),
        pytest.param(0xC600_FF01, id="UID in 64 bits"),
        pytest.param(0xC600_4000, id="vendor class 1"),
        pytest.param(0xC600_8070, id="beyond the table"),
        pytest.param(0xC600_8008, id="a hole in the table"),
        pytest.param(0xC600_8009, id="a call that the build lacks"),
        pytest.param(0x8002_0000, id="reserved bit 17"),
        pytest.param(0xC684_8000, id="reserved bits of a hypercall"),
        pytest.param(0xC400_0000, id="PSCI_VERSION in 64 bits"),
    ],
)
def test_what_is_unknown_leaves_everything_else_alone(hlos, function_id):
    assert call(hlos, function_id) == [UNKNOWN, *MARKS]


@pytest.mark.parametrize("garbage", [0, 1 << 32, 0xDEAD_0000_0000_0000, 1 << 16])
def test_the_upper_half_and_the_sve_hint_are_ignored(root, garbage):
    assert call(root, 0x8000_0000 | garbage)[0] == 0x1_0003
    assert call(root, 0xC600_8000 | garbage)[:4] == [0x5100_0000_0000_8001, 0x1000_0EFF, 0, 0]


def test_features_of_the_architecture(root):
    known = (0x8000_0000, 0x8000_0001)
    for asked in (*known, 0x8000_0002, 0x8000_8000, 0x8400_0000, 0xC600_8000, 0):
        assert call(root, 0x8000_0001, asked)[:2] == [0 if asked in known else 0xFFFF_FFFF, asked]


def test_identity(root):
    assert call(root, 0x8600_FF01) == [*UID, *MARKS[3:]]
    assert call(root, 0x8500_FF01) == [*UID, *MARKS[3:]]
    assert call(root, 0x8600_FF03) == [0x5100_0000_0000_8001, *MARKS]


def test_a_32_bit_call_cuts_its_result_registers(root):
    wide = 0xABCD_0000_0000_0001
    assert call(root, 0x8000_0000, wide, wide, wide, wide) == [0x1_0003, 1, 1, 1, wide, *MARKS[4:]]


def test_hypercall_outputs_are_written_on_an_error_too(root):
    assert call(root, 0xC600_8012, 0x1234, 7) == [1, 0, 7, *MARKS[2:]]


def test_hypercalls_ignore_reserved_arguments_here(root):
    assert call(root, 0xC600_800E, 1, 1)[0] == UNKNOWN


def test_no_id_is_claimed_twice():
    names = [(function_id, function.name) for function_id, function in FUNCTIONS.items()]
    assert len(names) == len(set(names))
    assert all(function_id >> 31 for function_id in FUNCTIONS)
