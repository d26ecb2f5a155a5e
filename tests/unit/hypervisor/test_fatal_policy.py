"""With `on_fatal = "error"`, a call that stops the real hypervisor is answered, in the shape of its encoding."""

from __future__ import annotations

import pytest

from gunyah_emu.abi.errors import FAILURE
from gunyah_emu.hypervisor.fatal import HypervisorFatal
from gunyah_emu.hypervisor.hypervisor import Hypervisor
from gunyah_emu.hypervisor.platform import QuietPlatform
from gunyah_emu.hypervisor.thread import Thread
from gunyah_emu.smccc.dispatcher import Smccc

SET_AFFINITY = 0x3D
NO_SUCH_CORE = 99


def caller(hypervisor: Hypervisor) -> Thread:
    return Thread(hypervisor.root_partition, "caller")


def test_the_native_encoding_answers_failure():
    hypervisor = Hypervisor(QuietPlatform(), fatal="error")
    entry = hypervisor.calls[SET_AFFINITY]
    assert entry is not None
    assert entry(caller(hypervisor), 0, NO_SUCH_CORE, (1 << 64) - 1) == FAILURE


def test_the_smccc_encoding_answers_failure_and_leaves_what_is_no_output():
    hypervisor = Hypervisor(QuietPlatform(), fatal="error")
    registers = [0xC600_8000 | SET_AFFINITY, 0, NO_SUCH_CORE, 5, 6, 7, 8, 9]
    assert Smccc(hypervisor).call(caller(hypervisor), registers)
    assert registers == [FAILURE, 0, NO_SUCH_CORE, 5, 6, 7, 8, 9]


def test_otherwise_both_stop_the_machine():
    hypervisor = Hypervisor(QuietPlatform())
    with pytest.raises(HypervisorFatal):
        Smccc(hypervisor).call(caller(hypervisor), [0xC600_8000 | SET_AFFINITY, 0, NO_SUCH_CORE, 0, 0, 0, 0, 0])
