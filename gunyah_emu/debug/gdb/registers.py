"""The registers that GDB sees, declared once: the target description, `g`, `p` and `P` derive from here.

The two first features are GDB's own (org.gnu.gdb.aarch64.*), in the order that it wants.  The others are ours: system
registers and timers as the CPU keeps them, and the GIC's CPU interface.  Reading changes nothing, so the registers that
acknowledge an interrupt by being read are not among them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from gunyah_emu.cpu.registers import SYSTEM
from gunyah_emu.gic import CPU_INTERFACE_REGISTERS

if TYPE_CHECKING:
    from gunyah_emu.gic import CpuInterfaceRegister
    from gunyah_emu.machine.vm import VCpu

Reader = Callable[["VCpu"], "int | None"]
"""The value, or None where the vCPU does not have this register now."""


class Register(NamedTuple):
    """One register.

    Arguments:
        name: as GDB shows it.
        bits: its width.
        read: its value.
        writable: the name that `Session.write_register` knows it by; empty: it cannot be written.
        type: GDB's type; empty for a plain integer.
        group: GDB's group, for `info registers GROUP`.
    """

    name: str
    bits: int
    read: Reader
    writable: str = ""
    type: str = ""
    group: str = ""


class Feature(NamedTuple):
    """A feature of the target description.

    Arguments:
        name: what makes GDB know it, or ours.
        registers: in order.
        types: declarations of types that they use.
    """

    name: str
    registers: tuple[Register, ...]
    types: str = ""


def _x(number: int) -> Reader:
    return lambda vcpu: vcpu.vm.engine.registers(vcpu.index).x[number]


def _v(number: int) -> Reader:
    return lambda vcpu: vcpu.vm.engine.registers(vcpu.index).fp.v[number]


def _system(name: str) -> Reader:
    return lambda vcpu: vcpu.vm.engine.registers(vcpu.index)[name]


def _timer(which: str, field: str) -> Reader:
    return lambda vcpu: int(getattr(getattr(vcpu.timer, which), field)())


def _counter(vcpu: VCpu) -> int:
    from gunyah_emu.cpu.timer import INSTRUCTIONS_PER_TICK

    return vcpu.vm.machine.clock.now() // INSTRUCTIONS_PER_TICK


def _interface(register: CpuInterfaceRegister) -> Reader:
    reader = register.reader
    assert reader is not None

    def read(vcpu: VCpu) -> int | None:
        interface = vcpu.vm.slots[vcpu.index].interface
        return None if interface is None else getattr(interface, reader)()

    return read


ACKNOWLEDGE: Final = ("ICC_IAR0_EL1", "ICC_IAR1_EL1")
"""To read these takes an interrupt."""

SHOWN_AS: Final = {"VMPIDR_EL2": "MPIDR_EL1"}
"""What is stored in one register and read by the guest in another."""

_FLAGS: Final = (
    ("SP", 0), ("EL", 2, 3), ("nRW", 4), ("F", 6), ("I", 7), ("A", 8), ("D", 9), ("IL", 20), ("SS", 21), ("PAN", 22),
    ("V", 28), ("C", 29), ("Z", 30), ("N", 31),
)  # fmt: skip
"""PSTATE as SPSR_EL1 lays it out: name and bit, or first and last bit."""

_FLAGS_TYPE: Final = (
    '<flags id="pstate" size="4">'
    + "".join(f'<field name="{name}" start="{place[0]}" end="{place[-1]}"/>' for name, *place in _FLAGS)
    + "</flags>"
)

_VECTOR_ELEMENTS: Final = (
    ("d", "ieee_double", 2), ("s", "ieee_single", 4), ("u", "uint64", 2), ("w", "uint32", 4), ("h", "uint16", 8),
    ("b", "uint8", 16), ("q", "uint128", 1),
)  # fmt: skip
_VECTOR_TYPES: Final = (
    "".join(f'<vector id="v{letter}" type="{kind}" count="{count}"/>' for letter, kind, count in _VECTOR_ELEMENTS)
    + '<union id="vector">'
    + "".join(f'<field name="{letter}" type="v{letter}"/>' for letter, _, _ in _VECTOR_ELEMENTS)
    + "</union>"
)

CORE: Final = Feature(
    "org.gnu.gdb.aarch64.core",
    (
        *(Register(f"x{number}", 64, _x(number), f"x{number}") for number in range(31)),
        Register("sp", 64, lambda vcpu: vcpu.vm.engine.registers(vcpu.index).sp, "sp", "data_ptr"),
        Register("pc", 64, lambda vcpu: vcpu.vm.engine.registers(vcpu.index).pc, "pc", "code_ptr"),
        Register("cpsr", 32, lambda vcpu: vcpu.vm.engine.registers(vcpu.index).pstate, "pstate", "pstate"),
    ),
    _FLAGS_TYPE,
)
FPU: Final = Feature(
    "org.gnu.gdb.aarch64.fpu",
    (
        *(Register(f"v{number}", 128, _v(number), f"v{number}", "vector") for number in range(32)),
        Register("fpsr", 32, lambda vcpu: vcpu.vm.engine.registers(vcpu.index).fp.fpsr, "fpsr", "int", "float"),
        Register("fpcr", 32, lambda vcpu: vcpu.vm.engine.registers(vcpu.index).fp.fpcr, "fpcr", "int", "float"),
    ),
    _VECTOR_TYPES,
)
SYSTEM_REGISTERS: Final = Feature(
    "org.gunyah-emu.aarch64.system",
    tuple(Register(SHOWN_AS.get(name, name), 64, _system(name), name, group="system") for name in SYSTEM),
)
TIMERS: Final = Feature(
    "org.gunyah-emu.aarch64.timer",
    (
        Register("CNTVCT_EL0", 64, _counter, group="system"),
        *(
            Register(f"{name}_{field.upper()}_EL0", 64, _timer(which, f"read_{field}"), group="system")
            for name, which in (("CNTV", "virtual"), ("CNTP", "physical"))
            for field in ("ctl", "cval")
        ),
    ),
)
GIC: Final = Feature(
    "org.gunyah-emu.aarch64.gic",
    tuple(
        Register(register.name, 64, _interface(register), group="gic")
        for register in CPU_INTERFACE_REGISTERS
        if register.reader is not None and register.name not in ACKNOWLEDGE
    ),
)
FEATURES: Final = (CORE, FPU, SYSTEM_REGISTERS, TIMERS, GIC)
REGISTERS: Final[tuple[Register, ...]] = tuple(register for feature in FEATURES for register in feature.registers)
"""By GDB's number."""

