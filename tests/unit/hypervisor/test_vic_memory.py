"""A guest that activates VICs without end runs out of its partition's memory, not of the host's."""

from __future__ import annotations

from gunyah_emu.abi.errors import NOMEM, OK
from gunyah_emu.hypervisor.hypervisor import Hypervisor
from gunyah_emu.hypervisor.object import FAILED
from gunyah_emu.hypervisor.platform import QuietPlatform
from gunyah_emu.hypervisor.vic import MAX_VCPUS, MAX_VIRQS, Vic


def test_the_state_of_interrupts_is_charged_and_given_back():
    partition = Hypervisor(QuietPlatform()).root_partition
    before = partition.used
    vics = []
    while True:
        vic = Vic(partition, vcpus=MAX_VCPUS, virqs=MAX_VIRQS)
        vics.append(vic)
        error = vic.activate()
        if error:
            break
    assert (error, vic.state) == (NOMEM, FAILED)
    assert 100 < len(vics) < 1000
    assert Vic(partition).activate() == OK, "a small one still fits"
    for vic in vics:
        vic.release()
    assert partition.used - before < 10_000
