"""The stepper without a screen: what each verb finds, forwards and backwards, and what is said of a wrong script."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gunyah_emu import Machine
from gunyah_emu.debug.stepper.batch import run_script
from gunyah_emu.debug.stepper.stepper import Stepper
from gunyah_emu.debug.stepper.verbs import VERBS, Context
from gunyah_emu.debug.stepper.views import Views
from gunyah_emu.errors import UserError

ROOT = Path(__file__).parents[4]
GUESTS = ROOT / "guest_images"

Play = Callable[..., list[str]]


@pytest.fixture
def play() -> Iterator[Play]:
    """Performs the lines of a script on a machine; every call goes on where the last one stopped."""
    machines: dict[str, tuple[Machine, Context]] = {}

    def perform(*script: str, guest: str = "doorbell_irq", limit: int | None = 50_000_000) -> list[str]:
        if guest not in machines:
            machine = Machine.from_toml(GUESTS / guest / "machine.toml")
            stepper = Stepper(machine, limit=limit)
            machines[guest] = machine, Context(stepper, Views(stepper))
        printed: list[str] = []
        run_script(machines[guest][1], script, "script", printed.append)
        return printed

    yield perform
    for machine, _ in machines.values():
        machine.close()


def position(line: str) -> int:
    found = re.match(r"@(\d+)", line)
    assert found, line
    return int(found[1])


def test_a_hypercall_is_shown_before_it_is_made_with_its_object_and_then_with_its_result(play: Play) -> None:
    printed = play("call doorbell_send", "args", "return", "args")
    assert re.match(r"@\d+  sender/0 at main\+0x38 \(sender.c:14, from sender.c:26\)  next: ", printed[1])
    assert printed[1].endswith("  next: doorbell_send(doorbell 1, new_flags=0x1)")
    assert printed[3:6] == [
        "doorbell_send  by hvc #0x6012",
        "  x0  doorbell   0x100000000  doorbell 1 (doorbell, active; rights send)",
        "  x1  new_flags  0x1",
    ]
    assert printed[7].endswith("doorbell_send returned OK, 0x0")
    assert printed[9] == "the next instruction is no call"
    assert re.match(r"last: doorbell_send returned OK, 0x0  \[\d+\]", printed[10])


def test_the_smccc_encoding_is_decoded_alike(play: Play) -> None:
    printed = play("filter call doorbell_*", "call", "call", "call", "args", guest="doorbell_flags")
    assert "doorbell_send  by hvc #0 with 0xc6008012 in x0" in printed
    assert "  x1  doorbell   0x200000000  doorbell 1 (doorbell, active; rights send)" in printed


def test_an_interrupt_is_explained_by_the_call_in_the_other_vm(play: Play) -> None:
    printed = play("irq 40", "gic", "objects")
    assert "receiver/0 takes INTID 40 (SPI 8) at main+" in printed[1]
    assert "because sender/0 calls doorbell_send(doorbell 1, new_flags=0x1) at main+0x38 (sender.c:14" in printed[1]
    assert "  40  active   edge   0xa0  doorbell 1" in printed
    assert "doorbell 1  flags 0x1  enabled all, ack 0x0  INTID 40 of receiver" in printed


def test_back_is_where_it_came_from_and_forward_is_the_same_again(play: Play) -> None:
    first = play("call doorbell_send", "registers")
    there = play("irq", "registers")
    assert play("back-call", "registers")[1:] == first[1:]
    again = play("irq", "registers")
    assert again == there
    step = play("step 5", "back 5")
    assert position(step[-1]) == position(there[1])


def test_back_from_the_end_of_everything(play: Play) -> None:
    end = play("run")[-1]
    assert end.endswith("every VM exited; status 0")
    assert position(play("back")[-1]) == position(end) - 1
    with pytest.raises(UserError, match=r"script:2:1: no vCPU has an instruction to execute: go back"):
        play("run", "step")


def test_places_are_symbols_lines_addresses_and_positions(play: Play) -> None:
    printed = play(
        "to on_edge", "to receiver.c:17", "to sender:main+0x74", "to @100", "to receiver:0x40101218", "where"
    )
    answers = [line for line in printed if line.startswith("@")]
    assert "receiver/0 at on_edge (receiver.c:15)" in answers[0]
    assert "receiver/0 at on_edge+0x1c (receiver.c:17)" in answers[1]
    assert "sender/0 at main+0x74 (sender.c:14, from sender.c:2" in answers[2]
    assert position(answers[3]) == 100
    assert "on_edge" in answers[4]
    assert answers[5] == answers[4].removesuffix("  ")


def test_next_steps_over_functions_and_calls(play: Play) -> None:
    printed = play("to on_edge", "step 6", "next", "call doorbell_send", "next")
    over = [line for line in printed if line.startswith("@")]
    assert "on_edge+0x1c (receiver.c:17)" in over[2]
    assert over[4].endswith("doorbell_send returned OK, 0x1")


def test_a_filter_lets_one_vm_or_some_calls_through(play: Play) -> None:
    printed = play(
        "filter vm receiver", "call", "filter off", "filter call doorbell_send", "back-call", guest="doorbell_flags"
    )
    assert printed[1] == "stops for any call of VM receiver"
    assert "receiver/0" in printed[3]
    assert printed[-3] == "stops for doorbell_send of any VM"
    assert printed[-1].endswith("the beginning of what is remembered")


def test_breakpoints_and_watchpoints_halt_a_run_both_ways(play: Play) -> None:
    printed = play("break on_edge", "watch receiver:edges 4", "run", "run", "run", "back-run", "back-run", "run", "run")
    answers = [line for line in printed if line.startswith("@")]
    cleared, entered, counted, *rest = answers
    assert cleared.endswith("a watched access is next")
    assert entered.endswith("receiver/0 at on_edge (receiver.c:15)")
    assert counted.endswith("on_edge+0x28 (receiver.c:17)  a watched access is next")
    assert rest == [entered, cleared, entered, counted]
    printed = play("delete 1", "points", "run")
    assert printed[1] == printed[3] == "  1  watch 4 bytes at receiver:0x40103000  edges"
    assert position(printed[-1]) > position(counted)


def test_the_end_stays_the_end_until_one_goes_back(play: Play) -> None:
    assert play("run")[-1] == play("run")[-1] == play("call")[-1]
    assert play("back 5", "run")[-1].endswith("every VM exited; status 0")


def test_why_asks_the_machine_as_it_stands_and_the_events(play: Play) -> None:
    printed = play("run", "why", "why doorbell 1", "why receiver irq 40", "why wait", guest="bad_lost_wakeup")
    blamed = "none of its flags is enabled: flags 0x6, enable mask 0x0"
    answers = [line for line in printed if line.startswith(("receiver/0 waits", "INTID", "doorbell 1 did"))]
    assert len(answers) == 7
    assert all(blamed in line for line in answers)
    assert sum("on_doorbell+0x18 (receiver.c:25)" in line for line in printed) == 5


def test_a_vm_that_a_guest_makes_and_destroys_can_be_looked_at_while_it_lives(play: Play) -> None:
    made = play("call vcpu_poweron", "return", "look vmid-40", guest="root_vm")
    assert made[-1].endswith("vmid-40/0 is ready at 0x40100000")
    assert play("run", "where", guest="root_vm")[-1].split()[1] == "root/0"
    with pytest.raises(UserError, match="there is no VM 'vmid-40'; there are root"):
        play("look vmid-40", guest="root_vm")
    again = play("back-call vcpu_poweron", "return", "look vmid-40", "registers", guest="root_vm")
    assert "vmid-40/0 is ready at 0x40100000" in "\n".join(again)


def test_what_a_guest_left_undecodable_is_shown_all_the_same(play: Play) -> None:
    """A PC in a hole, a capability that names nothing, a call that does not exist: every view still answers."""
    play("call doorbell_send")
    printed = play("all")
    machine_part = [line for line in printed if line.startswith("---")]
    assert len(machine_part) == 6
    with Machine.from_toml(GUESTS / "bad_jump/machine.toml") as machine:
        stepper = Stepper(machine, limit=10_000)
        context = Context(stepper, Views(stepper))
        assert stepper.focus is not None
        stepper.session.write_register(stepper.focus, "pc", 0x7000_0000)
        out: list[str] = []
        run_script(context, ["all", "step 3", "all", "registers"], "script", out.append)
        assert any("nothing is mapped here" in line for line in out)


def test_an_error_in_decoding_is_a_line_and_the_session_goes_on(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise IndexError("what a guest left")

    monkeypatch.setattr("gunyah_emu.debug.stepper.code.disassemble", fail)
    monkeypatch.setattr("gunyah_emu.debug.stepper.answer.next_call", fail)
    printed = play("code", "step", "all", "registers", "step")
    assert printed.count("cannot be shown: IndexError: what a guest left") == 4
    monkeypatch.undo()
    assert play("where")[-1].startswith("@2  ")


@pytest.mark.parametrize(
    ("x0", "meaning"),
    [
        (0x1_0000_0010, "CSPACE_CAP_NULL"),
        (1 << 63, "ARGUMENT_INVALID"),
        (0x1_0000_0001, "CSPACE_INSUFFICIENT_RIGHTS"),
    ],
)
def test_a_capability_that_will_be_refused_is_told_before_the_call(play: Play, x0: int, meaning: str) -> None:
    with Machine.from_toml(GUESTS / "doorbell_irq/machine.toml") as machine:
        stepper = Stepper(machine)
        views = Views(stepper)
        stepper.to_call("doorbell_send")
        vcpu = stepper.focus
        assert vcpu is not None
        assert vcpu.thread.cspace is not None
        if meaning == "CSPACE_INSUFFICIENT_RIGHTS":
            x0 = vcpu.thread.cspace.insert(machine.doorbell(2), 0)
        before = dict(vcpu.thread.cspace.table)
        stepper.session.write_register(vcpu, "x0", x0)
        stepper.session.write_register(vcpu, "x2", 7)
        shown = ["".join(text for text, _ in line) for line in views.call()]
        assert meaning in shown[1]
        assert "(reserved)" in shown[3]
        assert "must be 0x0: ARGUMENT_INVALID" in shown[3]
        assert dict(vcpu.thread.cspace.table) == before, "looking a capability up changes nothing"


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (["", "# nothing", "foo"], "script:3:1: there is no verb 'foo'; there are call, irq,"),
        (["step x"], "script:1:1: a number must be decimal or 0x..., not 'x'"),
        (["step 0"], "script:1:1: a number here must be from 1 to 1000000000, not 0"),
        (["watch main 99999999999999999999"], "a number here must be from 1 to 4096, not 99999999999999999999"),
        (["events -1"], "a number here must be from 1 to 1000000000, not -1"),
        (["to"], "script:1:1: must be `to PLACE`; its arguments are ''"),
        (["to nowhere"], "an address, a symbol[+offset] or file:line; 'nowhere' is not in any VM"),
        (["to sender:on_edge"], "'on_edge' is not in VM 'sender'"),
        (["filter xyz"], "a filter must be `vm NAME`, `call NAME...` or `off`, not 'xyz'"),
        (["filter call nothing_*"], "must be a name, a pattern such as doorbell_*, or a number; not 'nothing_*'"),
        (["filter vm nobody"], "there is no VM 'nobody'; there are sender, receiver"),
        (["look sender/3"], "VM 'sender' has vCPUs 0; it has no 3"),
        (["delete 1"], "there are 0 breakpoints and watchpoints; there is no 1"),
        (["return"], "the next instruction is no HVC or SMC; `call` goes to one"),
        (["type sender 'x"], "script:1:1: the words of a line must be separable: No closing quotation"),
        (["where", "expect nobody"], "script:2:1: the last verb must print 'nobody'; it printed '@0  sender/0"),
    ],
)  # fmt: skip
def test_a_wrong_script_is_told_by_its_line(play: Play, script: list[str], message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        play(*script)


def test_a_move_that_finds_nothing_gives_up(play: Play) -> None:
    assert play("call", guest="bad_loop", limit=100_000)[-1].endswith("gave up after 100000 instructions")


def test_help_names_every_verb(play: Play) -> None:
    printed = play("help")
    assert [line[5:].split()[0] for line in printed[1:]] == list(VERBS)
    assert play("help why")[1].startswith("w    why [EVENT...]  why: of `irq INTID`")


def test_the_command_prints_consoles_between_verbs_and_ends_with_a_status(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gunyah_emu", "step", "guest_images/doorbell_irq/machine.toml", "--batch"]
    script = "call doorbell_send  # the first\nexpect doorbell 1\nto receiver.c:17\nquit\nfoo\n"
    done = subprocess.run([*command, "-"], input=script, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "> call doorbell_send  # the first"
    assert lines[2:4] == ["> to receiver.c:17", "receiver | SPI 8 (INTID 40) taken, edge"]
    (tmp_path / "s.txt").write_text("step\nbad verb\n")
    done = subprocess.run([*command, tmp_path / "s.txt"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 2
    assert done.stderr.startswith(f"gunyah-emu: {tmp_path}/s.txt:2:1: there is no verb 'bad'")


def test_the_screen_needs_a_terminal() -> None:
    command = [sys.executable, "-m", "gunyah_emu", "step", "guest_images/hello/hello.elf"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, stdin=subprocess.DEVNULL)
    message = "gunyah-emu: the stepper's screen needs a terminal; --batch SCRIPT or --batch - does without\n"
    assert (done.returncode, done.stderr) == (2, message)
