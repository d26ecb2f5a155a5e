"""What a debugger asks of an engine: to halt between any two instructions, without a trace in what the guest does.

An engine that is asked nothing pays nothing: see `accelerator/debug.c` and `portable_debug.py` for how.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import NamedTuple

Catch = Callable[[int, str, int], bool]
"""catch(vcpu, conduit, immediate): whether to halt in front of this HVC or SMC; its arguments are in the registers."""

NEVER_HALT = -1
"""No number of instructions."""

NOWHERE = (1 << 64) - 1
"""No address of an instruction."""


class Halt(enum.IntFlag):
    """Why a run ended with `Stop.HALTED`."""

    COUNT = 1
    BREAKPOINT = 2
    CALL = 4
    ACCESS = 8


class Watched(NamedTuple):
    """Bytes of one page, by IPA, and which accesses to them are watched."""

    ipa: int
    size: int
    reads: bool
    writes: bool


class Wanted(NamedTuple):
    """What a debugger wants to see.

    Arguments:
        breakpoints: virtual addresses of instructions, whichever vCPU is about to execute them.
        catch: asked about every HVC and SMC; None: about none.
        watched: where accesses halt, in RAM.  An engine may also halt at another access to the same page.
    """

    breakpoints: frozenset[int] = frozenset()
    catch: Catch | None = None
    watched: tuple[Watched, ...] = ()
