"""Faults: what goes wrong on purpose, where it was asked for and nowhere else, with its cause recorded."""

from pathlib import Path

import pytest

from gunyah_emu import Machine
from gunyah_emu.errors import UserError
from gunyah_emu.events import DigestSink

GUESTS = Path(__file__).parents[3] / "guest_images"


def run(name: str, *faults: dict[str, object], way: str = "auto"):
    with Machine.from_toml(GUESTS / name / "machine.toml", way=way) as machine:
        for fault in faults:
            machine.inject(**fault)
        machine.record_events()
        outcome = machine.run(max_instructions=3_000_000)
        consoles = {vm.name: vm.console.text for vm in machine.vms}
        return outcome, consoles, [event for event in outcome.events if event.kind != "machine"]


def caused_by(events, event):
    """Every event that would not have happened without `event`."""
    reached = {event.seq}
    for other in events:
        if other.cause in reached:
            reached.add(other.seq)
    return [other for other in events if other.seq in reached]


def test_the_nth_call_returns_the_error_and_is_not_carried_out():
    fault = {"call": "doorbell_send", "vm": "sender", "nth": 2, "error": "CSPACE_CAP_REVOKED"}
    _, _, events = run("doorbell_irq", fault)
    answers = [e.fields[1] for e in events if e.kind == "hypercall_return" and e.fields[0] == "doorbell_send"]
    assert [answer[0] for answer in answers][:2] == [0, 51]
    assert all(not answer[0] for answer in answers[2:])
    (struck,) = [e for e in events if e.kind == "fault"]
    assert struck.fields == ("doorbell_send returns CSPACE_CAP_REVOKED",)
    call = events[struck.cause - events[0].seq]
    assert (call.kind, call.fields[0], call.vm) == ("hypercall", "doorbell_send", "sender")
    assert not [e for e in caused_by(events, call) if e.kind == "virq_assert"]


def test_both_ways_have_the_same_fault():
    fault = {"call": "msgqueue_send", "nth": 3, "error": "MSGQUEUE_FULL"}
    fast, portable = run("message_queue", fault), run("message_queue", fault, way="portable")
    assert fast[1:] == portable[1:]


def test_a_call_is_hit_by_the_address_it_is_made_from():
    _, _, events = run("doorbell_irq")
    sends = [e for e in events if e.kind == "hypercall" and e.fields[0] == "doorbell_send"]
    address = sends[0].fields[3]
    _, _, hit = run("doorbell_irq", {"call": "doorbell_send", "address": address, "error": "ARGUMENT_INVALID"})
    assert [e.kind for e in hit].count("fault") == 1
    _, _, missed = run("doorbell_irq", {"call": "doorbell_send", "address": address + 4, "error": "ARGUMENT_INVALID"})
    assert missed == events


def test_count_0_hits_every_call_from_the_nth_on():
    _, _, events = run("message_queue", {"call": "msgqueue_send", "nth": 2, "count": 0, "error": "MSGQUEUE_FULL"})
    answers = [e.fields[1][0] for e in events if e.kind == "hypercall_return" and e.fields[0] == "msgqueue_send"]
    assert answers[0] == 0
    assert len(answers) > 2
    assert set(answers[1:]) == {61}


@pytest.mark.parametrize("count", [1, 3])
def test_late_messages_arrive_in_order_and_say_what_delayed_them(count):
    _, plain, _ = run("message_queue")
    fault = {"kind": "late-message", "message_queue": 2, "nth": 2, "count": count, "delay": 50_000}
    outcome, consoles, events = run("message_queue", fault)
    assert consoles == plain
    assert outcome.exit_status == 0
    struck = [e for e in events if e.kind == "fault"]
    assert struck[0].fields == ("a message of message queue 2 comes 50000 ns late",)
    arrived = [e for e in caused_by(events, struck[0]) if e.kind == "virq_assert" and "queue 2" in e.fields[0]]
    assert arrived
    assert all(e.time >= struck[0].time + 50_000 for e in arrived)


def test_a_late_interrupt_comes_by_the_delay_later():
    _, _, events = run("doorbell_irq")
    fault = {"kind": "late-interrupt", "vm": "receiver", "spi": 8, "delay": 70_000}
    outcome, _, late = run("doorbell_irq", fault)
    assert outcome.exit_status == 0
    (struck,) = [e for e in late if e.kind == "fault"]
    assert late[struck.cause - late[0].seq].kind == "virq_assert"
    pending = next(e for e in late if e.kind == "irq_pending" and e.fields[0] == 40)
    assert pending.cause == struck.seq
    assert pending.time == struck.time + 70_000
    first = next(e for e in events if e.kind == "irq_pending" and e.fields[0] == 40)
    assert first.time == struck.time


