"""The one source of choice.

Whatever could be otherwise without breaking a specification is asked here: which vCPU runs next, for how long, what
random numbers are.  So a run is a function of its inputs and its seed, and an explorer of schedules is another
`Chooser`.
"""

from __future__ import annotations

from collections import deque
from hashlib import shake_256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gunyah_emu.machine.vm import VCpu

QUANTUM = 30_000
"""Instructions a vCPU runs before another that is ready gets its turn.

Measured with Linux on four vCPUs, processes starting and ending all the time: a vCPU that spins for a lock or for an
answer spins until its turn is over, and with 100,000 such a run took twice as long; shorter turns than this one gain
nothing more and cost the switches.
"""

LONGEST = 10_000_000
"""Instructions of a slice at most, so that Ctrl-C and the wall-clock budget are seen in time."""


class Chooser:
    """The default choices: round robin, a fixed quantum, and random numbers that depend on the seed alone.

    Arguments:
        seed: any integer; 0 is the default of a machine.
        quantum: instructions of a slice while another vCPU is ready.
    """

    def __init__(self, seed: int = 0, quantum: int = QUANTUM) -> None:
        self.seed = seed
        self.quantum = quantum
        self._drawn = 0

    def next_vcpu(self, ready: deque[VCpu]) -> VCpu:
        """Take the vCPU that runs next out of `ready`, which is in order of readiness and not empty."""
        return ready.popleft()

    def slice_length(self, vcpu: VCpu, others_ready: bool) -> int:
        """Instructions the slice may last; more for a vCPU that is alone: that costs less and decides nothing."""
        return self.quantum if others_ready else min(self.quantum * 33, LONGEST)

    def entropy(self, count: int) -> bytes:
        """`count` bytes for a guest that asks for random numbers."""
        self._drawn += 1
        return shake_256(b"gunyah_emu entropy %d %d" % (self.seed, self._drawn)).digest(count)
