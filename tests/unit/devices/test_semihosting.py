"""A guest prints, reads, tells the time and exits by semihosting, and touches nothing of the host's."""

from __future__ import annotations

from struct import pack, unpack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gunyah_emu.devices.console import Console
from gunyah_emu.devices.pl031 import EPOCH
from gunyah_emu.devices.semihosting import LONGEST, Exit, Semihosting

BASE, SIZE = 0x4000_0000, 0x4_0000
BLOCK, DATA = BASE, BASE + 0x1000
FAILED = (1 << 64) - 1
(OPEN, CLOSE, WRITEC, WRITE0, WRITE, READ, READC, ISERROR, ISTTY, SEEK) = range(0x01, 0x0B)
FLEN, CLOCK, TIME, ERRNO, GET_CMDLINE, HEAPINFO = 0x0C, 0x10, 0x11, 0x13, 0x15, 0x16
EXIT, EXIT_EXTENDED, ELAPSED, TICKFREQ = 0x18, 0x20, 0x30, 0x31
STDIN, STDOUT, STDERR = 1, 2, 3
EBADF, EACCES, EFAULT, EINVAL, ENOSYS = 9, 13, 14, 22, 38


class Guest:
    """A guest with a little memory and semihosting."""

    def __init__(self, command_line: str = "") -> None:
        self.memory = bytearray(SIZE)
        self.console = Console()
        self.now = 0
        self.host = Semihosting(
            self.console, self.read, self.write, lambda: self.now, command_line, (BASE, BASE + SIZE, BASE + SIZE, BASE)
        )

    def read(self, address: int, size: int) -> bytes | None:
        if not BASE <= address <= address + size <= BASE + SIZE:
            return None
        return bytes(self.memory[address - BASE : address - BASE + size])

    def write(self, address: int, data: bytes) -> bool:
        if not BASE <= address <= address + len(data) <= BASE + SIZE:
            return False
        self.memory[address - BASE : address - BASE + len(data)] = data
        return True

    def call(self, operation: int, *fields: int) -> int | Exit | None:
        """A call with a block of fields."""
        self.write(BLOCK, pack(f"<{len(fields)}Q", *fields))
        return self.host.call(operation, BLOCK)

    def put(self, data: bytes) -> tuple[int, int]:
        self.write(DATA, data)
        return DATA, len(data)

    def open(self, name: bytes, mode: int) -> int | Exit | None:
        address, size = self.put(name)
        return self.call(OPEN, address, mode, size)

    @property
    def errno(self) -> int | Exit | None:
        return self.host.call(ERRNO, 0)


@pytest.fixture
def guest() -> Guest:
    return Guest()


# printing


def test_a_character_a_string_and_a_buffer_are_printed(guest: Guest) -> None:
    guest.put(b"hello\0rest")
    assert guest.host.call(WRITEC, DATA) == 0
    assert guest.host.call(WRITE0, DATA) == 0
    assert guest.call(WRITE, STDOUT, DATA, 10) == 0
    assert guest.call(WRITE, STDERR, DATA, 1) == 0
    assert guest.console.data == b"hhellohello\0resth"


def test_a_string_may_end_with_memory(guest: Guest) -> None:
    guest.write(BASE + SIZE - 3, b"ab\0")
    assert guest.host.call(WRITE0, BASE + SIZE - 3) == 0
    assert guest.console.data == b"ab"


def test_a_string_without_an_end_is_cut_and_one_outside_memory_fails(guest: Guest) -> None:
    guest.write(BASE, b"x" * SIZE)
    assert guest.host.call(WRITE0, BASE) == 0
    assert guest.console.total == LONGEST
    assert guest.host.call(WRITE0, BASE + SIZE - 4) == FAILED
    assert guest.errno == EFAULT


def test_a_huge_write_is_done_in_parts(guest: Guest) -> None:
    assert guest.call(WRITE, STDOUT, DATA, LONGEST + 5) == 5
    assert guest.call(WRITE, STDOUT, DATA, 1 << 63) == (1 << 63) - LONGEST
    assert guest.console.total == 2 * LONGEST


@pytest.mark.parametrize("handle", [0, STDIN, 4, 77])
def test_writing_to_what_was_not_opened_for_it_writes_nothing(guest: Guest, handle: int) -> None:
    assert guest.call(WRITE, handle, DATA, 10) == 10
    assert guest.console.total == 0
    assert guest.errno == EBADF


def test_writing_from_outside_memory_writes_nothing(guest: Guest) -> None:
    assert guest.call(WRITE, STDOUT, BASE + SIZE - 1, 2) == 2
    assert guest.errno == EFAULT


# reading


def test_what_was_typed_is_read(guest: Guest) -> None:
    guest.console.type("abc")
    assert guest.host.call(READC, 0) == ord("a")
    assert guest.call(READ, STDIN, DATA, 10) == 8
    assert guest.read(DATA, 3) == b"bc\0"


def test_the_end_of_input_reads_nothing(guest: Guest) -> None:
    assert guest.call(READ, STDIN, DATA, 10) == 10
    assert guest.host.call(READC, 0) == FAILED


def test_a_guest_waits_for_input_that_may_come(guest: Guest) -> None:
    guest.console.expects_input = True
    assert guest.call(READ, STDIN, DATA, 10) is None
    assert guest.host.call(READC, 0) is None
    assert guest.call(READ, STDIN, DATA, 0) == 0
    guest.console.type("x")
    assert guest.host.call(READC, 0) == ord("x")


