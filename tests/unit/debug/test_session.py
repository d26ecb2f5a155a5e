"""A machine under a debugger: it halts where it was asked to, and comes back to where it was."""

import random
from pathlib import Path

import pytest

from gunyah_emu import Machine
from gunyah_emu.debug.points import HaltKind
from gunyah_emu.debug.session import Session

GUESTS = Path(__file__).parents[3] / "guest_images"
DOORBELL_SEND = 0x6012
MIDDLE = 70_000


@pytest.fixture(params=["fast", "portable"])
def session(request):
    with Machine.from_toml(GUESTS / "doorbell_irq" / "machine.toml", way=request.param) as machine:
        yield Session(machine)


def registers(vcpu):
    view = vcpu.vm.engine.registers(vcpu.index)
    return view.pc, view.sp, view.pstate, [view.x[number] for number in range(31)]


def pc(vcpu):
    return vcpu.vm.engine.registers(vcpu.index).pc


def address(session, vm, name):
    return session.machine.vm(vm).images[0].address_of(name)


def here(session):
    vcpu = session.current
    doorbells = [session.machine.doorbell(label).flags for label in (1, 2)]
    return (
        vcpu,
        registers(vcpu),
        doorbells,
        [vm.console.text for vm in session.machine.vms],
        session.machine.clock.now(),
    )


def test_it_stands_at_the_first_instruction(session):
    assert session.position == 0
    assert pc(session.current) == session.machine.vms[0].images[0].entry


def test_a_breakpoint_halts_in_front_of_its_instruction_in_its_vm_alone(session):
    receiver = session.machine.vm("receiver")
    session.add_breakpoint(receiver, address(session, "receiver", "main"))
    halt = session.resume()
    assert (halt.kind, halt.vcpu.vm) == (HaltKind.BREAKPOINT, receiver)
    assert pc(halt.vcpu) == address(session, "receiver", "main") == halt.point.address
    assert session.resume().kind is HaltKind.EXITED


def test_a_removed_breakpoint_halts_no_more(session):
    point = session.add_breakpoint(session.machine.vm("receiver"), address(session, "receiver", "main"))
    session.remove(point)
    assert session.resume().kind is HaltKind.EXITED


def test_a_caught_call_has_its_arguments_and_then_its_results_in_the_registers(session):
    sender = session.machine.vm("sender")
    session.catch_calls(sender, {DOORBELL_SEND}, returns=True)
    halt = session.resume()
    before = registers(halt.vcpu)
    assert (halt.kind, halt.vcpu.vm, before[3][1]) == (HaltKind.CALL, sender, 1)
    assert session.machine.doorbell(1).flags == 0
    halt = session.resume()
    assert (halt.kind, pc(halt.vcpu)) == (HaltKind.CALL_RETURN, before[0] + 4)
    assert session.machine.doorbell(1).flags == 1


def test_only_the_calls_that_were_asked_for_are_caught(session):
    session.catch_calls(None, {DOORBELL_SEND})
    sent = 0
    while session.resume().kind is HaltKind.CALL:
        sent += 1
    assert sent == session.machine.vm("sender").console.text.count("sent")


def test_both_encodings_of_a_call_have_one_number():
    with Machine.from_toml(GUESTS / "doorbell_flags" / "machine.toml") as machine:
        session = Session(machine)
        session.catch_calls(None, {DOORBELL_SEND})
        makers = set()
        while (halt := session.resume()).kind is HaltKind.CALL:
            makers.add(halt.vcpu.vm.name)
        assert len(makers) == 3


def test_an_interrupt_halts_behind_its_acknowledgement(session):
    receiver = session.machine.vm("receiver")
    session.catch_interrupts(receiver)
    halt = session.resume()
    assert (halt.kind, halt.vcpu.vm) == (HaltKind.INTERRUPT, receiver)
    assert session.sink.events[-1].kind == "irq_acknowledged"


def test_back_from_the_receivers_interrupt_to_the_senders_call_and_forward_again(session):
    session.catch_interrupts(session.machine.vm("receiver"))
    session.resume()
    taken = session.position, here(session)
    session.catch_calls(session.machine.vm("sender"), {DOORBELL_SEND})
    halt = session.reverse_resume()
    assert (halt.kind, halt.vcpu.vm.name) == (HaltKind.CALL, "sender")
    assert session.machine.doorbell(1).flags == 0
    assert session.resume().kind is HaltKind.INTERRUPT
    assert (session.position, here(session)) == taken


