"""What a VM finds in its machine depends on its own description alone."""

from pathlib import Path

import pytest

from gunyah_emu import Machine
from gunyah_emu.machine.config import MachineConfig

GUESTS = Path(__file__).parents[3] / "guest_images"
GICD_TYPER = 4


def interrupt_lines(machine: Machine, vm: str) -> int:
    """GICD_TYPER.ITLinesNumber, as the VM's guest reads it."""
    gic = machine.vm(vm).vcpus[0].gic
    assert gic is not None
    value = gic.distributor.read(GICD_TYPER, 4)
    assert value is not None
    return value & 31


@pytest.mark.parametrize(("spi", "lines"), [(255, 8), (256, 31), (987, 31)])
def test_a_vm_has_as_many_spis_as_on_qemu_unless_something_is_bound_above_them(spi: int, lines: int):
    image = str(GUESTS / "hello/hello.elf")
    described = {
        "vm": [{"name": "sender", "image": image}, {"name": "receiver", "image": image}],
        "doorbell": [{"label": 1, "senders": ["sender"], "receiver": "receiver", "virq": {"spi": spi}}],
    }
    with Machine(MachineConfig(described)) as machine:
        assert [interrupt_lines(machine, vm) for vm in ("sender", "receiver")] == [8, lines]