def test_reading_elsewhere_than_into_memory_or_from_standard_output_fails(guest: Guest) -> None:
    guest.console.type("x")
    assert guest.call(READ, STDOUT, DATA, 1) == 1
    assert guest.errno == EBADF
    assert guest.call(READ, STDIN, 0, 1) == 1
    assert guest.errno == EFAULT


# files


@pytest.mark.parametrize(
    ("mode", "handle"), [(0, STDIN), (3, STDIN), (4, STDOUT), (7, STDOUT), (8, STDERR), (11, STDERR)]
)
def test_the_console_is_opened_by_mode(guest: Guest, mode: int, handle: int) -> None:
    assert guest.open(b":tt", mode) == handle
    assert guest.call(ISTTY, handle) == 1
    assert guest.call(FLEN, handle) == 0
    assert guest.call(SEEK, handle, 0) == FAILED
    assert guest.call(CLOSE, handle) == 0


@pytest.mark.parametrize("name", [b"/etc/passwd", b"out.txt", b"", b":tt/../x", b"x" * 300])
def test_files_of_the_host_are_refused(guest: Guest, name: bytes) -> None:
    assert guest.open(name, 0) == FAILED
    assert guest.errno == EACCES


@pytest.mark.parametrize("operation", [0x0D, 0x0E, 0x0F, 0x12])
def test_the_host_s_files_and_shell_are_out_of_reach(guest: Guest, operation: int) -> None:
    assert guest.call(operation, DATA, 4, DATA, 4) == FAILED
    assert guest.errno == EACCES


def test_a_library_learns_that_exit_statuses_and_standard_error_work(guest: Guest) -> None:
    handle = guest.open(b":semihosting-features", 0)
    assert isinstance(handle, int)
    assert guest.call(FLEN, handle) == 5
    assert guest.call(ISTTY, handle) == 0
    assert guest.call(READ, handle, DATA, 4) == 0
    assert guest.read(DATA, 4) == b"SHFB"
    assert guest.call(READ, handle, DATA, 10) == 9
    assert guest.read(DATA, 1) == b"\x03"
    assert guest.call(SEEK, handle, 4) == 0
    assert guest.call(READ, handle, DATA, 1) == 0
    assert guest.call(SEEK, handle, 6) == FAILED


def test_what_was_never_opened_cannot_be_closed(guest: Guest) -> None:
    assert guest.call(CLOSE, 9) == FAILED
    assert guest.errno == EBADF


# time, memory, command line


def test_time_is_virtual(guest: Guest) -> None:
    guest.now = 12_345_678_901
    assert guest.host.call(CLOCK, 0) == 1234
    assert guest.host.call(TIME, 0) == EPOCH + 12
    assert guest.host.call(TICKFREQ, 0) == 1_000_000_000
    assert guest.host.call(ELAPSED, DATA) == 0
    assert guest.read(DATA, 8) == pack("<Q", guest.now)


def test_the_command_line_fits_or_is_refused() -> None:
    guest = Guest("quick test")
    assert guest.call(GET_CMDLINE, DATA, 11) == 0
    assert guest.read(DATA, 11) == b"quick test\0"
    assert guest.read(BLOCK + 8, 8) == pack("<Q", 10)
    assert guest.call(GET_CMDLINE, DATA, 10) == FAILED
    assert guest.errno == EINVAL


def test_a_c_library_learns_where_its_heap_and_stack_are(guest: Guest) -> None:
    assert guest.call(HEAPINFO, DATA) == 0
    block = guest.read(DATA, 32)
    assert block is not None
    assert unpack("<4Q", block) == (BASE, BASE + SIZE, BASE + SIZE, BASE)


def test_an_error_is_a_negative_status(guest: Guest) -> None:
    assert guest.call(ISERROR, FAILED) == 1
    assert guest.call(ISERROR, 5) == 0


# the end


@pytest.mark.parametrize("operation", [EXIT, EXIT_EXTENDED])
@pytest.mark.parametrize(("reason", "status", "exit_status"), [(0x20026, 0, 0), (0x20026, 42, 42), (0x20023, 0, 1)])
def test_a_guest_exits_with_its_status(
    guest: Guest, operation: int, reason: int, status: int, exit_status: int
) -> None:
    assert guest.call(operation, reason, status) == Exit(exit_status)


def test_only_the_low_word_is_the_operation(guest: Guest) -> None:
    assert guest.host.call(0xABCD_0000_0000_0000 | TICKFREQ, 0) == 1_000_000_000


def test_an_unknown_operation_fails(guest: Guest) -> None:
    assert guest.host.call(0x99, 0) == FAILED
    assert guest.errno == ENOSYS


@settings(deadline=None)
@given(st.integers(0, 0x40), st.lists(st.integers(0, (1 << 64) - 1), max_size=4), st.integers(0, (1 << 64) - 1))
def test_whatever_a_guest_asks_it_gets_an_answer(operation: int, fields: list[int], parameter: int) -> None:
    guest = Guest()
    for result in (guest.call(operation, *fields), guest.host.call(operation, parameter)):
        assert isinstance(result, Exit) or (isinstance(result, int) and 0 <= result <= FAILED)
    assert guest.console.total <= 2 * LONGEST