def test_going_anywhere_gives_what_was_there(session):
    session.go(MIDDLE)
    seen = {}
    for _ in range(100):
        seen[session.position] = here(session)
        session.step(session.current)
    for position in random.Random(1).sample(sorted(seen), 10):
        halt = session.go(position)
        assert (halt.kind, halt.position) == (HaltKind.POSITION, position)
        assert here(session) == seen[position]


def test_steps_back_undo_steps(session):
    session.go(MIDDLE)
    vcpu = session.current
    was = registers(vcpu)
    for count in (1, 3, 20):
        session.step(vcpu, count)
        assert registers(vcpu) != was
        assert session.reverse_step(vcpu, count).kind is HaltKind.STEP
        assert registers(vcpu) == was


def test_a_step_of_one_vcpu_passes_the_turns_of_others(session):
    """What waits executes its next instruction only after the other VM has rung."""
    session.add_breakpoint(session.machine.vm("receiver"), address(session, "receiver", "on_edge"))
    halt = session.resume()
    receiver, sender = halt.vcpu, session.machine.vm("sender").vcpus[0]
    halt = session.step(sender)
    assert (halt.kind, halt.vcpu) == (HaltKind.STEP, sender)
    assert session.reverse_step(receiver).kind is HaltKind.STEP


def test_the_beginning_ends_every_way_back(session):
    session.go(50)
    assert session.reverse_resume().kind is HaltKind.BEGINNING
    assert session.position == 0
    assert session.reverse_step(session.current).kind is HaltKind.BEGINNING


def test_the_end_is_no_end_of_going_back(session):
    halt = session.resume()
    assert (halt.kind, halt.outcome.exit_status) == (HaltKind.EXITED, 0)
    end = session.position
    session.catch_calls(session.machine.vm("sender"), {DOORBELL_SEND})
    assert session.reverse_resume().kind is HaltKind.CALL
    while (halt := session.resume()).kind is HaltKind.CALL:
        pass
    assert (halt.kind, halt.position) == (HaltKind.EXITED, end)


@pytest.mark.parametrize(("access", "halts"), [("write", 3), ("read", 5), ("access", 8)])
def test_a_watched_variable_halts_in_front_of_each_access(session, access, halts):
    place = address(session, "receiver", "edges")
    session.add_watchpoint(session.machine.vm("receiver"), place, 4, access)
    seen = []
    while (halt := session.resume()).kind is HaltKind.WATCHPOINT:
        assert halt.address == place
        seen.append(int.from_bytes(session.read_memory(halt.vcpu, place, 4), "little"))
    assert halt.kind is HaltKind.EXITED
    assert seen == sorted(seen)
    assert set(seen) <= {0, 1, 2, 3}
    assert len(seen) >= halts


def test_a_neighbour_of_watched_bytes_is_not_watched(session):
    place = address(session, "receiver", "edges")
    session.add_watchpoint(session.machine.vm("receiver"), place + 2048, 4, "access")
    assert session.resume().kind is HaltKind.EXITED
    assert session.position == 142_818


def test_watching_backwards_finds_the_last_writer(session):
    place = address(session, "receiver", "edges")
    session.resume()
    session.add_watchpoint(session.machine.vm("receiver"), place, 4, "write")
    halt = session.reverse_resume()
    assert halt.kind is HaltKind.WATCHPOINT
    assert int.from_bytes(session.read_memory(halt.vcpu, place, 4), "little") == 2
    name, _ = session.machine.vm("receiver").images[0].symbol_at(pc(halt.vcpu))
    assert name == "on_edge"


def test_the_last_halt_of_many_is_found_without_all_of_them(session, monkeypatch):
    session.go(15_000)
    vcpu = session.current  # in a loop of six instructions
    session.add_breakpoint(vcpu.vm, pc(vcpu))
    moves = []
    advance = session._advance
    monkeypatch.setattr(session, "_advance", lambda *given, **more: moves.append(given) or advance(*given, **more))
    assert session.reverse_resume().position == 15_000 - 6
    assert len(moves) < 500, "it halted at every turn of the loop"


def test_a_limit_halts_at_its_position(session):
    halt = session.resume(limit=1234)
    assert (halt.kind, halt.position, session.position) == (HaltKind.POSITION, 1234, 1234)


def test_an_interruption_halts_soon(session):
    asked = []
    halt = session.resume(interrupted=lambda: asked.append(1) or len(asked) > 3)
    assert halt.kind is HaltKind.INTERRUPTED
    assert session.resume().kind is HaltKind.EXITED
    assert session.position == 142_818


def test_what_is_held_back_stands_still(session):
    sender, receiver = session.machine.vm("sender").vcpus[0], session.machine.vm("receiver").vcpus[0]
    was = registers(receiver)
    halt = session.resume(only=[sender], limit=30_000)
    assert (halt.kind, registers(receiver)) == (HaltKind.POSITION, was)
    session.resume()
    assert session.machine.vm("receiver").console.text


