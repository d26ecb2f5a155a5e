"""What a GIC leaves open, and where Gunyah's virtual GIC differs, as named flags.

There is one implementation.  `ARCHITECTURAL` is what system software finds on QEMU's virt machine: GICv3, one
security state (GICD_CTLR.DS = 1), five priority bits.  `GUNYAH` is the virtual GIC of the real hypervisor, with each
observable difference as a field of `Model`, so that `why does my driver fail only there` has a one-word answer.
"""

from __future__ import annotations

from typing import NamedTuple


class Model(NamedTuple):
    """The open choices of a GIC.

    Attributes:
        name: as the user writes it in a machine file.
        list_registers: how many interrupts a vCPU can hold pending or active at once; what does not fit waits until
            one ends.  A listed interrupt keeps the priority and group it was listed with, is sampled only when it
            ends or is synchronised, and ignores writes of GICD_ISACTIVER and GICD_ICACTIVER. 0: no such limit and
            none of these effects.
        implements_all_spis: all 988 SPIs have state, however many sources the VIC was configured for.
        redistributor_capacity: vCPUs the VIC was configured for when nobody says so; 0: as many as there are.
        one_of_n: IROUTER.IRM is implemented (GICD_TYPER.No1N = 0).
        irouter_reads_as_zero: writes of IROUTER take effect and read back as 0; a word access writes the whole
            register.
        private_words_in_distributor: word 0 of the banked distributor registers shows the accessing vCPU's SGIs and
            PPIs instead of RAZ; writes are ignored either way.
        distributor_end: first offset of the distributor's frame that is an external abort.
        unknown_writes_abort: a write to a reserved offset is an external abort; reads are RAZ either way.
        strict_access_sizes: an access of a size that the register's description does not list is an external abort;
            without it every naturally aligned access of 1, 2, 4 or 8 bytes is split or recombined.
        undefined_while_group_off: MRS of a group's IAR, HPPIR, BPR and active priorities is UNDEFINED while the group
            is off.
        effective_group_enable: ICC_IGRPEN1 reads as (what was written) and GICD_CTLR.EnableGrp1.
        asleep_at_reset: GICR_WAKER resets to ProcessorSleep and ChildrenAsleep.
        identification: GICD_IIDR and GICR_IIDR.
        identity: PIDR4..7, PIDR0..3, CIDR0..3.
    """

    name: str
    list_registers: int
    implements_all_spis: bool
    redistributor_capacity: int
    one_of_n: bool
    irouter_reads_as_zero: bool
    private_words_in_distributor: bool
    distributor_end: int
    unknown_writes_abort: bool
    strict_access_sizes: bool
    undefined_while_group_off: bool
    effective_group_enable: bool
    asleep_at_reset: bool
    identification: int
    identity: tuple[int, ...]


ARCHITECTURAL = Model(
    name="architectural",
    list_registers=0,
    implements_all_spis=False,
    redistributor_capacity=0,
    one_of_n=True,
    irouter_reads_as_zero=False,
    private_words_in_distributor=False,
    distributor_end=0x10000,
    unknown_writes_abort=False,
    strict_access_sizes=False,
    undefined_while_group_off=False,
    effective_group_enable=False,
    asleep_at_reset=True,
    identification=0x0000043B,
    identity=(0x44, 0, 0, 0, 0x92, 0xB4, 0x3B, 0, 0x0D, 0xF0, 0x05, 0xB1),
)
"""IHI 0069 as QEMU's virt machine has it; the identification is Arm's (JEP106 0x43b)."""

GUNYAH = Model(
    name="gunyah",
    list_registers=4,
    implements_all_spis=True,
    redistributor_capacity=8,
    one_of_n=False,
    irouter_reads_as_zero=True,
    private_words_in_distributor=True,
    distributor_end=0xFFD0,
    unknown_writes_abort=True,
    strict_access_sizes=True,
    undefined_while_group_off=True,
    effective_group_enable=True,
    asleep_at_reset=False,
    identification=0x47000070,
    identity=(0, 0, 0, 0, 0, 0, 0x30, 0, 0, 0, 0, 0),
)
"""As recorded on the real hypervisor (12/2023 release, production build)."""

MODELS = {model.name: model for model in (ARCHITECTURAL, GUNYAH)}
