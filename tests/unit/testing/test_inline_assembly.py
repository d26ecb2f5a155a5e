"""Guests written in a test: they assemble to what the guest would be otherwise, and a mistake has its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from gunyah_emu.boot.load import load_image
from gunyah_emu.errors import UserError
from gunyah_emu.testing import assembly
from gunyah_emu.testing.inline_assembly import Assembled


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nop\nmovv x0, #1", "assembly, line 2: `movv x0, #1` cannot be assembled: Invalid mnemonic"),
        ("b nowhere", "assembly: Cannot find a symbol"),
        (
            "add x0, x0, :lo12:x",
            "assembly, line 1: `add x0, x0, :lo12:x` must have no relocation operator such as :lo12:",
        ),
        ("hypercall doorbel_send", "there is no 'doorbel_send' (did you mean 'doorbell_send'?)"),
        ("capability x0, bell, 1", "must be `capability xN, KIND, LABEL`, with KIND one of doorbell_source, doorbell"),
        ("print hello", 'must be `print "TEXT"`, as Python writes a string'),
        ("exit soon", "assembly, line 1: `exit soon` must be `exit STATUS`, with STATUS an integer"),
        ("", "assembly: it must have an instruction; it has none"),
    ],
)
def test_a_mistake_is_told_with_its_line(source: str, message: str):
    with pytest.raises(UserError) as caught:
        assembly(source).assemble("native")
    assert message in str(caught.value)


def test_labels_are_symbols(tmp_path: Path):
    path = tmp_path / "a.elf"
    path.write_bytes(assembly('start: nop\nloop: print "x"\nend: b loop').assemble("native").elf)
    image = load_image(str(path), "auto", None)
    assert image.entry == 0x4010_0000
    assert image.symbol_at(0x4010_0004) == ("loop", 0)
    assert image.symbol_at(0x4010_0008) == ("loop", 4)


@pytest.mark.parametrize("kind", ["doorbell_source", "message_queue_rx"])
def test_a_capability_that_the_vm_has_not_is_refused(kind: str):
    from gunyah_emu.machine.config import MachineConfig
    from gunyah_emu.testing import MachineUnderTest

    guest = Path(__file__).parents[3] / "guest_images/hello/hello.elf"
    document = {"vm": [{"name": "a", "image": str(guest)}, {"name": "b", "image": str(guest)}]}
    document["doorbell"] = [{"label": 1, "senders": ["b"], "receiver": "a"}]  # type: ignore[list-item]
    assembled = assembly(f"capability x0, {kind}, 1").assemble("native")
    refused = pytest.raises(UserError, match=rf"capability {kind}, 1: (VM 'a' must be at that end|the machine must)")
    with MachineUnderTest(MachineConfig(document)) as machine, refused:  # type: ignore[arg-type]
        assembled.give_capabilities(machine, machine.vm("a"))


def test_a_message_goes_from_guest_to_guest(tmp_path: Path):
    from gunyah_emu.machine.config import MachineConfig
    from gunyah_emu.testing import MachineUnderTest

    sender = assembly("""
            capability x0, message_queue_tx, 3
            mov     x1, #4
            adr     x2, message
            mov     x3, #0
            hypercall msgqueue_send
            exit    0
    message: .ascii "ping"
    """)
    receiver = assembly("""
            capability x0, message_queue_rx, 3
            ldr     x1, =0x40200000
            mov     x2, #64
            hypercall msgqueue_receive
            ldr     x2, =0x40200000
            ldr     w2, [x2]
            cbnz    x0, none
            print   "got one\\n"
    none:   exit    0
    """)
    for encoding in ("native", "smccc"):
        vms, pieces = [], {}
        for name, guest in (("sender", sender), ("receiver", receiver)):
            pieces[name] = guest.assemble(encoding)
            (tmp_path / f"{name}.elf").write_bytes(pieces[name].elf)
            vms.append({"name": name, "image": str(tmp_path / f"{name}.elf")})
        queue = {"label": 3, "sender": "sender", "receiver": "receiver"}

        def prepare(machine: MachineUnderTest, pieces: dict[str, Assembled] = pieces) -> None:
            for name, piece in pieces.items():
                piece.give_capabilities(machine, machine.vm(name))

        config = MachineConfig({"vm": vms, "message_queue": [queue]})
        with MachineUnderTest(config, prepare=prepare) as machine:
            machine.expect_exit()
            assert machine.vm("receiver").console.text == "got one\n"
            assert machine.encodings() == {("sender", encoding), ("receiver", encoding)}
            machine.assert_no_pending()
