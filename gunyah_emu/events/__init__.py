"""What happened in a run, as typed records that name their cause, and the sinks that keep them.

Nothing here formats or allocates while nobody listens: the machine attaches a `Recorder` only when there is a sink.
"""

from gunyah_emu.events.kinds import KINDS, EventKind
from gunyah_emu.events.recorder import Event, Recorder, Sink
from gunyah_emu.events.sinks import DigestSink, JsonLinesSink, MemorySink

__all__ = ["KINDS", "DigestSink", "Event", "EventKind", "JsonLinesSink", "MemorySink", "Recorder", "Sink"]
