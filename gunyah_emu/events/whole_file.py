"""A file that has its final name only when it is whole."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import IO, AnyStr, Generic

from gunyah_emu.errors import UserError


class WholeFile(Generic[AnyStr]):
    """Written beside its final name, and renamed when it is complete; so an older file of that name stays until then.

    Arguments:
        path: the file to be; its folder must exist.
        what: what the file is, for messages: "trace file".
        mode: "w" for text in UTF-8, "wb" for bytes.

    Errors: UserError, wherever the host refuses: no folder, no right, no room.
    """

    def __init__(self, path: str | Path, what: str, mode: str) -> None:
        self.path = Path(path)
        self.partial = self.path.with_name(self.path.name + ".partial")
        self._what = what
        if self.path.is_dir():
            raise UserError(f"the {what} cannot be written: it is a folder", path=self.path)
        encoding = None if "b" in mode else "utf-8"
        try:
            self._file: IO[AnyStr] = self.partial.open(mode, encoding=encoding, buffering=1 << 16)
        except OSError as error:
            raise self._refusal(error) from None

    def _refusal(self, error: OSError) -> UserError:
        return UserError(f"the {self._what} cannot be written: {error.strerror}", path=self.path)

    def write(self, data: AnyStr) -> None:
        """Append."""
        try:
            self._file.write(data)
        except OSError as error:
            raise self._refusal(error) from None

    def length(self) -> int:
        """How long it is, for `cut`; 0 when it is closed."""
        return 0 if self._file.closed else self._file.tell()

    def cut(self, length: int) -> None:
        """Forget what is behind this length, unless it is closed."""
        if not self._file.closed:
            self._file.seek(length)
            self._file.truncate()

    def close(self, *, complete: bool) -> None:
        """Give it its name when it is complete; otherwise what there is stays under the name with `.partial` added."""
        try:
            self._file.close()
            if complete:
                self.partial.replace(self.path)
        except OSError as error:
            if complete:  # otherwise something else has gone wrong already, and is being told
                raise self._refusal(error) from None

    def discard(self) -> None:
        """Leave nothing behind: what there is would be of no use."""
        with suppress(OSError):  # what could not be written is thrown away anyway
            self._file.close()
        self.partial.unlink(missing_ok=True)
