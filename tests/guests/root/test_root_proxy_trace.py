"""A trace of a proxy scheduler: what its calls answered, and when."""

from pathlib import Path

from gunyah_emu import Machine
from gunyah_emu.events import MemorySink

GUEST = Path(__file__).parents[3] / "guest_images" / "root_proxy" / "machine.toml"


def test_every_call_that_blocks_is_answered_by_a_second_return():
    memory = MemorySink()
    with Machine.from_toml(GUEST) as machine:
        machine.record(memory)
        machine.run(max_instructions=5_000_000)
    by_call = {}
    for event in memory.events:
        if event.kind == "hypercall_return" and event.fields[0] == "vcpu_run":
            by_call.setdefault(event.cause, []).append(event)
    blocked = [returns for returns in by_call.values() if returns[0].fields[1] is None]
    assert len(blocked) > 100
    for first, second in blocked:
        assert second.fields[1][0] == 0
        assert second.time >= first.time
    assert any(second.time > first.time for first, second in blocked)