def test_a_vm_that_alone_may_run_powers_on_its_further_vcpus(tmp_path):
    vms = ("smp", 4), ("hello", 1)
    text = "".join(
        f'[[vm]]\nname = "{name}"\nimage = "{GUESTS}/{name}/{name}.elf"\nvcpus = {count}\n' for name, count in vms
    )
    (tmp_path / "two.toml").write_text(text)
    with Machine.from_toml(tmp_path / "two.toml") as machine:
        smp, hello = machine.vms
        Session(machine).resume(only=[smp], limit=3_000_000)
        assert "counted to 4000" in smp.console.text
        assert not hello.console.text


def test_a_written_register_begins_a_new_future_and_leaves_the_past(session):
    session.go(MIDDLE)
    was = here(session)
    session.write_register(session.current, "x19", 0x1234)
    session.step(session.current)
    session.go(MIDDLE)
    assert session.current.vm.engine.registers(0).x[19] == 0x1234
    session.go(MIDDLE - 1)
    session.go(MIDDLE - 1)
    assert here(session)[1] != was[1]


def test_written_code_is_executed(session):
    """A guest whose main returns 7 at once."""
    sender = session.machine.vm("sender")
    main = address(session, "sender", "main")
    session.add_breakpoint(sender, main)
    halt = session.resume()
    code = b"\xe0\x00\x80\x52\xc0\x03\x5f\xd6"  # mov w0, #7 ; ret
    assert session.write_memory(halt.vcpu, main, code) == len(code)
    assert session.read_memory(halt.vcpu, main, 8) == code
    session.resume(limit=2_000_000)
    assert sender.exit_status == 7


def test_memory_ends_where_nothing_is_mapped(session):
    vcpu = session.current
    ram = vcpu.vm.engine.ram[0]
    assert session.read_memory(vcpu, ram.ipa + ram.size - 4, 16) == bytes(4)
    assert session.read_memory(vcpu, 0x0900_0000, 4) == b""
    assert session.write_memory(vcpu, 1 << 63, b"x") == 0


def test_a_machine_that_is_let_go_runs_on_as_if_nobody_had_looked(session):
    session.add_breakpoint(session.machine.vm("receiver"), address(session, "receiver", "on_edge"))
    session.resume()
    session.resume(limit=session.position + 3)
    session.close()
    outcome = session.machine.run()
    assert (outcome.exit_status, outcome.instructions) == (0, 142_818)


def test_little_memory_for_the_past_makes_it_slow_and_not_wrong():
    with Machine.from_toml(GUESTS / "smp" / "machine.toml") as machine:
        session = Session(machine, history_bytes=1)
        session.go(300_000)
        was = here_of(session)
        session.go(500_000)
        session.go(300_000)
        assert here_of(session) == was


def here_of(session):
    return session.current, registers(session.current), session.machine.clock.now()


VCPU_RUN = 0x6065


def test_a_call_that_blocks_its_caller_returns_when_that_goes_on():
    with Machine.from_toml(GUESTS / "root_proxy" / "machine.toml") as machine:
        session = Session(machine)
        session.catch_calls(numbers={VCPU_RUN}, returns=True)
        call = session.resume()
        assert call.kind is HaltKind.CALL
        where = pc(call.vcpu)
        back = session.resume()
        assert (back.kind, back.vcpu, session.current) == (HaltKind.CALL_RETURN, call.vcpu, call.vcpu)
        assert pc(back.vcpu) == where + 4
        assert not back.vcpu.blocked
        assert back.position > call.position + 1
        assert [event.kind for event in session.sink.events].count("hypercall_return") >= 1


def test_a_breakpoint_of_a_vm_that_a_guest_makes_is_there_again_after_going_back():
    with Machine.from_toml(GUESTS / "root_proxy" / "machine.toml") as machine:
        session = Session(machine)
        session.catch_calls(numbers={VCPU_RUN})
        assert session.resume().kind is HaltKind.CALL
        child = machine.vms[-1]
        assert child is not machine.vms[0]
        entry = pc(child.vcpus[0])
        session.remove(session.sights.points[0])
        session.add_breakpoint(child, entry)
        hit = session.resume()
        assert (hit.kind, pc(hit.vcpu)) == (HaltKind.BREAKPOINT, entry)
        session.go(0)
        again = session.resume()
        assert (again.kind, again.position, again.vcpu.vm.name) == (HaltKind.BREAKPOINT, hit.position, child.name)
