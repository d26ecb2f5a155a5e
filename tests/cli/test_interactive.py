"""A person at a terminal: what is typed reaches the guest, Ctrl-A leaves, and the terminal is as before afterwards."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

GUESTS = Path(__file__).parents[2] / "guest_images"
ECHO = GUESTS / "echo" / "echo.elf"
SEMIHOSTING = GUESTS / "echo" / "semihosting.elf"
COMMAND = [sys.executable, "-m", "gunyah_emu", "run"]
PATIENCE = 90
"""Seconds until something that does not come is missing; a loaded machine needs a few."""


class Line:
    """One end of a terminal: what came, and waiting for more."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.seen = b""

    def send(self, data: bytes) -> None:
        """Types, and reads meanwhile: a terminal holds a few thousand bytes only."""
        end = time.monotonic() + PATIENCE
        while data:
            assert time.monotonic() < end, f"{len(data)} bytes were not taken"
            readable, writable, _ = select.select([self.fd], [self.fd], [], 1)
            if readable:
                self.seen += os.read(self.fd, 1 << 16)
            if writable:
                data = data[os.write(self.fd, data[:512]) :]

    def expect(self, text: str) -> str:
        """Everything up to and with the text, which may have come already; it is not looked at again."""
        end = time.monotonic() + PATIENCE
        wanted = text.encode()
        while wanted not in self.seen:
            assert time.monotonic() < end, f"{text!r} must come; it is {self.seen[-2000:]!r}"
            if select.select([self.fd], [], [], 1)[0]:
                self.seen += os.read(self.fd, 1 << 16)
        before, self.seen = self.seen.split(wanted, 1)
        return (before + wanted).decode().replace("\r", "")


class Session(Line):
    """The emulator at a terminal of its own."""

    def __init__(self, *arguments: str | Path, command: list[str] = COMMAND) -> None:
        master, self.terminal = os.openpty()
        super().__init__(master)
        self.before = termios.tcgetattr(self.terminal)
        self.process = subprocess.Popen(
            [*command, *map(str, arguments)],
            stdin=self.terminal,
            stdout=self.terminal,
            stderr=self.terminal,
            start_new_session=True,
        )

    @property
    def is_raw(self) -> bool:
        return not termios.tcgetattr(self.terminal)[3] & (termios.ICANON | termios.ECHO | termios.ISIG)

    def ends(self, status: int) -> str:
        """With this status, and with the terminal as it was; what was printed last."""
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < end, f"it must end; the last that it said is {self.seen[-2000:]!r}"
            self.take_rest(0.1)
        self.take_rest(0)
        text = self.seen.decode().replace("\r", "")
        assert self.process.returncode == status, text
        assert termios.tcgetattr(self.terminal) == self.before
        return text

    def take_rest(self, seconds: float) -> None:
        while select.select([self.fd], [], [], seconds)[0]:
            self.seen += os.read(self.fd, 1 << 16)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.fd)
        os.close(self.terminal)


@pytest.fixture
def start() -> Iterator[Callable[..., Session]]:
    sessions: list[Session] = []

    def start_one(*arguments: str | Path, **options: list[str]) -> Session:
        sessions.append(Session(*arguments, **options))
        return sessions[-1]

    yield start_one
    for session in sessions:
        session.close()


def piped(*arguments: str | Path, text: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=PATIENCE, check=False)


@pytest.mark.parametrize("image", [ECHO, SEMIHOSTING])
@pytest.mark.parametrize("way", ["auto", "portable"])
def test_what_is_typed_is_answered_at_once_and_the_guest_may_end_the_run(
    start: Callable[..., Session], image: Path, way: str
) -> None:
    session = start("--interactive", image, "--way", way)
    session.expect("Ctrl-A x leaves, Ctrl-A h helps")
    session.expect("> ")
    assert session.is_raw
    session.send(b"h")
    session.expect("h")  # the guest's echo of a line that has no end yet
    session.send(b"ello\r")
    assert "you typed: hello\n" in session.expect("> ")
    session.send(b"sleep\rquit\r")
    assert "2 lines" in session.ends(0)


def test_every_key_but_ctrl_a_is_the_guests(start: Callable[..., Session]) -> None:
    session = start("--interactive", ECHO)
    session.expect("> ")
    session.send(b"\x03\x1a\x04\x13\x11\x1c\x16\x01\x01\x01?!\r")  # ^C ^Z ^D ^S ^Q ^\ ^V, ^A twice is one, ^A ? is none
    shown = session.expect("> ")
    assert shown.startswith("^C^Z^D^S^Q^\\^V^A!\n"), shown
    session.send(b"\x01h")
    session.expect("leave: every VM stops")
    session.send(b"half a line\x01x")
    assert "condition" not in session.ends(0)


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGHUP, -signal.SIGHUP)],
)
@pytest.mark.parametrize("is_busy", [False, True], ids=["waiting", "busy"])
def test_the_terminal_is_restored_when_a_signal_ends_the_run(
    start: Callable[..., Session], number: signal.Signals, status: int, is_busy: bool
) -> None:
    session = start("--interactive", GUESTS / "bad_loop" / "bad_loop.elf" if is_busy else ECHO)
    session.expect("Ctrl-A h helps" if is_busy else "> ")
    assert session.is_raw
    session.process.send_signal(number)
    session.ends(status)


