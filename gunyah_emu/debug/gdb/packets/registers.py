"""g, G, p, P: registers of the thread that Hg chose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from gunyah_emu.debug.gdb.fields import Malformed, Refused, data, nothing, number, split
from gunyah_emu.debug.gdb.packet import OK, Packet, packet
from gunyah_emu.debug.gdb.registers import REGISTERS, TOGETHER, Register, encode

if TYPE_CHECKING:
    from gunyah_emu.debug.gdb.stub import Stub
    from gunyah_emu.machine.vm import VCpu


class Write(NamedTuple):
    """P."""

    register: Register
    value: int


def parse_number(text: bytes) -> Register:
    """`NUMBER`."""
    index = number(text)
    if index >= len(REGISTERS):
        raise Malformed
    return REGISTERS[index]


def _value(register: Register, content: bytes) -> int:
    if len(content) * 8 != register.bits:
        raise Malformed
    return int.from_bytes(content, "little")


def parse_write(text: bytes) -> Write:
    """`NUMBER=DIGITS`, the bytes in the guest's order."""
    index, digits = split(text, b"=", 2)
    register = parse_number(index)
    return Write(register, _value(register, data(digits)))


def parse_all(text: bytes) -> list[Write]:
    """`DIGITS` of each register in turn."""
    found = []
    at = 0
    for register in TOGETHER:
        found.append(Write(register, _value(register, data(text[at : at + register.bits // 4]))))
        at += register.bits // 4
    if at != len(text):
        raise Malformed
    return found


def read_all(stub: Stub, _: None) -> bytes:
    """The general and the vector registers."""
    vcpu = stub.thread()
    return b"".join(encode(register, vcpu) for register in TOGETHER)


def read(stub: Stub, register: Register) -> bytes:
    """One register."""
    return encode(register, stub.thread())


def write(stub: Stub, asked: Write) -> bytes:
    """One register."""
    vcpu = stub.thread()
    if not asked.register.writable:
        raise Refused(f"{asked.register.name} cannot be written")
    _write(stub, vcpu, asked)
    return OK


def write_all(stub: Stub, asked: list[Write]) -> bytes:
    """Every register that differs."""
    vcpu = stub.thread()
    for each in asked:
        if each.register.read(vcpu) != each.value:
            _write(stub, vcpu, each)
    return OK


def _write(stub: Stub, vcpu: VCpu, asked: Write) -> None:
    stub.session.write_register(vcpu, asked.register.writable, asked.value)


PACKETS: Final[tuple[Packet, ...]] = (
    packet(b"g", nothing, read_all),
    packet(b"G", parse_all, write_all),
    packet(b"p", parse_number, read),
    packet(b"P", parse_write, write),
)
