"""What is recorded is enough to explain a run afterwards, and the same on both ways of driving the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from gunyah_emu import Machine
from gunyah_emu.events import DigestSink, Event
from gunyah_emu.events.kinds import KINDS
from gunyah_emu.hypervisor.doorbell import Doorbell
from gunyah_emu.hypervisor.msgqueue import MsgQueue
from gunyah_emu.hypervisor.silence import silence
from gunyah_emu.hypervisor.vic import Vic

GUESTS = Path(__file__).parents[3] / "guest_images"


def recorded(guest: str, way: str = "auto", budget: int = 10_000_000) -> Sequence[Event]:
    with Machine.from_toml(GUESTS / guest / "machine.toml", way=way) as machine:
        machine.record_events()
        return machine.run(max_instructions=budget).events


def field(event: Event, name: str) -> object:
    return event.fields[KINDS[event.kind].fields.index(name)]


@pytest.mark.parametrize("guest", ["message_queue", "doorbell_flags", "smp"])
def test_places_and_reasons_are_the_same_on_both_ways(guest: str):
    assert recorded(guest, "auto") == recorded(guest, "portable")


def test_a_trace_begins_with_the_files_that_explain_its_addresses():
    first = recorded("hello")[0]
    assert first.kind == "machine"
    assert field(first, "file") == str(GUESTS / "hello/machine.toml")
    images = field(first, "images")
    assert isinstance(images, dict)
    assert [Path(str(image["path"])).name for image in images["hello"]] == ["hello.elf"]
    assert len(images["hello"][0]["sha256"]) == 64


def test_where_the_files_are_is_no_part_of_a_run(tmp_path: Path):
    (tmp_path / "machine.toml").write_text(f'[[vm]]\nname = "hello"\nimage = "{GUESTS}/hello/hello.elf"\n')
    digests = []
    for path in (GUESTS / "hello/machine.toml", tmp_path / "machine.toml"):
        with Machine.from_toml(path) as machine:
            sink = DigestSink()
            machine.record(sink)
            machine.run()
        digests.append(sink.hexdigest())
    assert digests[0] == digests[1]


def test_a_call_names_its_objects_and_its_place():
    events = recorded("message_queue")
    send = next(event for event in events if event.kind == "hypercall" and event.fields[0] == "msgqueue_send")
    assert field(send, "objects") == {"msgqueue": "message queue 1"}
    with Machine.from_toml(GUESTS / "message_queue/machine.toml") as machine:
        client = machine.vm("client")
        pc, lr = field(send, "pc"), field(send, "lr")
        assert isinstance(pc, int)
        assert isinstance(lr, int)
        word = client.images[0].segments[0].data[pc - client.images[0].segments[0].virtual_address :][:4]
        assert int.from_bytes(word, "little") & 0xFFE0_001F == 0xD400_0002, "the PC is that of the HVC"
        assert "main+" in client.describe(lr)


def test_an_sgi_is_caused_by_the_vcpu_that_sends_it():
    events = recorded("smp")
    by_seq = {event.seq: event for event in events}
    taken = next(event for event in events if event.kind == "irq_acknowledged" and event.vcpu == 1)
    pending = by_seq[taken.cause]
    sent = by_seq[pending.cause]
    assert (sent.kind, sent.vcpu, field(sent, "intid")) == ("sgi", 0, field(taken, "intid"))


def test_an_interrupt_of_virtio_is_caused_by_the_access_in_the_other_vm():
    events = recorded("root_proxy", budget=1_000_000)
    by_seq = {event.seq: event for event in events}
    asserted = next(
        event for event in events if event.kind == "virq_assert" and event.fields[0] == "virtio_mmio frontend"
    )
    cause = by_seq[asserted.cause]
    assert cause.kind == "access"
    assert cause.vm != asserted.vm == "root"


def test_a_machine_without_a_future_says_so_once():
    with Machine.from_toml(GUESTS / "bad_lost_wakeup/machine.toml") as machine:
        machine.record_events()
        machine.run()
        events = machine.run().events
    assert [event.kind for event in events].count("idle") == 1
    assert events[-1].kind == "idle"


def test_a_silent_queue_says_how_many_messages_it_waits_for(tmp_path: Path):
    with Machine.from_toml(GUESTS / "message_queue/machine.toml") as machine:
        queue = machine.message_queue(1)
        queue.set_receive_threshold(2)
        queue.push(b"one", push=False)
        assert silence(queue.receive_source) == {
            "below_threshold": "the receive threshold is not reached: 1 of 2 messages"
        }
        queue.push(b"two", push=False)
        assert silence(queue.receive_source) == {}


def test_an_unbound_object_is_silent_for_that_reason_first():
    with Machine.from_toml(GUESTS / "doorbell_irq/machine.toml") as machine:
        partition = machine.hypervisor.root_partition
        doorbell, queue = Doorbell(partition), MsgQueue(partition, depth=1, max_message_size=1)
        doorbell.flags, doorbell.enable_mask = 1, 2
        assert list(silence(doorbell.source)) == ["not_bound", "flag_not_enabled"]
        assert list(silence(queue.receive_source)) == ["not_bound", "below_threshold"]
        assert not doorbell.bind(Vic(partition, virqs=8), 32)
        doorbell.flags = 0
        assert list(silence(doorbell.source)) == ["no_flags"]
