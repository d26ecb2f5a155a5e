"""Semihosting: a guest's console, clock and exit without a driver, by HLT #0xF000.

The console is all that it opens.  Files of the host are refused: a guest binary from somebody else must not read or
write the disk of the person who runs it, and a run that depends on the host's files is not the same everywhere.

Source: Semihosting for AArch32 and AArch64, 2.0 (Arm, ABI release 2019Q3).
"""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from gunyah_emu.devices.pl031 import EPOCH, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable

    from gunyah_emu.devices.console import Console

FAILED = (1 << 64) - 1
EBADF, EACCES, EFAULT, EINVAL, ENOSYS = 9, 13, 14, 22, 38
APPLICATION_EXIT = 0x20026  # ADP_Stopped_ApplicationExit

STDIN, STDOUT, STDERR, FEATURES = 1, 2, 3, 4
TTYS = (STDIN, STDOUT, STDERR)
FEATURE_BITS = b"SHFB\x03"  # SH_EXT_EXIT_EXTENDED, SH_EXT_STDOUT_STDERR

LONGEST = 1 << 16
"""Bytes that one call moves at most; SYS_WRITE and SYS_READ say how many are left, and C libraries go on with those."""


class Exit(NamedTuple):
    """The guest ends, with a status of its own."""

    status: int


