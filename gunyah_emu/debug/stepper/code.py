"""The code around a vCPU: instructions with symbols, source lines and what a call is called."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from gunyah_emu.debug.memory import read_virtual
from gunyah_emu.debug.stepper.lines import Line, line
from gunyah_emu.debug.stepper.next_call import call_at
from gunyah_emu.debug.stepper.symbols import lines_at, source_text, symbol_at

if TYPE_CHECKING:
    from collections.abc import Collection

    from gunyah_emu.machine.vm import VCpu

INSTRUCTION = 4
BRANCH_TARGET = re.compile(r"#0x([0-9a-f]+)$")
BRANCHES = ("b", "bl", "cbz", "cbnz", "tbz", "tbnz")


@cache
def _disassembler() -> Any:
    import capstone

    return capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_LITTLE_ENDIAN)


def disassemble(word: bytes, address: int) -> tuple[str, str]:
    """Mnemonic and operands of an instruction; `.word` of what is none."""
    for _, _, mnemonic, operands in _disassembler().disasm_lite(word, address, 1):
        return mnemonic, operands
    return ".word", f"0x{int.from_bytes(word, 'little'):08x}"


def code(vcpu: VCpu, *, before: int = 5, after: int = 10, breakpoints: Collection[int] = ()) -> list[Line]:
    """The instructions around the one that a vCPU executes next.

    Arguments:
        vcpu: whose.
        before: how many instructions are shown in front of it.
        after: how many are shown behind it.
        breakpoints: addresses to mark.
    """
    pc = vcpu.vm.engine.registers(vcpu.index).pc
    lines: list[Line] = []
    last: tuple[tuple[str, int], ...] = ()
    for address in range(max(pc - INSTRUCTION * before, 0), pc + INSTRUCTION * (after + 1), INSTRUCTION):
        word = read_virtual(vcpu, address, INSTRUCTION)
        if len(word) < INSTRUCTION:
            if address == pc:
                lines.append(line(("=> ", "here"), (f"{pc:#x}", "address"), ("  nothing is mapped here", "bad")))
            continue
        symbol = symbol_at(vcpu.vm, address)
        if symbol is not None and (symbol[1] == 0 or not lines):
            lines.append(line((symbol[0] if not symbol[1] else f"{symbol[0]}+{symbol[1]:#x}", "symbol"), ":"))
        source = lines_at(vcpu.vm, address)
        if source and source != last:
            place = ", from ".join(f"{file}:{number}" for file, number in source)
            lines.append(line("     ", (f"{place}  {source_text(vcpu.vm, source)}", "source")))
        last = source
        lines.append(_instruction(vcpu, address, word, is_next=address == pc, is_marked=address in breakpoints))
    return lines


def _instruction(vcpu: VCpu, address: int, word: bytes, *, is_next: bool, is_marked: bool) -> Line:
    mnemonic, operands = disassemble(word, address)
    style = "here" if is_next else ""
    shown = line(
        ("=>" if is_next else "  ", style),
        ("*" if is_marked else " ", "bad"),
        (f"{address:#x}  ", "address"),
        (f"{mnemonic:7} {operands}", style),
    )
    if (comment := _comment(vcpu, mnemonic, operands, word)) is not None:
        shown += [("    ", ""), comment]
    return shown


def _comment(vcpu: VCpu, mnemonic: str, operands: str, word: bytes) -> tuple[str, str] | None:
    """Which function a branch goes to, and which hypercall an HVC makes."""
    found = call_at(int.from_bytes(word, "little"))
    if found is not None:
        name = found.declared_name()
        return (name, "call") if name else None
    target = BRANCH_TARGET.search(operands)
    if target is None or mnemonic.partition(".")[0] not in BRANCHES:
        return None
    symbol = symbol_at(vcpu.vm, int(target[1], 16))
    if symbol is None:
        return None
    return f"{symbol[0]}+{symbol[1]:#x}" if symbol[1] else symbol[0], "symbol"