@pytest.mark.parametrize(
    ("image", "arguments", "status"),
    [
        ("bad_loop/bad_loop.elf", ["--timeout", "0.1"], 124),
        ("echo/echo.elf", ["--timeout", "0.1"], 124),
        ("bad_no_vectors/bad_no_vectors.elf", [], 126),
    ],
)
def test_the_terminal_is_restored_when_the_run_ends_badly(
    start: Callable[..., Session], image: str, arguments: list[str], status: int
) -> None:
    start("--interactive", GUESTS / image, *arguments).ends(status)


def test_an_error_of_ours_restores_the_terminal_too(start: Callable[..., Session]) -> None:
    broken = "from gunyah_emu.machine import world; del world.World.idle; from gunyah_emu import cli; cli.main()"
    session = start("run", "--interactive", ECHO, command=[sys.executable, "-c", broken])
    assert "AttributeError" in session.ends(1)


def test_a_huge_paste_arrives_whole(start: Callable[..., Session]) -> None:
    session = start("--interactive", ECHO)
    session.expect("> ")
    lines = 2000
    session.send(b"".join(b"%06d 0123456789abcdef\r" % n for n in range(lines)) + b"quit\r")
    text = session.ends(0)
    answers = re.findall(r"^you typed: (\d{6}) 0123456789abcdef$", text, re.MULTILINE)
    assert [int(answer) for answer in answers] == list(range(lines))


@pytest.mark.parametrize("image", [ECHO, SEMIHOSTING])
def test_a_pipe_is_typed_from_its_first_character(image: Path) -> None:
    done = piped("--interactive", image, text="".join(f"line {n}\n" for n in range(100)) + "\x01x\nquit\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("you typed: line") == 100
    assert "you typed: \x01x\n" in done.stdout, "Ctrl-A means something at a terminal only"


def test_a_guest_that_reads_by_semihosting_finds_the_end_of_a_pipe() -> None:
    done = piped("--interactive", SEMIHOSTING, text="one\ntwo")
    assert done.returncode == 0
    assert done.stdout.endswith("> twoend of input\n1 lines, checksum 000000000001ae66\n")


def test_a_guest_that_waits_at_its_uart_behind_the_end_of_a_pipe_waits_for_ever() -> None:
    done = piped("--interactive", ECHO, text="one\n")
    assert done.returncode == 125
    assert "nothing can wake it" in done.stderr


def test_a_run_that_nobody_watches_does_not_look_at_its_input(tmp_path: Path) -> None:
    typed = tmp_path / "typed"
    typed.write_text("quit\n")
    with typed.open() as source:
        command = [*COMMAND, str(GUESTS / "echo" / "machine.toml")]
        done = subprocess.run(command, stdin=source, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert os.lseek(source.fileno(), 0, os.SEEK_CUR) == 0
    assert done.returncode == 0
    assert "uart        | 3 lines" in done.stdout


def test_the_console_of_another_vm_is_named(start: Callable[..., Session]) -> None:
    session = start("--interactive", "--console", "semihosting", SEMIHOSTING, ECHO)
    session.expect("this is the console of VM 'semihosting'")
    session.expect("> ")
    session.send(b"x\r")
    session.expect("you typed: x")
    session.send(b"\x01x")
    session.ends(0)


@pytest.mark.parametrize("options", [["--pty"], ["--pty", "--interactive"]])
def test_every_other_console_is_a_pseudo_terminal(start: Callable[..., Session], options: list[str]) -> None:
    session = start(*options, SEMIHOSTING, ECHO)
    names = ["echo"] if "--interactive" in options else ["semihosting", "echo"]
    lines: dict[str, Line] = {}
    for name in names:
        session.expect(f"the console of VM '{name}' is at ")
        path = session.expect("\n").strip()
        lines[name] = Line(os.open(path, os.O_RDWR | os.O_NOCTTY))
    lines.setdefault("semihosting", session)
    try:
        for name, line in lines.items():
            line.expect("> ")
            line.send(b"I am %s\r" % name.encode())
            assert f"you typed: I am {name}\n" in line.expect("> ")
        for line in lines.values():
            line.send(b"quit\r")
            line.expect("1 lines, checksum ")
        session.ends(0)
    finally:
        for name in names:
            os.close(lines[name].fd)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--console", "echo"], "--console names the VM that --interactive is for; that is not given"),
        (["--interactive", "--console", "lunix"], "--console: there is no VM 'lunix'; there are echo"),
    ],
)
def test_a_console_that_is_not_there(arguments: list[str], message: str) -> None:
    done = piped(ECHO, *arguments, text="")
    assert (done.returncode, done.stderr) == (2, f"gunyah-emu: {message}\n")
