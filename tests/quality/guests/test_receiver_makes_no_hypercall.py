"""A doorbell is a plain interrupt: the receiver of doorbell_irq holds no way to call Gunyah.

Every aligned word of its executable segments is read as an instruction, reachable or not, and every word of all
segments as a literal.  A Gunyah hypercall is HVC #0x6000..0x60ff, or HVC/SMC #0 with a function id of the vendor
hypervisor's range (SMCCC, DEN0028: owner 6, so 0x86...... and 0xc6......), which must be built by MOVZ, MOVN, MOVK or
ORR, or loaded as a literal.  The same search finds both encodings in the senders, or it would prove nothing.
"""

from __future__ import annotations

from pathlib import Path

import capstone
from capstone import arm64
from elftools.elf.elffile import ELFFile

GUEST_IMAGES = Path(__file__).parents[3] / "guest_images"

GUNYAH_IMMEDIATES = range(0x6000, 0x6100)
EXECUTABLE = 1
CONSTANT_MAKERS = {"mov", "movz", "movn", "movk", "orr"}


def is_vendor_hypervisor_id(value: int) -> bool:
    """Fast call, owner 6, either calling convention, bits 23:17 zero."""
    return value >> 24 & 0xBF == 0x86 and value >> 17 & 0x7F == 0


def words(data: bytes) -> list[bytes]:
    return [data[at : at + 4] for at in range(0, len(data) - 3, 4)]


def constants(instruction: capstone.CsInsn) -> list[int]:
    """What an instruction that makes a constant puts into the low word of a register."""
    if instruction.mnemonic not in CONSTANT_MAKERS:
        return []
    return [
        operand.imm << operand.shift.value & 0xFFFF_FFFF
        for operand in instruction.operands
        if operand.type == arm64.ARM64_OP_IMM
    ]


def gunyah_calls(path: Path) -> set[str]:
    """Everything in an ELF that could be part of a Gunyah hypercall."""
    disassembler = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM)
    disassembler.detail = True
    found = set()
    with path.open("rb") as file:
        for segment in ELFFile(file).iter_segments("PT_LOAD"):
            data = segment.data()
            found |= {
                f"literal {int.from_bytes(word, 'little'):#x}"
                for word in words(data)
                if is_vendor_hypervisor_id(int.from_bytes(word, "little"))
            }
            if not segment["p_flags"] & EXECUTABLE:
                continue
            for word in words(data):
                for instruction in disassembler.disasm(word, 0):
                    if instruction.mnemonic == "hvc" and instruction.operands[0].imm in GUNYAH_IMMEDIATES:
                        found.add(f"hvc {instruction.operands[0].imm:#x}")
                    found |= {
                        f"{instruction.mnemonic} {value:#x}"
                        for value in constants(instruction)
                        if is_vendor_hypervisor_id(value)
                    }
    return found


def test_the_receiver_holds_no_gunyah_hypercall():
    assert gunyah_calls(GUEST_IMAGES / "doorbell_irq/receiver.elf") == set()


def test_the_same_search_finds_the_hypercall_of_the_sender():
    assert gunyah_calls(GUEST_IMAGES / "doorbell_irq/sender.elf") == {"hvc 0x6012"}


def test_the_same_search_finds_an_smccc_hypercall():
    assert gunyah_calls(GUEST_IMAGES / "doorbell_flags/sender_smccc.elf") == {"movk 0xc6000000"}


def test_the_search_reads_the_whole_image():
    """The receiver's own PSCI call must be among what was read, else the search looked at nothing."""
    disassembler = capstone.Cs(capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM)
    with (GUEST_IMAGES / "doorbell_irq/receiver.elf").open("rb") as file:
        code = b"".join(segment.data() for segment in ELFFile(file).iter_segments("PT_LOAD"))
    found = {f"{i.mnemonic} {i.op_str}" for word in words(code) for i in disassembler.disasm(word, 0)}
    assert {"hvc #0", "smc #0"} <= found
