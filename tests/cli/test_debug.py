"""`gunyah-emu debug` without GDB: what it says, where it listens, how it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gunyah_emu.cli import main
from gunyah_emu.cli.debug import address
from gunyah_emu.debug.gdb.client_files import command_line

GUESTS = Path(__file__).resolve().parents[2] / "guest_images"
TIMEOUT = 60


@pytest.fixture
def debug() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """debug(argument, ...) -> the process."""
    made = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "gunyah_emu", "debug", *arguments]
        made.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return made[-1]

    yield start
    for process in made:
        process.kill()
        process.communicate()


def port_of(process: subprocess.Popen[str]) -> int:
    """Where it listens, from the line that it prints."""
    line = process.stderr.readline()
    found = re.search(r"waiting for GDB: gdb-multiarch -x \S+/gunyah-gdb\.py -ex 'gunyah 127\.0\.0\.1:(\d+)'$", line)
    assert found is not None, line + process.stderr.read()
    return int(found[1])


def test_images_are_served_like_machine_files_with_the_same_options(debug) -> None:
    process = debug(str(GUESTS / "smp" / "smp.elf"), "--vcpus", "4", "--gdb", ":0")
    with socket.create_connection(("127.0.0.1", port_of(process)), timeout=TIMEOUT) as client:
        client.sendall(b"$D#44")
        assert client.recv(1) == b"+"
    output, errors = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, errors) == (0, "")
    assert "counted to 4000" in output


def test_the_status_is_the_guests_when_it_was_let_go(debug) -> None:
    process = debug(str(GUESTS / "bad_jump" / "machine.toml"))
    with socket.create_connection(("127.0.0.1", port_of(process)), timeout=TIMEOUT) as client:
        client.sendall(b"$D#44")
        client.recv(1)
    output, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 100
    assert "fetch of unmapped address 0x70000000" in output + errors


@pytest.mark.parametrize("packet", [b"$k#6b", b"$vKill;1#6e"])
def test_killing_the_machine_is_an_interruption(debug, packet: bytes) -> None:
    process = debug(str(GUESTS / "hello" / "machine.toml"))
    with socket.create_connection(("127.0.0.1", port_of(process)), timeout=TIMEOUT) as client:
        client.sendall(packet)
        client.recv(100)
        assert process.wait(TIMEOUT) == 130


@pytest.mark.parametrize("is_running", [False, True])
def test_ctrl_c_in_its_terminal_ends_it(debug, is_running: bool) -> None:
    process = debug(str(GUESTS / "bad_loop" / "machine.toml"))
    with socket.create_connection(("127.0.0.1", port_of(process)), timeout=TIMEOUT) as client:
        client.sendall(b"$c#63" if is_running else b"$g#67")
        assert client.recv(1) == b"+"
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130
    assert errors == "\ngunyah-emu: interrupted\n"


@pytest.mark.parametrize("address", ["", "here", ":", "1:2:x", "127.0.0.1:70000", ":-1", "²"])
def test_an_address_that_is_none_is_the_users_to_mend(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["debug", str(GUESTS / "hello" / "machine.toml"), "--gdb", address])
    assert ended.value.code == 2
    assert f"must be [HOST:]PORT with a port from 0 to 65535, not {address!r}" in capsys.readouterr().err


def test_a_host_that_is_not_this_one_is_the_users_to_mend(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["debug", str(GUESTS / "hello" / "machine.toml"), "--gdb", "203.0.113.1:0"]) == 2
    assert "gunyah-emu: GDB cannot be waited for at 203.0.113.1:0: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("1234", "127.0.0.1", 1234), (":0", "127.0.0.1", 0), ("[::1]:7", "::1", 7), ("h:7", "h", 7)],
)
def test_an_address_is_a_port_of_this_host_unless_it_names_another(text: str, host: str, port: int) -> None:
    assert address(text) == (host, port)


def test_the_line_to_paste_names_an_ipv6_host_as_gdb_wants_it() -> None:
    assert command_line("::1", 7).endswith("-ex 'gunyah [::1]:7'")
