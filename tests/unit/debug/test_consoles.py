"""Output that comes again because time went back is not printed again."""

from __future__ import annotations

from types import SimpleNamespace

from gunyah_emu.debug import consoles
from gunyah_emu.debug.consoles import FirstTime


class Guest:
    """A console whose time can go back."""

    def __init__(self) -> None:
        self.console = SimpleNamespace(total=0)
        self.printed = b""
        self.listen = FirstTime(SimpleNamespace(vm=lambda name: self), self._print)

    def _print(self, name: str, data: bytes) -> None:
        self.printed += data

    def write(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.console.total += len(piece)
            self.listen("guest", piece)


def test_what_comes_again_is_printed_once() -> None:
    guest = Guest()
    guest.write(b"one\n", b"two\n")
    guest.console.total = 4
    guest.write(b"t", b"wo\nthree\n")
    assert guest.printed == b"one\ntwo\nthree\n"


def test_another_future_is_printed_from_where_it_differs() -> None:
    guest = Guest()
    guest.write(b"one\n", b"two\n")
    guest.console.total = 0
    guest.write(b"one\n", b"zwei\n", b"drei\n")
    assert guest.printed == b"one\ntwo\nzwei\ndrei\n"
    guest.console.total = 4
    guest.write(b"zwei\n")
    assert guest.printed == b"one\ntwo\nzwei\ndrei\n"


def test_what_is_remembered_is_bounded(monkeypatch) -> None:
    monkeypatch.setattr(consoles, "KEPT", 100)
    guest = Guest()
    line = b"0123456789"
    guest.write(*[line] * 100)
    assert len(guest.listen._printed["guest"].data) <= 200
    guest.console.total = 0
    guest.write(*[line] * 101)
    assert guest.printed == line * 101
