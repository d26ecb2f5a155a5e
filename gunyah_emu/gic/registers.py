"""Every GIC register, declared once.

Decoding, access rules, reset values, listings and tests all derive from these tables.

Offsets and names are those of IHI 0069 (chapter 12).  A reader is the name of a method `(index) -> int`, a writer of
a method `(index, value, mask) -> None` where `mask` has the bits that the access covers; readers and writers live
with the state they touch (`banks.py`, `distributor.py`, `redistributor.py`, `cpu_interface.py`).  A register without
a reader is RAZ, without a writer WI.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

WORD = (4,)
BYTE_OR_WORD = (1, 4)
HALF_OR_WORD = (2, 4)
WORD_OR_DOUBLE = (4, 8)


class FrameRegister(NamedTuple):
    """A memory-mapped register, or an array of them.

    Attributes:
        name: as in IHI 0069, without the frame's prefix.
        offset: of element 0 in its frame.
        access: RW, RO or WO.
        reader, writer: method names, or None for RAZ and WI.
        width: bytes of an element, which is also the distance between elements.
        elements: how many there are.
        sizes: access sizes in bytes that every model accepts.
        reset: value after reset; None where the model or the configuration decides.
    """

    name: str
    offset: int
    access: str
    reader: str | None
    writer: str | None
    width: int = 4
    elements: int = 1
    sizes: tuple[int, ...] = WORD
    reset: int | None = 0

    @property
    def end(self) -> int:
        """First offset after the register."""
        return self.offset + self.width * self.elements


class CpuInterfaceRegister(NamedTuple):
    """A system register of the CPU interface.

    Attributes:
        name: as in IHI 0069.
        encoding: op0, op1, CRn, CRm, op2.
        access: RW, RO or WO.
        reader: name of a method `() -> int | None`; None result: UNDEFINED now.  No reader: MRS is UNDEFINED.
        writer: name of a method `(value) -> bool`; False: UNDEFINED now.  No writer: MSR is UNDEFINED.
        reset: value after reset.
    """

    name: str
    encoding: tuple[int, int, int, int, int]
    access: str
    reader: str | None
    writer: str | None
    reset: int | None = 0


DISTRIBUTOR_REGISTERS: tuple[FrameRegister, ...] = (
    FrameRegister("CTLR", 0x0000, "RW", "read_control", "write_control", reset=0x50),
    FrameRegister("TYPER", 0x0004, "RO", "read_type", None, reset=None),
    FrameRegister("IIDR", 0x0008, "RO", "read_identification", None, reset=None),
    FrameRegister("TYPER2", 0x000C, "RO", None, None),
    FrameRegister("STATUSR", 0x0010, "RW", "read_status", "write_status"),
    FrameRegister("SETSPI_NSR", 0x0040, "WO", None, "write_set_spi", sizes=HALF_OR_WORD),
    FrameRegister("CLRSPI_NSR", 0x0048, "WO", None, "write_clear_spi", sizes=HALF_OR_WORD),
    FrameRegister("SETSPI_SR", 0x0050, "WO", None, None),
    FrameRegister("CLRSPI_SR", 0x0058, "WO", None, None),
    FrameRegister("IGROUPR", 0x0080, "RW", "read_groups", "write_groups", elements=32),
    FrameRegister("ISENABLER", 0x0100, "RW", "read_enables", "write_enable_set", elements=32),
    FrameRegister("ICENABLER", 0x0180, "RW", "read_enables", "write_enable_clear", elements=32),
    FrameRegister("ISPENDR", 0x0200, "RW", "read_pending", "write_pending_set", elements=32),
    FrameRegister("ICPENDR", 0x0280, "RW", "read_pending", "write_pending_clear", elements=32),
    FrameRegister("ISACTIVER", 0x0300, "RW", "read_active", "write_active_set", elements=32),
    FrameRegister("ICACTIVER", 0x0380, "RW", "read_active", "write_active_clear", elements=32),
    FrameRegister("IPRIORITYR", 0x0400, "RW", "read_priorities", "write_priorities", elements=256, sizes=BYTE_OR_WORD),
    FrameRegister("ITARGETSR", 0x0800, "RW", None, None, elements=256, sizes=BYTE_OR_WORD),
    FrameRegister("ICFGR", 0x0C00, "RW", "read_configuration", "write_configuration", elements=64),
    FrameRegister("IGRPMODR", 0x0D00, "RW", None, None, elements=32),
    FrameRegister("NSACR", 0x0E00, "RW", None, None, elements=64),
    FrameRegister("SGIR", 0x0F00, "WO", None, None),
    FrameRegister("CPENDSGIR", 0x0F10, "RW", None, None, elements=4, sizes=BYTE_OR_WORD),
    FrameRegister("SPENDSGIR", 0x0F20, "RW", None, None, elements=4, sizes=BYTE_OR_WORD),
    FrameRegister("IROUTER", 0x6100, "RW", "read_route", "write_route", width=8, elements=988, sizes=WORD_OR_DOUBLE),
    FrameRegister("PIDR4", 0xFFD0, "RO", "read_identity", None, elements=12, reset=None),
)
"""GICD, 64 KiB (IHI 0069, section 12.8).  PIDR4 begins the identification registers: PIDR4..7, PIDR0..3, CIDR0..3."""

REDISTRIBUTOR_REGISTERS: tuple[FrameRegister, ...] = (
    FrameRegister("CTLR", 0x00000, "RW", "read_control", "write_control"),
    FrameRegister("IIDR", 0x00004, "RO", "read_identification", None, reset=None),
    FrameRegister("TYPER", 0x00008, "RO", "read_type", None, width=8, sizes=WORD_OR_DOUBLE, reset=None),
    FrameRegister("STATUSR", 0x00010, "RW", "read_status", "write_status"),
    FrameRegister("WAKER", 0x00014, "RW", "read_waker", "write_waker", reset=None),
    FrameRegister("SETLPIR", 0x00040, "WO", None, None, width=8, sizes=WORD_OR_DOUBLE),
    FrameRegister("CLRLPIR", 0x00048, "WO", None, None, width=8, sizes=WORD_OR_DOUBLE),
    FrameRegister("SYNCR", 0x000C0, "RO", None, None),
    FrameRegister("PIDR4", 0x0FFD0, "RO", "read_identity", None, elements=12, reset=None),
    FrameRegister("IGROUPR0", 0x10080, "RW", "read_groups", "write_groups"),
    FrameRegister("ISENABLER0", 0x10100, "RW", "read_enables", "write_enable_set"),
    FrameRegister("ICENABLER0", 0x10180, "RW", "read_enables", "write_enable_clear"),
    FrameRegister("ISPENDR0", 0x10200, "RW", "read_pending", "write_pending_set"),
    FrameRegister("ICPENDR0", 0x10280, "RW", "read_pending", "write_pending_clear"),
    FrameRegister("ISACTIVER0", 0x10300, "RW", "read_active", "write_active_set"),
    FrameRegister("ICACTIVER0", 0x10380, "RW", "read_active", "write_active_clear"),
    FrameRegister("IPRIORITYR", 0x10400, "RW", "read_priorities", "write_priorities", elements=8, sizes=BYTE_OR_WORD),
    FrameRegister("ICFGR", 0x10C00, "RW", "read_configuration", "write_configuration", elements=2, reset=None),
    FrameRegister("IGRPMODR0", 0x10D00, "RW", None, None),
    FrameRegister("NSACR", 0x10E00, "RW", None, None),
)
"""GICR: RD_base and SGI_base, 128 KiB a vCPU (IHI 0069, sections 12.10 and 12.11).  LPIs are not implemented."""

CPU_INTERFACE_REGISTERS: tuple[CpuInterfaceRegister, ...] = (
    CpuInterfaceRegister("ICC_PMR_EL1", (3, 0, 4, 6, 0), "RW", "read_pmr", "write_pmr"),
    CpuInterfaceRegister("ICC_IAR0_EL1", (3, 0, 12, 8, 0), "RO", "read_iar0", None, 1023),
    CpuInterfaceRegister("ICC_EOIR0_EL1", (3, 0, 12, 8, 1), "WO", None, "write_eoir0", None),
    CpuInterfaceRegister("ICC_HPPIR0_EL1", (3, 0, 12, 8, 2), "RO", "read_hppir0", None, 1023),
    CpuInterfaceRegister("ICC_BPR0_EL1", (3, 0, 12, 8, 3), "RW", "read_bpr0", "write_bpr0", 2),
    CpuInterfaceRegister("ICC_AP0R0_EL1", (3, 0, 12, 8, 4), "RW", "read_ap0r0", "write_ap0r0"),
    CpuInterfaceRegister("ICC_AP1R0_EL1", (3, 0, 12, 9, 0), "RW", "read_ap1r0", "write_ap1r0"),
    CpuInterfaceRegister("ICC_DIR_EL1", (3, 0, 12, 11, 1), "WO", None, "write_dir", None),
    CpuInterfaceRegister("ICC_RPR_EL1", (3, 0, 12, 11, 3), "RO", "read_rpr", None, 0xFF),
    CpuInterfaceRegister("ICC_SGI1R_EL1", (3, 0, 12, 11, 5), "WO", None, "write_sgi1r", None),
    CpuInterfaceRegister("ICC_ASGI1R_EL1", (3, 0, 12, 11, 6), "WO", None, "write_sgi0r", None),
    CpuInterfaceRegister("ICC_SGI0R_EL1", (3, 0, 12, 11, 7), "WO", None, "write_sgi0r", None),
    CpuInterfaceRegister("ICC_IAR1_EL1", (3, 0, 12, 12, 0), "RO", "read_iar1", None, 1023),
    CpuInterfaceRegister("ICC_EOIR1_EL1", (3, 0, 12, 12, 1), "WO", None, "write_eoir1", None),
    CpuInterfaceRegister("ICC_HPPIR1_EL1", (3, 0, 12, 12, 2), "RO", "read_hppir1", None, 1023),
    CpuInterfaceRegister("ICC_BPR1_EL1", (3, 0, 12, 12, 3), "RW", "read_bpr1", "write_bpr1", 3),
    CpuInterfaceRegister("ICC_CTLR_EL1", (3, 0, 12, 12, 4), "RW", "read_ctlr", "write_ctlr", 0x8C00),
    CpuInterfaceRegister("ICC_SRE_EL1", (3, 0, 12, 12, 5), "RW", "read_sre", "write_sre", 7),
    CpuInterfaceRegister("ICC_IGRPEN0_EL1", (3, 0, 12, 12, 6), "RW", "read_igrpen0", "write_igrpen0"),
    CpuInterfaceRegister("ICC_IGRPEN1_EL1", (3, 0, 12, 12, 7), "RW", "read_igrpen1", "write_igrpen1"),
)
"""ICC_*_EL1 (IHI 0069, section 12.2).  With five priority bits there is one active priorities register per group."""


class ListedRegister(NamedTuple):
    """A row of `registers()`: one register, with its place as a user would name it."""

    frame: str
    name: str
    place: int | tuple[int, int, int, int, int]
    access: str
    width: int
    elements: int
    reset: int | None


def registers() -> Iterator[ListedRegister]:
    """Every register of the GIC in the order of its tables, for debuggers and documentation."""
    for frame, table in (("GICD", DISTRIBUTOR_REGISTERS), ("GICR", REDISTRIBUTOR_REGISTERS)):
        for row in table:
            yield ListedRegister(
                frame, f"{frame}_{row.name}", row.offset, row.access, row.width, row.elements, row.reset
            )
    for icc in CPU_INTERFACE_REGISTERS:
        yield ListedRegister("ICC", icc.name, icc.encoding, icc.access, 8, 1, icc.reset)
