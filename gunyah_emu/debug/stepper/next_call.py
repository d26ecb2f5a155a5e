"""The call that a vCPU is about to make, decoded from the declarations: arguments, objects, and what is wrong with it.

Capabilities are looked up in the caller's own cspace, as the call itself will do it, without any effect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gunyah_emu.abi.bitfields import Bitfield, Enumeration
from gunyah_emu.abi.declare import DECLARATIONS, FIRST_IMMEDIATE, CapabilityType, Declaration
from gunyah_emu.abi.errors import ARGUMENT_INVALID, error_name
from gunyah_emu.cpu.registers import EL
from gunyah_emu.debug.calls import SMCCC_BASE, call_number
from gunyah_emu.debug.memory import read_virtual
from gunyah_emu.hypervisor.object import OBJECT_TYPES, STATE_NAMES
from gunyah_emu.smccc.dispatcher import FUNCTIONS
from gunyah_emu.smccc.function import SVE_HINT

if TYPE_CHECKING:
    from gunyah_emu.abi.declare import Argument
    from gunyah_emu.hypervisor.thread import Thread
    from gunyah_emu.machine.vm import VCpu

HVC, SMC, MASK = 0xD400_0002, 0xD400_0003, 0xFFE0_001F
SERVICE_ARGUMENTS = range(1, 7)


class Instruction(NamedTuple):
    """An HVC or SMC.

    Arguments:
        conduit: "hvc" or "smc".
        immediate: as encoded.
    """

    conduit: str
    immediate: int

    def declared_name(self) -> str:
        """The hypercall's name, where the instruction alone tells it."""
        found = _declaration(self.immediate) if self.conduit == "hvc" else None
        return found.name if found is not None else ""


class ShownArgument(NamedTuple):
    """One argument of a call: its name, its register, the register's value, and what that means.

    `is_wrong` says that the call will fail for it.
    """

    name: str
    register: str
    value: int
    meaning: str
    is_wrong: bool = False


class NextCall(NamedTuple):
    """A call that is about to be made.

    Arguments:
        name: of the hypercall or service; empty for none that exists.
        number: as `catch_calls` takes it.
        encoding: how it is made.
        arguments: decoded.
        declaration: of a hypercall.
    """

    name: str
    number: int
    encoding: str
    arguments: list[ShownArgument]
    declaration: Declaration | None = None

    @property
    def text(self) -> str:
        """The call in one line."""
        shown = [
            each.meaning.partition(" (")[0] if each.meaning and not each.is_wrong else f"{each.name}={each.value:#x}"
            for each in self.arguments
        ]
        return f"{self.name or f'{self.number:#x}, which is no call'}({', '.join(shown)})"


def call_at(word: int) -> Instruction | None:
    """The HVC or SMC that an instruction is."""
    if word & MASK not in (HVC, SMC):
        return None
    return Instruction("hvc" if word & MASK == HVC else "smc", word >> 5 & 0xFFFF)


def _declaration(number: int) -> Declaration | None:
    return next((one for one in DECLARATIONS.values() if one.number == number and not one.absent), None)


def next_call(vcpu: VCpu) -> NextCall | None:
    """What a vCPU's next instruction asks the hypervisor; None when it is no HVC or SMC."""
    registers = vcpu.vm.engine.registers(vcpu.index)
    word = read_virtual(vcpu, registers.pc, 4)
    instruction = call_at(int.from_bytes(word, "little")) if len(word) == 4 else None
    if instruction is None or not registers.pstate & EL:  # at EL0 it is UNDEFINED
        return None
    x = [registers.x[n] for n in range(9)]
    conduit, immediate = instruction
    number = call_number(immediate, x[0])
    declaration = _declaration(number) if conduit == "hvc" or not immediate else None
    if declaration is not None:
        first = 0 if immediate else 1
        smccc = f"{conduit} #0 with {SMCCC_BASE + number - FIRST_IMMEDIATE:#x} in x0"
        encoding = f"{conduit} #{immediate:#x}" if immediate else smccc
        arguments = _arguments(vcpu.thread, declaration, x, first)
        return NextCall(declaration.name, number, encoding, arguments, declaration)
    if immediate:
        return NextCall("", number, f"{conduit} #{immediate:#x}", [])
    service = FUNCTIONS.get(number & ~SVE_HINT)
    shown = [ShownArgument(f"x{n}", f"x{n}", x[n], "") for n in SERVICE_ARGUMENTS]
    return NextCall(service.name if service else "", number, f"{conduit} #0 with {number:#x} in x0", shown)


def _arguments(caller: Thread, declaration: Declaration, x: list[int], first: int) -> list[ShownArgument]:
    shown = [_argument(caller, one, x[one.register + first], first) for one in declaration.arguments(OBJECT_TYPES)]
    reserved = declaration.reserved
    at = len(shown)
    if reserved is not None and not first and x[at] != reserved.value:
        must = f"must be {reserved.value:#x}: {error_name(ARGUMENT_INVALID)}"
        shown.append(ShownArgument("(reserved)", f"x{at}", x[at], must, is_wrong=True))
    return shown


def _argument(caller: Thread, argument: Argument, value: int, first: int) -> ShownArgument:
    name, kind, register = argument.name, argument.type, f"x{argument.register + first}"
    if isinstance(kind, CapabilityType):
        meaning, is_wrong = _object(caller, kind, value)
        return ShownArgument(name, register, value, meaning, is_wrong)
    value &= (1 << kind.width) - 1
    if isinstance(kind, Bitfield):
        fields = ", ".join(f"{field}={part:#x}" for field, part in kind.decode(value).items() if part)
        return ShownArgument(name, register, value, fields and f"{name}={value:#x} ({fields})")
    if isinstance(kind, Enumeration):
        return ShownArgument(name, register, value, f"{name}={kind.name_of(value)}")
    return ShownArgument(name, register, value, "")


def _object(caller: Thread, kind: CapabilityType, cap_id: int) -> tuple[str, bool]:
    """What a capability names, and whether the call will accept it."""
    cspace = caller.cspace
    if cspace is None:
        return "the caller has no cspace", True
    capability = cspace.table[cap_id]
    error = cspace.refusal(cap_id, kind.cls, kind.rights, kind.state.state)
    target = capability.object
    if target is None:
        return error_name(error), True
    names = target.RIGHTS.NAMES
    rights = "|".join(name for bit, name in names.items() if capability.rights & bit) or "none"
    what = f"{target.title} ({target.type_name()}, {STATE_NAMES[target.state]}; rights {rights})"
    return (f"{error_name(error)}: {what}", True) if error else (what, False)