def test_a_spurious_interrupt_comes_when_it_was_asked_for():
    _, _, events = run("doorbell_irq", {"kind": "spurious-interrupt", "vm": "receiver", "spi": 8, "at": 10_000})
    (struck,) = [e for e in events if e.kind == "fault"]
    pending = next(e for e in events if e.kind == "irq_pending" and e.fields[0] == 40)
    assert pending.cause == struck.seq
    assert pending.time == struck.time
    assert 10_000 <= struck.time < 12_000
    assert struck.cause == 0


def test_a_fault_that_is_never_reached_changes_nothing():
    digests = []
    for faults in ((), ({"call": "doorbell_send", "nth": 10**9, "error": "ARGUMENT_INVALID"},)):
        with Machine.from_toml(GUESTS / "doorbell_irq" / "machine.toml") as machine:
            for fault in faults:
                machine.inject(**fault)
            digest = DigestSink()
            machine.record(digest)
            machine.run(max_instructions=3_000_000)
            digests.append(digest.hexdigest())
    assert digests[0] == digests[1]


def test_a_call_that_no_fault_means_keeps_its_bare_entry():
    with Machine.from_toml(GUESTS / "message_queue" / "machine.toml") as machine:
        machine.inject(call="doorbell_send", error="ARGUMENT_INVALID")
        machine.run(max_instructions=3_000_000)
        entry = machine.hypervisor.calls[0x1B]
        assert entry.__code__.co_filename == "<decoder of msgqueue_send>"


def test_a_machine_goes_back_in_front_of_its_faults():
    with Machine.from_toml(GUESTS / "doorbell_irq" / "machine.toml") as machine:
        machine.inject(call="doorbell_send", error="ARGUMENT_INVALID")
        before = machine.snapshot()
        machine.run(max_instructions=3_000_000)
        assert machine.faults.all[0].hit == 1
        machine.restore(before)
        assert machine.faults.all[0].hit == 0
        machine.run(max_instructions=3_000_000)
        assert machine.faults.all[0].hit == 1


HEAD = f'''[[vm]]
name = "a"
image = "{GUESTS / "hello" / "hello.elf"}"

[[fault]]
'''

SENDS = (
    "ARGUMENT_INVALID, CSPACE_CAP_NULL, CSPACE_CAP_REVOKED, CSPACE_WRONG_OBJECT_TYPE, "
    "CSPACE_INSUFFICIENT_RIGHTS, OBJECT_STATE"
)
WRONG = {
    'call = "doorbell_sent"\nerror = "BUSY"': (
        "6:8: call must be the name of a hypercall; there is no 'doorbell_sent' (did you mean 'doorbell_send'?)"
    ),
    'call = "doorbell_send"\nerror = "BUSY"': (
        f"7:9: error must be one that doorbell_send may return ({SENDS}); it is 'BUSY'"
    ),
    'call = "hypervisor_identify"\nerror = "BUSY"': (
        "7:9: error must be left out; hypervisor_identify returns no errors"
    ),
    'call = "doorbell_send"': "5:1: a fault of kind 'error' must have the key 'error'; it has none",
    'call = "doorbell_send"\nerror = "OBJECT_STATE"\nspi = 3': "8:1: spi must be left out of a fault of kind 'error'",
    'call = "doorbell_send"\nerror = "OBJECT_STATE"\nvm = "b"': "8:6: vm must be the name of a VM; there is no 'b'",
    'kind = "late-message"\nmessage_queue = 7\ndelay = 1': (
        "7:17: message_queue must be the label of a message queue (none); it is 7"
    ),
    'kind = "late"': (
        "6:8: kind must be 'error', 'late-message', 'late-interrupt' or 'spurious-interrupt'; it is 'late'"
    ),
}


@pytest.mark.parametrize("fault", WRONG)
def test_a_wrong_fault_is_refused_with_its_place_and_cure(fault, tmp_path):
    path = tmp_path / "machine.toml"
    path.write_text(HEAD + fault + "\n")
    with pytest.raises(UserError) as error:
        Machine.from_toml(path)
    assert str(error.value) == f"{path}:{WRONG[fault]}"


def test_a_wrong_fault_is_refused_in_code_too():
    with (
        Machine.from_toml(GUESTS / "hello" / "machine.toml") as machine,
        pytest.raises(UserError, match="error must be one that doorbell_send may return"),
    ):
        machine.inject(call="doorbell_send", error="MSGQUEUE_FULL")