TOGETHER: Final = CORE.registers + FPU.registers
"""What `g` and `G` hold; the others are read one by one (`p`).  GDB reads the target description for the first process
only, and of any other takes no more than it knows by itself."""

NUMBERS: Final = {register.name: number for number, register in enumerate(REGISTERS)}


def encode(register: Register, vcpu: VCpu) -> bytes:
    """A register's value as a packet spells it: bytes in the guest's order, or `x` for one that is not there."""
    value = register.read(vcpu)
    size = register.bits // 8
    if value is None:
        return b"x" * (size * 2)
    return (value & (1 << register.bits) - 1).to_bytes(size, "little").hex().encode()


@cache
def target_description() -> str:
    """`target.xml`.

    The OS ABI is Linux's because only there does GDB have `catch syscall`; nothing else of it applies to a guest that
    is no Linux process, and a guest that is a Linux kernel is not one either.
    """
    features = "".join(_feature(feature) for feature in FEATURES)
    return (
        '<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target version="1.0">'
        f"<architecture>aarch64</architecture><osabi>GNU/Linux</osabi>{features}</target>"
    )


def _feature(feature: Feature) -> str:
    return f'<feature name="{feature.name}">{feature.types}{"".join(_registers(feature))}</feature>'


def _registers(feature: Feature) -> Iterator[str]:
    for register in feature.registers:
        kind = f' type="{register.type}"' if register.type else ' type="uint64"'
        group = f' group="{register.group}"' if register.group else ""
        # What resuming must not depend on GDB need not keep for an inferior call.
        saved = "" if register.writable else ' save-restore="no"'
        yield (
            f'<reg name="{register.name}" bitsize="{register.bits}" '
            f'regnum="{NUMBERS[register.name]}"{kind}{group}{saved}/>'
        )
