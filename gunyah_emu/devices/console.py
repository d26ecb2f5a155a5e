"""What a VM printed: bounded, searchable, passed on as it comes.

A guest that prints for ever costs the host a fixed amount of memory: the newest bytes are kept, all are counted.  A
search looks at new bytes only, so waiting for a prompt costs nothing that grows with the log.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gunyah_emu.devices.script import Script

DEFAULT_LIMIT = 1 << 20


class Watcher(Protocol):
    """Sees what the guest writes."""

    def look(self, data: bytes) -> None:
        """Takes new output."""


class Console:
    """The output of one VM, and the input that waits for it.

    Arguments:
        sink: called with every piece of output, as soon as the guest wrote it.
        limit: how many of the newest bytes are kept for `text`.
    """

    __slots__ = (
        "_input",
        "_kept",
        "_limit",
        "_readers",
        "_watchers",
        "expects_input",
        "on_input",
        "on_recall",
        "sink",
        "total",
    )

    def __init__(self, sink: Callable[[bytes], None] | None = None, limit: int = DEFAULT_LIMIT) -> None:
        assert limit > 0
        self.sink = sink
        #: more input may come: a guest that reads waits for it instead of finding the end
        self.expects_input = False
        #: called when something was typed: a UART takes it then
        self.on_input: Callable[[], None] | None = None
        #: called when somebody else than the UART reads: it gives back what it took and the guest did not read
        self.on_recall: Callable[[], bytes] | None = None
        #: bytes that the guest wrote, kept or not
        self.total = 0
        self._limit = limit
        self._kept = bytearray()
        self._watchers: list[Watcher] = []
        self._input: deque[int] = deque()
        self._readers: dict[Callable[[], None], None] = {}

    def write(self, data: bytes) -> None:
        """Takes output of the guest."""
        self.total += len(data)
        kept = self._kept
        kept += data
        # Twice the limit before a cut: cutting costs a copy, and so costs a byte of output the same whatever the limit.
        if len(kept) > 2 * self._limit:
            del kept[: -self._limit]
        if self._watchers:
            for watcher in tuple(self._watchers):
                watcher.look(data)
        if self.sink is not None:
            self.sink(data)

    @property
    def data(self) -> bytes:
        """The newest bytes, at most `limit` of them."""
        return bytes(self._kept[-self._limit :])

    @property
    def text(self) -> str:
        """The newest output as text; what is not UTF-8 shows as U+FFFD."""
        return self.data.decode("utf-8", "replace")

    @property
    def dropped(self) -> int:
        """How many of the oldest bytes `data` and `text` no longer hold."""
        return max(0, self.total - self._limit)

    def contains(self, text: str | bytes) -> Contains:
        """A condition that holds as soon as the output, kept so far or to come, contains a text.

        Usage: `machine.run(until=vm.console.contains("login:"))`.
        """
        return Contains(self, as_bytes(text))

    def type(self, text: str | bytes) -> None:
        """Queues input; the guest reads it from its UART, or by semihosting, when it asks."""
        self._input.extend(as_bytes(text))
        if self._readers:
            self._call_readers()
        elif self.on_input is not None:
            self.on_input()

    def end_input(self) -> None:
        """Nothing more will be typed: a guest that reads, now or later, finds the end behind what waits for it."""
        self.expects_input = False
        self._call_readers()

    def await_input(self, reader: Callable[[], None]) -> None:
        """Calls `reader` once: when something is typed, or nothing will be; twice is once."""
        self._readers[reader] = None

    @property
    def is_awaited(self) -> bool:
        """Whether a guest waits for input: it read, and nothing was there."""
        return bool(self._readers)

    def _call_readers(self) -> None:
        readers, self._readers = self._readers, {}
        for reader in readers:
            reader()

    def recall_input(self) -> None:
        """Puts what the UART received, and the guest did not read there, in front of what waits."""
        if self.on_recall is not None:
            self._input.extendleft(reversed(self.on_recall()))

    @property
    def pending_input(self) -> int:
        """Bytes that were typed and not read."""
        return len(self._input)

    def take_input(self, size: int) -> bytes:
        """The next bytes that were typed, at most `size`; empty when nothing waits."""
        return bytes(self._input.popleft() for _ in range(min(size, len(self._input))))

    def script(self, steps: Iterable[tuple[str | bytes, str | bytes]]) -> Script:
        r"""Starts a dialogue: for each pair, waits for the first text and then types the second.

        Usage: `vm.console.script([("login: ", "root\n"), ("# ", "poweroff\n")])`.
        """
        from gunyah_emu.devices.script import Script

        return Script(self, ((as_bytes(prompt), as_bytes(answer)) for prompt, answer in steps))

    def watch(self, watcher: Watcher) -> None:
        """Shows it every piece of output from now on."""
        self._watchers.append(watcher)

    def unwatch(self, watcher: Watcher) -> None:
        """Shows it nothing more."""
        self._watchers.remove(watcher)


class Contains:
    """Holds once a console's output contains some bytes; call it to know.

    Arguments:
        console: whose output.
        wanted: the bytes, not empty.
    """

    __slots__ = ("_seen", "_tail", "console", "on_match", "wanted")

    def __init__(self, console: Console, wanted: bytes) -> None:
        if not wanted:
            raise ValueError("the text to wait for must not be empty")
        self.console = console
        self.wanted = wanted
        #: called once, when the text appears: a machine stops its slice here instead of polling
        self.on_match: Callable[[], None] | None = None
        kept = console.data
        self._seen = wanted in kept
        self._tail = kept[max(0, len(kept) - len(wanted) + 1) :]
        if not self._seen:
            console.watch(self)

    def __call__(self) -> bool:
        """Whether the output contained the text."""
        return self._seen

    def __repr__(self) -> str:
        return f"<console contains {self.wanted!r}: {self._seen}>"

    def look(self, data: bytes) -> None:
        """Searches new output, and the end of the old, where the text may have begun."""
        joined = self._tail + data
        if self.wanted in joined:
            self._seen = True
            self._tail = b""
            self.console.unwatch(self)
            if self.on_match is not None:
                self.on_match()
        else:
            self._tail = joined[max(0, len(joined) - len(self.wanted) + 1) :]


def as_bytes(text: str | bytes) -> bytes:
    """A text as it goes over the line."""
    return text.encode() if isinstance(text, str) else text