class Semihosting:
    """What one VM reaches by semihosting.

    Arguments:
        console: where it prints to and reads from.
        read_memory: bytes at a virtual address of the calling vCPU; None where something is not mapped.
        write_memory: stores bytes there; False where something is not mapped or not writable.
        now: virtual time in nanoseconds.
        command_line: what SYS_GET_CMDLINE gives.
        heap: what SYS_HEAPINFO gives: heap base and limit, stack base and limit; 0: the guest chooses.
    """

    OPERATIONS: ClassVar = {
        0x01: ("SYS_OPEN", "open"),
        0x02: ("SYS_CLOSE", "close"),
        0x03: ("SYS_WRITEC", "write_character"),
        0x04: ("SYS_WRITE0", "write_string"),
        0x05: ("SYS_WRITE", "write"),
        0x06: ("SYS_READ", "read"),
        0x07: ("SYS_READC", "read_character"),
        0x08: ("SYS_ISERROR", "is_error"),
        0x09: ("SYS_ISTTY", "is_tty"),
        0x0A: ("SYS_SEEK", "seek"),
        0x0C: ("SYS_FLEN", "length"),
        0x0D: ("SYS_TMPNAM", "refuse"),
        0x0E: ("SYS_REMOVE", "refuse"),
        0x0F: ("SYS_RENAME", "refuse"),
        0x10: ("SYS_CLOCK", "clock"),
        0x11: ("SYS_TIME", "time"),
        0x12: ("SYS_SYSTEM", "refuse"),
        0x13: ("SYS_ERRNO", "error_number"),
        0x15: ("SYS_GET_CMDLINE", "get_command_line"),
        0x16: ("SYS_HEAPINFO", "heap_info"),
        0x18: ("SYS_EXIT", "exit"),
        0x20: ("SYS_EXIT_EXTENDED", "exit"),
        0x30: ("SYS_ELAPSED", "elapsed"),
        0x31: ("SYS_TICKFREQ", "tick_frequency"),
    }

    def __init__(
        self,
        console: Console,
        read_memory: Callable[[int, int], bytes | None],
        write_memory: Callable[[int, bytes], bool],
        now: Callable[[], int],
        command_line: str = "",
        heap: tuple[int, int, int, int] = (0, 0, 0, 0),
    ) -> None:
        self._console = console
        self._read_memory = read_memory
        self._write_memory = write_memory
        self._now = now
        self._command_line = command_line.encode() + b"\0"
        self._heap = heap
        self._errno = 0
        self._feature_at = 0
        self._handlers: dict[int, Callable[[int], int | Exit | None]] = {
            number: getattr(self, method) for number, (_, method) in self.OPERATIONS.items()
        }

    def call(self, operation: int, parameter: int) -> int | Exit | None:
        """Performs one call.

        Arguments:
            operation: W0.
            parameter: X1, mostly the address of a block of 64-bit fields.

        Returns what X0 becomes; `Exit` when the guest ends; None when it reads, nothing was typed, and something may
        be: the call is then to be made again.  An unknown operation fails with ENOSYS.
        """
        handler = self._handlers.get(operation & 0xFFFF_FFFF)
        return self._fail(ENOSYS) if handler is None else handler(parameter)

    def open(self, parameter: int) -> int:
        """SYS_OPEN: ":tt" is standard input, output or error, by the mode; everything else is refused."""
        fields = self._fields(parameter, 3)
        if fields is None:
            return self._fail(EFAULT)
        address, mode, size = fields
        name = self._read_memory(address, size) if size <= 256 else b""
        if name is None:
            return self._fail(EFAULT)
        if name == b":tt" and mode < 12:
            return TTYS[mode // 4]
        if name == b":semihosting-features" and mode < 4:
            self._feature_at = 0
            return FEATURES
        return self._fail(EACCES)

    def close(self, parameter: int) -> int:
        """SYS_CLOSE."""
        return self._on_handle(parameter, lambda _: 0)

    def write_character(self, parameter: int) -> int:
        """SYS_WRITEC: the byte at the address; X0 is left undefined."""
        data = self._read_memory(parameter, 1)
        if data is None:
            return self._fail(EFAULT)
        self._console.write(data)
        return 0

    def write_string(self, parameter: int) -> int:
        """SYS_WRITE0: the bytes up to a NUL, by pages, so that a string at the end of memory is found."""
        end = parameter + LONGEST
        while parameter < end:
            part = self._read_memory(parameter, min(end, (parameter | 0xFFF) + 1) - parameter)
            if part is None:
                return self._fail(EFAULT)
            text, nul, _ = part.partition(b"\0")
            self._console.write(text)
            if nul:
                break
            parameter += len(part)
        return 0

    def write(self, parameter: int) -> int:
        """SYS_WRITE: gives the number of bytes that were not written."""
        fields = self._fields(parameter, 3)
        if fields is None:
            return self._fail(EFAULT)
        handle, address, size = fields
        if handle not in (STDOUT, STDERR):
            self._fail(EBADF)
            return size
        part = min(size, LONGEST)
        data = self._read_memory(address, part)
        if data is None:
            self._fail(EFAULT)
            return size
        self._console.write(data)
        return size - part

    def read(self, parameter: int) -> int | None:
        """SYS_READ: gives the number of bytes that were not read; all of them at the end of input."""
        fields = self._fields(parameter, 3)
        if fields is None:
            return self._fail(EFAULT)
        handle, address, size = fields
        if handle == FEATURES:
            data = FEATURE_BITS[self._feature_at : self._feature_at + min(size, LONGEST)]
            self._feature_at += len(data)
        elif handle == STDIN:
            if size and self._must_wait():
                return None
            data = self._console.take_input(min(size, LONGEST))
        else:
            self._fail(EBADF)
            return size
        if not self._write_memory(address, data):
            self._fail(EFAULT)
            return size
        return size - len(data)

    def read_character(self, _: int) -> int | None:
        """SYS_READC: a byte; at the end of input it fails."""
        if self._must_wait():
            return None
        data = self._console.take_input(1)
        return data[0] if data else self._fail(EINVAL)

    def is_error(self, parameter: int) -> int:
        """SYS_ISERROR: a status is an error when it is negative."""
        fields = self._fields(parameter, 1)
        return self._fail(EFAULT) if fields is None else fields[0] >> 63

    def is_tty(self, parameter: int) -> int:
        """SYS_ISTTY."""
        return self._on_handle(parameter, lambda handle: int(handle in TTYS))

    def seek(self, parameter: int) -> int:
        """SYS_SEEK: only in ":semihosting-features"."""
        fields = self._fields(parameter, 2)
        if fields is None:
            return self._fail(EFAULT)
        handle, position = fields
        if handle != FEATURES or position > len(FEATURE_BITS):
            return self._fail(EINVAL)
        self._feature_at = position
        return 0

    def length(self, parameter: int) -> int:
        """SYS_FLEN: a console has no length, which is 0."""
        return self._on_handle(parameter, lambda handle: len(FEATURE_BITS) if handle == FEATURES else 0)

    def refuse(self, _: int) -> int:
        """SYS_TMPNAM, SYS_REMOVE, SYS_RENAME, SYS_SYSTEM: nothing of the host's is touched."""
        return self._fail(EACCES)

    def clock(self, _: int) -> int:
        """SYS_CLOCK: hundredths of a second since the start."""
        return self._now() // (SECOND // 100)

    def time(self, _: int) -> int:
        """SYS_TIME: seconds since 1970."""
        return EPOCH + self._now() // SECOND

    def error_number(self, _: int) -> int:
        """SYS_ERRNO: why the last call that failed did so."""
        return self._errno

    def get_command_line(self, parameter: int) -> int:
        """SYS_GET_CMDLINE: into a buffer, whose length field becomes the string's."""
        fields = self._fields(parameter, 2)
        if fields is None:
            return self._fail(EFAULT)
        buffer, size = fields
        if size < len(self._command_line):
            return self._fail(EINVAL)
        length = pack("<Q", len(self._command_line) - 1)
        written = self._write_memory(buffer, self._command_line) and self._write_memory(parameter + 8, length)
        return 0 if written else self._fail(EFAULT)

    def heap_info(self, parameter: int) -> int:
        """SYS_HEAPINFO: four addresses, written to the block that the field points to."""
        fields = self._fields(parameter, 1)
        written = fields is not None and self._write_memory(fields[0], pack("<4Q", *self._heap))
        return 0 if written else self._fail(EFAULT)

    def exit(self, parameter: int) -> int | Exit:
        """SYS_EXIT, SYS_EXIT_EXTENDED: the status for an application's exit, 1 for any other reason to stop."""
        fields = self._fields(parameter, 2)
        if fields is None:
            return self._fail(EFAULT)
        reason, status = fields
        return Exit(status if reason == APPLICATION_EXIT else 1)

    def elapsed(self, parameter: int) -> int:
        """SYS_ELAPSED: ticks since the start, into a 64-bit field."""
        return 0 if self._write_memory(parameter, pack("<Q", self._now())) else self._fail(EFAULT)

    def tick_frequency(self, _: int) -> int:
        """SYS_TICKFREQ: ticks are nanoseconds."""
        return SECOND

    def _must_wait(self) -> bool:
        self._console.recall_input()
        return not self._console.pending_input and self._console.expects_input

    def _fields(self, address: int, count: int) -> tuple[int, ...] | None:
        data = self._read_memory(address, 8 * count)
        return None if data is None else tuple(memoryview(data).cast("Q"))

    def _on_handle(self, parameter: int, answer: Callable[[int], int]) -> int:
        fields = self._fields(parameter, 1)
        if fields is None:
            return self._fail(EFAULT)
        return answer(fields[0]) if fields[0] in (*TTYS, FEATURES) else self._fail(EBADF)

    def _fail(self, errno: int) -> int:
        self._errno = errno
        return FAILED
