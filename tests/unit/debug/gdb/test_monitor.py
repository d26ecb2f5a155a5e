"""`monitor` commands: what they show, and what they say to a mistake."""

from __future__ import annotations

import pytest

from gunyah_emu.debug.gdb.monitor import COMMANDS


def test_help_is_the_table(client) -> None:
    lines = client.monitor("help")
    assert [line.split()[1] for line in lines] == list(COMMANDS)
    assert client.monitor("") == lines


def test_doorbells_show_flags_and_where_they_ring(client) -> None:
    client.stub.machine.doorbell(1).flags = 0x15
    lines = client.monitor("doorbells")
    assert lines[0] == (
        "doorbell 1: flags 0x15, enabled 0xffffffffffffffff, acknowledged 0x0, level high; "
        "SPI 8 (INTID 40) of receiver, disabled group 0 level"
    )
    assert len(lines) == 2


def test_capabilities_are_listed_with_their_rights(client) -> None:
    lines = client.monitor("caps receiver")
    assert lines[0].split() == ["capability", "object", "state", "rights"]
    assert "doorbell 'doorbell 1'" in lines[1]
    assert client.monitor("caps 2") == lines
    assert client.monitor("caps nobody") == ["a VM must be one of sender, receiver, not 'nobody'"]
    assert client.monitor("caps") == ["usage: monitor caps VM"]


def test_virqs_say_who_is_bound_to_what(client) -> None:
    assert [line.split()[:4] for line in client.monitor("virqs")[1:]] == [
        ["receiver", "40", "8", "doorbell"],
        ["receiver", "41", "9", "doorbell"],
    ]


def test_a_gic_is_shown_without_taking_an_interrupt(client) -> None:
    interface = client.receiver.vm.slots[0].interface

    def state() -> tuple[object, ...]:
        return interface.line, interface.pmr, interface.active_priorities, list(interface.candidates)

    before = state()
    for name in ("gic receiver/0", "gic receiver", "gic 2.1"):
        lines = client.monitor(name)
        assert lines[0] == "receiver/0: a GIC of the architectural model, IRQ line down"
        assert any(line.split() == ["ICC_RPR_EL1", "0xff"] for line in lines)
        assert not any("IAR" in line for line in lines)
    assert state() == before
    assert client.monitor("gic receiver/4") == [
        "a vCPU of this VM that was ever on must be one of receiver/0, not 'receiver/4'"
    ]


def test_physical_memory_is_dumped(client) -> None:
    client.session.memory[0x100:0x110] = b"0123456789abc\0\xff~"
    assert client.monitor("xp 0x100 16") == [
        "0x00000100  30 31 32 33 34 35 36 37 38 39 61 62 63 00 ff 7e  0123456789abc..~"
    ]
    assert client.monitor("xp 0x1ff8 16")[1:] == ["nothing is mapped from 0x2000 on"]
    assert client.monitor("xp 0x2000") == ["VM 'sender' has no memory at 0x2000"]
    assert client.monitor("xp 0 5000") == ["the size must be 1 to 4096 bytes, not 5000"]
    assert client.monitor("xp here") == ["a number must be like 40 or 0x28, not 'here'"]


def test_the_last_events_are_shown(client) -> None:
    (line,) = client.monitor("trace last 1")
    assert line.split() == ["3", "0", "ns", "receiver/0", "is", "powered", "on", "at", "_start", "(start.S:12)"]
    assert client.monitor("trace last 0") == ["usage: monitor trace last N, with N from 1 to 1000"]
    assert client.monitor("trace") == ["usage: monitor trace last N"]


def test_the_position_is_told(client) -> None:
    assert client.monitor("position") == ["0 instructions, 0 ns of virtual time"]


@pytest.mark.parametrize("line", ["frobnicate", "DOORBELLS", "\x00\xff"])
def test_an_unknown_command_names_those_that_there_are(client, line: str) -> None:
    (answer,) = client.monitor(line)
    assert answer.startswith("there is no monitor command ")
    assert answer.endswith(", ".join(COMMANDS))
