"""The journal of a campaign: a line for each result, on disk before the next one; a killed campaign goes on from it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from gunyah_emu.errors import UserError

if TYPE_CHECKING:
    from gunyah_emu.testing.task import Result


class Journal:
    """Results by number of task, in a file.

    Arguments:
        path: the file.
        campaign: what tells this campaign from any other: a digest.
        resume: go on with what an earlier campaign left; otherwise there must be no such file.

    Errors: UserError when the file cannot be read or written, is another campaign's, or is there already.
    """

    def __init__(self, path: str, campaign: str, *, resume: bool) -> None:
        self._path = Path(path)
        #: what is known already
        self.results: dict[int, Result] = {}
        try:
            if resume and self._path.exists():
                self._read(campaign)
                self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
            else:
                self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o644)
                self._append({"campaign": campaign})
        except FileExistsError:
            raise UserError("the journal must not exist yet, or --resume be given", path=path) from None
        except OSError as error:
            raise self._refusal(error) from None

    def _refusal(self, error: OSError) -> UserError:
        return UserError(f"the journal cannot be written: {error.strerror}", path=self._path)

    def _read(self, campaign: str) -> None:
        whole, _, _ = self._path.read_bytes().rpartition(b"\n")  # the last line may be half of one
        lines = whole.split(b"\n") if whole else []
        try:
            records = [json.loads(line) for line in lines]
            if not records or records[0].get("campaign") != campaign:
                raise UserError("the journal must be of this campaign; it is another's", path=self._path)
            self.results = {int(record["task"]): record["result"] for record in records[1:]}
        except (ValueError, KeyError, AttributeError):
            raise UserError("the journal must be one that a campaign wrote; it is damaged", path=self._path) from None
        os.truncate(self._path, len(whole) + 1)

    def _append(self, record: object) -> None:
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        while line:
            line = line[os.write(self._descriptor, line) :]
        os.fsync(self._descriptor)

    def add(self, task: int, result: Result) -> None:
        """Keep a result; it survives whatever happens from now on."""
        try:
            self._append({"task": task, "result": result})
        except OSError as error:
            raise self._refusal(error) from None

    def close(self) -> None:
        """Nothing more comes."""
        os.close(self._descriptor)
