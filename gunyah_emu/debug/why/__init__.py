"""Why: from an interrupt back to the call that raised it, and why one did not arrive.

`answer(Trace.read(path), ...)` asks recorded events, `why(machine, question)` a machine that stands.
"""

from gunyah_emu.debug.why.answer import answer
from gunyah_emu.debug.why.live import why
from gunyah_emu.debug.why.places import Places
from gunyah_emu.debug.why.question import FORMS, find, parse
from gunyah_emu.debug.why.trace import Trace
from gunyah_emu.debug.why.verdict import verdict

__all__ = ["FORMS", "Places", "Trace", "answer", "find", "parse", "verdict", "why"]
