"""Who performs tasks: processes of this machine, or a Dask cluster.  Both give each task's result, in any order.

A worker process that dies costs the tasks that it may have had another try.  They get it one at a time, so that a task
that kills its worker is found, and after three deaths is given up; nobody else's task is blamed.
"""

from __future__ import annotations

import os
import signal
from collections import Counter, deque
from multiprocessing import parent_process
from threading import Thread
from typing import TYPE_CHECKING, Any

from gunyah_emu.errors import UserError
from gunyah_emu.testing.task import Result, Task, perform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future, ProcessPoolExecutor

TRIES = 3

_packed = b""  # in a worker process: the bundle


def lost(reason: str) -> Result:
    """The result of a task that nobody could perform."""
    return {"reason": "LOST", "messages": [reason]}


def _begin(packed: bytes) -> None:
    """A worker process starts: Ctrl-C is for the process that started it."""
    global _packed
    _packed = packed
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    """Whoever started this process is gone, killed perhaps: nobody else would end it."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _perform(task: Task) -> Result:
    return perform(_packed, task)


class LocalWorkers:
    """Processes of this machine.

    Arguments:
        packed: the bundle.
        jobs: how many processes.
    """

    def __init__(self, packed: bytes, jobs: int) -> None:
        self._packed = packed
        self._jobs = jobs
        self._deaths: Counter[int] = Counter()
        self._any_result = False

    def _open(self) -> ProcessPoolExecutor:
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        return ProcessPoolExecutor(self._jobs, get_context("spawn"), _begin, (self._packed,))

    def results(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Result]]:
        """Perform all tasks; whoever stops listening ends the processes at once."""
        from concurrent.futures import FIRST_COMPLETED, wait
        from concurrent.futures.process import BrokenProcessPool
        from multiprocessing import active_children

        others = set(active_children())
        waiting, suspects = deque(tasks), deque[Task]()
        flying: dict[Future[Result], Task] = {}
        pool = self._open()
        try:
            while waiting or suspects or flying:
                is_broken = False
                while (suspects and not flying) or (waiting and not suspects and len(flying) < self._jobs):
                    task = (suspects or waiting).popleft()
                    try:
                        flying[pool.submit(_perform, task)] = task
                    except BrokenProcessPool:
                        suspects.append(task)
                        is_broken = True
                        break
                alone = len(flying) == 1
                for future in wait(flying, return_when=FIRST_COMPLETED).done if flying else ():
                    task = flying.pop(future)
                    try:
                        result = future.result()
                    except BrokenProcessPool:
                        is_broken = True
                        given_up = self._blame(task) if alone else None
                        if given_up is None:
                            suspects.append(task)
                        else:
                            yield task, given_up
                    else:
                        self._any_result = True
                        yield task, result
                if is_broken:
                    suspects.extend(flying.values())
                    flying.clear()
                    pool.shutdown(wait=False, cancel_futures=True)
                    pool = self._open()
        finally:
            for process in active_children():
                if process not in others:
                    process.kill()
            pool.shutdown(cancel_futures=True)

    def _blame(self, task: Task) -> Result | None:
        """A worker died of this task, which was alone: give it up the third time."""
        self._deaths[task.id] += 1
        if self._deaths[task.id] < TRIES:
            return None
        if not self._any_result:
            raise UserError("worker processes must be able to start; they die before they have done anything")
        return lost(f"its worker process died {TRIES} times")


class DaskWorkers:
    """A Dask cluster.

    Arguments:
        packed: the bundle; it travels in a task of its own, so that a cluster that loses it makes it again.
        address: of the scheduler, for example "tcp://host:8786".

    Errors: UserError when `distributed` is not installed, or nobody answers.
    """

    def __init__(self, packed: bytes, address: str) -> None:
        try:
            import distributed
        except ImportError:
            raise UserError("--dask needs the package distributed: pip install 'gunyah-emu[dask]'") from None
        try:
            connect: Callable[..., Any] = distributed.Client
            self._client = connect(address, timeout=5, set_as_default=False)
        except (OSError, ValueError) as error:
            raise UserError(f"--dask must be the address of a Dask scheduler; {address}: {error}") from None
        self._packed = packed

    def results(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Result]]:
        """Perform all tasks; whoever stops listening cancels the rest."""
        import distributed

        client = self._client
        completed: Callable[..., Iterator[Any]] = distributed.as_completed
        bundle = client.submit(bytes, self._packed, pure=False)
        flying = {client.submit(perform, bundle, task, pure=False): task for task in tasks}
        try:
            for future in completed(list(flying), loop=client.loop):
                task = flying.pop(future)
                try:
                    result: Result = future.result()
                except distributed.KilledWorker:
                    result = lost("its worker died again and again")
                yield task, result
        finally:
            client.cancel([bundle, *flying])
            client.close()
