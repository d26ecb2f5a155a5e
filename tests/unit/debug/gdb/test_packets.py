"""What each packet is answered, and what it asks of the session."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from types import SimpleNamespace

import pytest

from gunyah_emu.debug.gdb.packets.resume import VERBS
from gunyah_emu.debug.gdb.packets.transfers import DOCUMENTS
from gunyah_emu.debug.gdb.points import LIMIT
from gunyah_emu.debug.gdb.registers import ACKNOWLEDGE, NUMBERS, REGISTERS, TOGETHER, target_description
from gunyah_emu.debug.gdb.table import TABLE
from gunyah_emu.debug.points import Halt, HaltKind


def test_only_what_has_a_handler_is_advertised(client) -> None:
    features = client.ask("qSupported:multiprocess+").split(";")
    advertised = {feature.rstrip("+") for feature in features if feature.endswith("+")}
    handlers = {
        "multiprocess": b"H", "swbreak": b"Z", "hwbreak": b"Z", "QCatchSyscalls": b"QCatchSyscalls",
        "vContSupported": b"vCont", "ReverseStep": b"bs", "ReverseContinue": b"bc",
        "QStartNoAckMode": b"QStartNoAckMode",
        **{f"qXfer:{name.decode()}:read": b"qXfer" for name in DOCUMENTS},
    }  # fmt: skip
    assert advertised == set(handlers)
    assert set(handlers.values()) <= set(TABLE)
    assert "PacketSize=4000" in features


@pytest.mark.parametrize(
    "packet", ["vMustReplyEmpty", "qTStatus", "vFile:open:00,0,0", "R00", "QNonStop:1", "", "\xff"]
)
def test_what_is_not_supported_gets_the_empty_reply(client, packet: str) -> None:
    assert client.ask(packet) == ""


def test_the_target_description_is_xml_that_names_every_register_once(client) -> None:
    text, offset = "", 0
    while True:
        piece = client.ask(f"qXfer:features:read:target.xml:{offset:x},fff")
        text += piece[1:]
        offset += len(piece) - 1
        if piece[0] == "l":
            break
    root = ET.fromstring(text)
    assert text == target_description()
    names = [register.get("name") for register in root.iter("reg")]
    assert names == [register.name for register in REGISTERS]
    assert len(set(names)) == len(names)
    assert [feature.get("name") for feature in root.iter("feature")][:2] == [
        "org.gnu.gdb.aarch64.core",
        "org.gnu.gdb.aarch64.fpu",
    ]
    assert {"ESR_EL1", "VBAR_EL1", "MPIDR_EL1", "CNTVCT_EL0", "ICC_PMR_EL1"} <= set(names)
    assert not set(ACKNOWLEDGE) & set(names)


def test_every_register_can_be_read_and_reading_all_is_reading_each(client) -> None:
    client.sender.vm.engine.registers(0).x[7] = 0x1122
    each = [client.ask(f"p{number:x}") for number in range(len(REGISTERS))]
    assert all(len(digits) == register.bits // 4 for digits, register in zip(each, REGISTERS, strict=True))
    assert client.ask("g") == "".join(each[: len(TOGETHER)])
    assert each[7] == "2211000000000000"


def test_the_thread_that_was_chosen_is_the_one_that_is_read(client) -> None:
    client.receiver.vm.engine.registers(0).x[0] = 0x77
    assert client.ask("Hgp2.1") == "OK"
    assert client.ask("p0") == "7700000000000000"
    assert client.ask("qC") == "QCp2.1"


def test_writing_asks_the_session_by_its_own_names(client) -> None:
    number = NUMBERS["ESR_EL1"]
    assert client.ask(f"P{number:x}=0100000000000000") == "OK"
    assert client.ask("P21=c5030000") == "OK"
    assert client.session.asked == [
        ("write", client.sender, "ESR_EL1", 1),
        ("write", client.sender, "pstate", 0x3C5),
    ]


def test_writing_all_writes_what_differs(client) -> None:
    digits = client.ask("g")
    client.ask("G" + "01" + digits[2:])
    assert client.session.asked == [("write", client.sender, "x0", 0x4000_0001)]


def test_what_cannot_be_written_says_so(client) -> None:
    assert client.ask(f"P{NUMBERS['ICC_PMR_EL1']:x}=0000000000000000") == "E.ICC_PMR_EL1 cannot be written"


def test_memory_is_read_as_far_as_it_goes(client) -> None:
    client.session.memory[0x1FFC:] = b"abcd"
    assert client.ask("m1ffc,100") == b"abcd".hex()
    assert client.ask("m2000,4") == "E.nothing is mapped at 0x2000"
    assert client.ask("m0,0") == ""
    assert len(client.ask("m0,ffffffff")) == 0x4000


def test_memory_is_written_in_both_spellings(client) -> None:
    assert client.ask("M10,2:beef") == "OK"
    assert client.ask(b"X12,3:\x00$#") == "OK"
    assert client.ask("X0,0:") == "OK"
    assert client.session.memory[0x10:0x15] == b"\xbe\xef\x00$#"
    assert client.ask("M1fff,2:0102") == "E.nothing can be written at 0x2000"


def test_points_belong_to_the_vm_of_the_chosen_thread(client) -> None:
    client.ask("Hgp2.1")
    for packet in ("Z0,40101224,4", "Z0,40101224,4", "Z1,40101224,4", "Z2,100,8", "Z3,100,1", "Z4,100,40"):
        assert client.ask(packet) == "OK"
    assert client.session.asked == [
        ("breakpoint", "receiver", 0x4010_1224),
        ("breakpoint", "receiver", 0x4010_1224),
        ("watchpoint", "receiver", 0x100, 8, "write"),
        ("watchpoint", "receiver", 0x100, 1, "read"),
        ("watchpoint", "receiver", 0x100, 0x40, "access"),
    ]
    client.session.asked.clear()
    assert [client.ask(packet) for packet in ("z0,40101224,4", "z0,40101224,4", "z2,100,8")] == ["OK"] * 3
    assert client.session.asked == [("remove",)] * 2


def test_what_takes_too_much_of_the_host_is_refused(client) -> None:
    assert client.ask("Z2,0,10001") == "E.a watchpoint must be of 1 to 65536 bytes, not 65537"
    for number in range(LIMIT):
        assert client.ask(f"Z0,{number * 4:x},4") == "OK"
    assert client.ask("Z0,fff0,4") == "E.there are 1000 points already"
    assert client.ask("Z0,0,4") == "OK"


def test_calls_are_caught_by_the_numbers_of_the_names_file(client) -> None:
    for packet in ("QCatchSyscalls:1", "QCatchSyscalls:1;6012;7002", "QCatchSyscalls:0"):
        assert client.ask(packet) == "OK"
    assert client.session.asked == [
        ("catch", None, None, True),
        ("remove",),
        ("catch", None, [0x6012, 0x8400_0000], True),
        ("remove",),
    ]


def test_threads_are_listed_with_name_and_state(client) -> None:
    assert client.ask("qfThreadInfo") == "mp1.1,p2.1"
    assert client.ask("qsThreadInfo") == "l"
    text = client.ask("qXfer:threads:read::0,1000")
    rows = [(row.get("id"), row.get("name"), row.text) for row in ET.fromstring(text[1:]).iter("thread")]
    assert rows == [("p1.1", "sender/0", "executes the next instruction"), ("p2.1", "receiver/0", "ready")]
    assert bytes.fromhex(client.ask("qThreadExtraInfo,p2.1")) == b"receiver/0, ready"
    assert client.ask("Tp1.1") == "OK"
    assert client.ask("Tp1.2") == "E.there is no such thread"


def test_a_client_without_processes_sees_threads_of_one(client) -> None:
    client.ask("qSupported:swbreak+")
    assert client.ask("qfThreadInfo") == "m1,11"
    assert client.ask("Hg11") == "OK"
    assert client.ask("qC") == "QC11"
    assert client.ask("?").startswith("T05thread:1;")


def test_each_process_names_its_image(client) -> None:
    assert re.fullmatch("l/.*/doorbell_irq/sender.elf", client.ask("qXfer:exec-file:read:1:0,fff"))
    assert re.fullmatch("l/.*/doorbell_irq/receiver.elf", client.ask("qXfer:exec-file:read:2:0,fff"))
    assert client.ask("qXfer:exec-file:read:3:0,fff") == "E.there is no such process"
    assert client.ask("qAttached:2") == "1"


# resuming


def test_vcont_is_advertised_with_what_it_does(client) -> None:
    assert client.ask("vCont?") == "vCont;" + ";".join(verb.decode() for verb in VERBS)


def test_continuing_everything_holds_nobody_back(client) -> None:
    for packet in ("vCont;c", "vCont;c:p1.-1;c:p2.-1", "vCont;C05:p1.1;c", "c", "C05"):
        client.ask(packet)
    assert client.session.asked == [("resume", None)] * 5


def test_threads_without_an_action_stand(client) -> None:
    client.ask("vCont;c:p1.-1")
    client.ask("vCont;c:p2.1")
    assert client.session.asked == [("resume", [client.sender.vm]), ("resume", [client.receiver.vm])]


def test_the_first_action_that_names_a_thread_is_its_own(client) -> None:
    client.ask("vCont;s:p2.1;c")
    assert client.session.asked == [("step", client.receiver, None)]


def test_stepping_alone_holds_the_others_back_only_where_they_would_run(client) -> None:
    client.ask("vCont;s:p1.1")  # it executes the next instruction in any case
    client.ask("vCont;s:p2.1")
    assert client.session.asked == [("step", client.sender, None), ("step", client.receiver, [client.receiver.vm])]


def test_a_range_is_stepped_until_it_is_left(client) -> None:
    registers = client.sender.vm.engine.registers(0)
    start = registers.pc
    step = client.session.step

    def moving(vcpu, **options):
        registers.pc += 4
        return step(vcpu, **options)

    client.session.step = moving
    reply = client.ask(f"vCont;r{start:x},{start + 16:x}:p1.1")
    assert len(client.session.asked) == 4
    assert reply.startswith("T05thread:p1.1;")


def test_going_back_is_asked_of_the_session(client) -> None:
    client.session.halts = [Halt(HaltKind.BEGINNING, 0, client.sender)]
    assert client.ask("bc").startswith("T05replaylog:begin;thread:p1.1;")
    client.ask("Hcp2.1")
    client.ask("bs")
    assert client.session.asked == [("reverse_resume",), ("reverse_step", client.receiver)]


# stops


def test_a_stop_names_its_point_and_the_registers_that_gdb_wants_first(client) -> None:
    client.ask("Hgp2.1")
    client.ask("Z1,100,4")
    client.ask("Z2,200,8")
    breakpoint_, watchpoint = client.stub.points._set.values()
    client.session.halts = [
        Halt(HaltKind.BREAKPOINT, 5, client.receiver, breakpoint_),
        Halt(HaltKind.WATCHPOINT, 6, client.receiver, watchpoint, 0x204),
    ]
    assert re.match(r"T05hwbreak:;thread:p2.1;core:0;1d:\d{16};1f:\d{16};20:0000104000000000;$", client.ask("vCont;c"))
    assert client.ask("vCont;c").startswith("T05watch:204;thread:p2.1;")
    assert client.ask("?").startswith("T05watch:204;thread:p2.1;")


@pytest.mark.parametrize(
    ("kind", "signal"), [("INTERRUPTED", "T02"), ("FATAL", "T06"), ("IDLE", "T11"), ("STEP", "T05")]
)
def test_what_is_no_point_is_a_signal(client, kind: str, signal: str) -> None:
    client.session.halts = [Halt(HaltKind[kind], 5, client.sender)]
    assert client.ask("vCont;c").startswith(f"{signal}thread:p1.1;")


def test_a_call_is_told_by_its_number_before_and_behind(client) -> None:
    registers = client.sender.vm.engine.registers(0)
    registers.pc = 0x100
    client.session.memory[0x100:0x104] = (0xD400_0002 | 0x6012 << 5).to_bytes(4, "little")
    client.session.halts = [Halt(HaltKind.CALL, 5, client.sender)]
    assert client.ask("vCont;c").startswith("T05syscall_entry:6012;thread:p1.1;")
    registers.pc = 0x104
    client.session.halts = [Halt(HaltKind.CALL_RETURN, 6, client.sender)]
    assert client.ask("vCont;c").startswith("T05syscall_return:6012;thread:p1.1;")


@pytest.mark.parametrize(("function", "number"), [(0xC600_8012, "6012"), (0x8400_0000, "7002"), (0x8400_FFFF, "7fff")])
def test_smccc_calls_have_numbers_that_gdb_can_hold(client, function: int, number: str) -> None:
    registers = client.sender.vm.engine.registers(0)
    registers.pc, registers.x[0] = 0x100, function
    client.session.memory[0x100:0x104] = (0xD400_0003).to_bytes(4, "little")
    client.session.halts = [Halt(HaltKind.CALL, 5, client.sender)]
    assert client.ask("vCont;c").startswith(f"T05syscall_entry:{number};")


def test_the_end_of_a_vm_is_the_end_of_its_process(client) -> None:
    sender, receiver = client.sender.vm, client.receiver.vm
    sender.exit_status = 3
    assert client.ask("qfThreadInfo") == "mp1.1,p2.1"  # until the client has been told
    assert client.ask("vCont;c") == "W03;process:1"
    assert client.session.asked == []  # it is told before anything else runs
    assert client.ask("qfThreadInfo") == "mp2.1"
    assert client.ask("?").startswith("T05thread:p2.1;")
    receiver.exit_status = 0
    assert client.ask("vCont;c") == "W00;process:2"
    assert client.ask("vCont;c") == "E.there is no such thread"
    assert client.ask("?") == "W03;process:1"
    assert client.ask("g") == "E.there is no such thread"
    sender.exit_status = None  # it went back in time
    assert client.ask("qfThreadInfo") == "mp1.1"


def test_a_stop_behind_the_end_of_a_vm_is_told_next(client) -> None:
    client.session.halts = [Halt(HaltKind.INTERRUPTED, 9, client.receiver)]
    resume = client.session.resume

    def ending(**options):
        client.sender.vm.exit_status = 0
        return resume(**options)

    client.session.resume = ending
    assert client.ask("vCont;c") == "W00;process:1"
    assert client.ask("vCont;c").startswith("T02thread:p2.1;")
    assert client.session.asked == [("resume", None)]
    assert client.ask("vCont;c").startswith("T05thread:p2.1;")


def test_a_client_without_processes_learns_of_the_end_of_the_last(client) -> None:
    client.ask("qSupported:swbreak+")
    client.sender.vm.exit_status = 3
    assert client.ask("c").startswith("T05thread:1;")
    client.receiver.vm.exit_status = 0
    client.session.halts = [Halt(HaltKind.EXITED, 9, outcome=SimpleNamespace(messages=("so be it",)))]
    assert client.ask("c").startswith("T11thread:1;")
    assert client.said == [
        "so be it",
        "The machine has ended: sender with status 3, receiver with status 0.  Go back, or continue to leave it.",
    ]
    assert client.ask("c") == "W03"


def test_going_back_ends_no_process(client) -> None:
    client.sender.vm.exit_status = client.receiver.vm.exit_status = 0
    client.session.halts = [Halt(HaltKind.EXITED, 9, outcome=SimpleNamespace(messages=()))]
    client.stub.stops.report(client.session.halts.pop())
    client.sender.vm.exit_status = None
    assert client.ask("bs").startswith("T05thread:p1.1;")
    assert client.ask("vCont;s:p1.1").startswith("T05thread:p1.1;")
    assert client.ask("qfThreadInfo") == "mp1.1,p2.1"


# parting


def test_letting_go_of_every_process_lets_the_machine_run(client) -> None:
    client.ask("Z0,100,4")
    assert client.ask("D;1") == "OK"
    assert not client.stub.is_left
    assert client.ask("vCont;c") is not None
    assert client.session.asked[-1] == ("resume", None)  # what was let go runs with the others
    assert client.ask("vAttach;1").startswith("T00thread:p1.1;")
    assert client.ask("D") == "OK"
    assert client.stub.is_left
    assert client.session.asked[-1] == ("remove",)


def test_killing_a_process_holds_it_for_ever(client) -> None:
    assert client.ask("vKill;2") == "OK"
    client.ask("vCont;c")
    assert client.session.asked == [("resume", [client.sender.vm])]
    assert not client.stub.is_over
    assert client.ask("vKill;1") == "OK"
    assert client.stub.is_over


def test_k_ends_the_machine_without_a_reply(client) -> None:
    assert client.ask("k") is None
    assert client.stub.is_over


@pytest.mark.parametrize(
    "packet",
    [
        "m", "m1", "m1,", "mx,1", "m-1,4", "m1,10000000000000000", "M0,1:0", "M0,2:00", "M0,1:zz", "M0,1", "X0,1:",
        "P0",
        "P0=00", "Pffff=00", "pfff", "p", "G00", "g1", "Z5,0,4", "Z0,0", "Z2,0,0", "Z0,0,4;X1,00", "Hx1", "H", "Hgp",
        "Hgpx.1",
        "T", "Tq", "vCont;", "vCont;q", "vCont;s1", "vCont;C", "vCont;r1", "vCont;r1,", "vCont;c:", "vCont",
        "QCatchSyscalls:", "QCatchSyscalls:2", "QCatchSyscalls:1;", "QCatchSyscalls:1;g", "QCatchSyscalls:0;1", "D;x",
        "vKill;",
        "vAttach;", "qXfer:features:read", "qXfer:features:read:target.xml:0", "qXfer:threads:read:x:0,1", "qRcmd,0",
        "qRcmd,zz",
        "QStartNoAckMode:1", "s1000",
    ],
)  # fmt: skip
def test_a_malformed_packet_is_told_and_asks_nothing(client, packet: str) -> None:
    client.session.asked.clear()
    reply = client.ask(packet)
    assert re.fullmatch(r"E\.malformed \S+ packet", reply), reply
    assert client.session.asked == []


@pytest.mark.parametrize("packet", ["qXfer:features:write:target.xml:0:00", "qXfer:auxv:read::0,1000"])
def test_an_object_that_is_not_there_gets_the_empty_reply(client, packet: str) -> None:
    assert client.ask(packet) == ""
