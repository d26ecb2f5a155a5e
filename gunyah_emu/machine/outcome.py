"""How a run ended, as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gunyah_emu.machine.scheduler import Reason

if TYPE_CHECKING:
    from gunyah_emu.events import Event

EXIT_BUDGET = 124
"""Exit status of a run that spent its budget, as of timeout(1)."""

EXIT_IDLE = 125
"""Exit status of a run in which every vCPU waits and nothing can wake one."""

EXIT_FATAL = 126
"""Exit status of a run that a guest brought to a stop: an exception loop, or a call that stops the real hypervisor."""

STATUS_BY_REASON = {
    Reason.INSTRUCTIONS: EXIT_BUDGET,
    Reason.VIRTUAL_TIME: EXIT_BUDGET,
    Reason.TIMEOUT: EXIT_BUDGET,
    Reason.IDLE: EXIT_IDLE,
    Reason.FATAL: EXIT_FATAL,
}


class Outcome(NamedTuple):
    """How a run ended.

    Arguments:
        reason: why it ended.
        exit_status: of the first VM, in the order of the machine file, that ended with a status other than 0; when the
            run ended for another reason than that every VM exited, the documented status of that reason.
        instructions: retired since the machine was made, by all vCPUs.
        virtual_ns: virtual time since the machine was made.
        messages: what a person should know, one sentence each: unknown accesses, exception loops, VMs that had not
            ended.
        events: what was recorded in memory, oldest first; empty unless `Machine.record_events` was called.
    """

    reason: Reason
    exit_status: int
    instructions: int
    virtual_ns: int
    messages: tuple[str, ...]
    events: tuple[Event, ...]
