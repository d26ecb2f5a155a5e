"""Many runs at once: tasks go to workers, results come back into the order of the tasks.

What comes of a campaign depends on its tasks alone: not on how many workers there are, where, or how often one dies.
"""

from __future__ import annotations

import os
from hashlib import sha256
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from gunyah_emu.errors import UserError
from gunyah_emu.testing.journal import Journal
from gunyah_emu.testing.workers import DaskWorkers, LocalWorkers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gunyah_emu.testing.bundle import Bundle
    from gunyah_emu.testing.task import Result, Task

Variant = tuple["int | None", "int | None", "str | None"]


class Workforce(NamedTuple):
    """Who works, and what is kept of it.

    Arguments:
        jobs: processes of this machine; 0: as many as it has processors.
        dask: the address of a Dask scheduler instead.
        journal: a file for results, or None.
        resume: go on with that journal.
    """

    jobs: int = 0
    dask: str | None = None
    journal: str | None = None
    resume: bool = False


class Campaign:
    """A bundle and who runs it; tasks come in stages, one journal is of all of them.

    Arguments:
        bundle: what to run.
        workforce: who does.
        purpose: what tells this campaign from others of the same bundle.
    """

    def __init__(self, bundle: Bundle, workforce: Workforce, purpose: str) -> None:
        self._packed = bundle.packed()
        self._workforce = workforce
        self._journal: Journal | None = None
        if workforce.resume and workforce.journal is None:
            raise UserError("--resume needs the --journal to go on from")
        if workforce.journal is not None:
            campaign = sha256(self._packed + purpose.encode()).hexdigest()
            self._journal = Journal(workforce.journal, campaign, resume=workforce.resume)

    def run(self, tasks: Sequence[Task], progress: Callable[[int, int], None]) -> list[Result]:
        """Perform tasks; their results in the tasks' order.

        Arguments:
            tasks: with numbers that no other stage has.
            progress: told how many are done, of how many.
        """
        found: dict[int, Result] = {}
        if self._journal is not None:
            known = self._journal.results
            found = {task.id: known[task.id] for task in tasks if task.id in known}
        left = [task for task in tasks if task.id not in found]
        progress(len(found), len(tasks))
        if left:
            for task, result in self._workers(len(left)).results(left):
                found[task.id] = result
                if self._journal is not None:
                    self._journal.add(task.id, result)
                progress(len(found), len(tasks))
        return [found[task.id] for task in tasks]

    def _workers(self, tasks: int) -> LocalWorkers | DaskWorkers:
        if self._workforce.dask is not None:
            return DaskWorkers(self._packed, self._workforce.dask)
        return LocalWorkers(self._packed, min(self._workforce.jobs or os.cpu_count() or 1, tasks))

    def close(self) -> None:
        """Nothing more is run."""
        if self._journal is not None:
            self._journal.close()


def variants(seeds: Sequence[int], quanta: Sequence[int], cpus: Sequence[str]) -> list[Variant]:
    """All combinations; what is empty stays as the machine file says."""
    nothing = (None,)
    return list(product(seeds or nothing, quanta or nothing, cpus or nothing))
