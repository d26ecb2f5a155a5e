"""The stubs of firmware/ are those of today's declarations, and each puts every register where the call wants it.

Every stub is assembled and followed instruction by instruction: they are straight lines of a few kinds of instruction.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import capstone
import pytest
from elftools.elf.elffile import ELFFile

from gunyah_emu.hypervisor.hypervisor import load_declarations
from gunyah_emu.hypervisor.object import OBJECT_TYPES

ROOT = Path(__file__).parents[3]
FLAGS = ("-target", "aarch64-freestanding-none", "-mcpu=generic+el3", "-Ifirmware/src/gunyah")
MINUS_ONE = (1 << 64) - 1


class Trace(NamedTuple):
    """What a stub did: the call instruction, the registers at it, and the registers stored behind x8 after it."""

    call: str
    registers: dict[str, object]
    stored: dict[int, str]


def follow(code: bytes) -> Trace:
    """Run a stub on symbolic arguments: register xN starts as the string 'xN'."""
    registers: dict[str, object] = {f"x{n}": f"x{n}" for n in range(8)}
    stored: dict[int, str] = {}
    call, at_call = "", {}
    instructions = list(capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM).disasm(code, 0))
    for instruction in instructions:
        operands = instruction.op_str.split(", ")
        target = operands[0].replace("w", "x")
        if instruction.mnemonic in ("hvc", "smc"):
            call, at_call = f"{instruction.mnemonic} {instruction.op_str}", dict(registers)
        elif instruction.mnemonic == "movk":
            assert operands[2] == "lsl #16"
            registers[target] = int(str(registers[target])) & 0xFFFF | int(operands[1][1:], 0) << 16
        elif instruction.mnemonic == "mov":
            source = operands[1]
            registers[target] = (
                int(source[1:], 0) & MINUS_ONE if source.startswith("#") else registers.get(source, source)
            )
        elif instruction.mnemonic == "str":
            place = instruction.op_str.split("[")[1].rstrip("]").split(", #")
            assert place[0] == "x8"
            stored[int(place[1], 0) if len(place) > 1 else 0] = operands[0]
        else:
            assert instruction.mnemonic == "ret"
    assert instructions[-1].mnemonic == "ret"
    assert len(instructions) * 4 == len(code)
    return Trace(call, at_call, stored)


@pytest.fixture(scope="module")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trace]:
    folder = tmp_path_factory.mktemp("stubs")
    command = [sys.executable, "-m", "ziglang", "cc", *FLAGS, "-c", "firmware/src/gunyah/hypercalls.S", "-o"]
    environment = {"ZIG_GLOBAL_CACHE_DIR": str(folder / "zig"), "ZIG_LOCAL_CACHE_DIR": str(folder / "zig")}
    subprocess.run([*command, str(folder / "stubs.o")], cwd=ROOT, env=environment, check=True)
    with (folder / "stubs.o").open("rb") as file:
        elf = ELFFile(file)
        functions = [symbol for symbol in elf.get_section_by_name(".symtab").iter_symbols() if symbol["st_size"]]
        return {symbol.name: follow(elf.get_section(symbol["st_shndx"]).data()) for symbol in functions}


DECLARATIONS = [declaration for declaration in load_declarations().values() if declaration.number is not None]


@pytest.mark.parametrize("declaration", DECLARATIONS, ids=lambda declaration: declaration.name)
def test_a_stub_puts_every_register_where_the_call_wants_it(declaration, stubs: dict[str, Trace]):
    count = len(declaration.argument_names)
    results = len(declaration.outputs(OBJECT_TYPES))
    # The procedure call standard returns up to two registers as they are, and more through the address in x8.
    stored = {8 * n: f"x{n}" for n in range(results)} if results > 2 else {}

    native = stubs[f"gunyah_{declaration.name}"]
    assert native.call == f"hvc #{declaration.number:#x}"
    assert [native.registers[f"x{n}"] for n in range(count)] == [f"x{n}" for n in range(count)]
    if declaration.reserved is not None:
        assert native.registers[f"x{count}"] in (
            declaration.reserved.value,
            "xzr" if not declaration.reserved.value else None,
        )
    assert native.stored == stored

    for conduit in ("hvc", "smc"):
        smccc = stubs[f"gunyah_smccc_{conduit}_{declaration.name}"]
        assert smccc.call == f"{conduit} #0"
        assert smccc.registers["x0"] == declaration.smccc_id
        assert [smccc.registers[f"x{n + 1}"] for n in range(count)] == [f"x{n}" for n in range(count)]
        assert smccc.stored == stored


def test_there_is_no_stub_without_a_declaration(stubs: dict[str, Trace]):
    assert len(stubs) == 3 * len(DECLARATIONS)


def test_the_checked_in_stubs_are_fresh():
    command = [sys.executable, "tools/generate_hypercall_stubs.py", "--check"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
