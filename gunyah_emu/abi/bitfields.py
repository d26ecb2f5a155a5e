"""Bit fields and enumerations of the API, declared as tables (types.tsv of the conformance data checks them).

`Bitfield.reserved` is the mask of bits that must be zero where a call says so; most calls ignore bits they do not
know, and that is each call's own affair.  Fields are for people: traces and documentation.  Code that runs per
hypercall uses the integer constants.
"""

from __future__ import annotations

from typing import Annotated, Final, NamedTuple


class Field(NamedTuple):
    """Bits `high..low` of a bit field."""

    name: str
    high: int
    low: int

    @property
    def mask(self) -> int:
        """The field's bits in place."""
        return (1 << (self.high + 1)) - (1 << self.low)


class Bitfield(NamedTuple):
    """A bit field: its name in the API, its width in bits (the rest of the register is ignored), its fields."""

    name: str
    width: int
    fields: tuple[Field, ...]

    @property
    def reserved(self) -> int:
        """The bits of the width that belong to no field."""
        return ((1 << self.width) - 1) & ~sum(field.mask for field in self.fields)

    def decode(self, value: int) -> dict[str, int]:
        """The fields of a value by name, for people."""
        return {field.name: (value & field.mask) >> field.low for field in self.fields}


def bitfield(name: str, width: int, **fields: int | tuple[int, int]) -> Bitfield:
    """Declare a bit field: `name=bit` or `name=(high, low)`."""
    parts = [(part, (bits, bits) if isinstance(bits, int) else bits) for part, bits in fields.items()]
    return Bitfield(name, width, tuple(Field(part, high, low) for part, (high, low) in parts))


class Enumeration(NamedTuple):
    """An enumeration: its name in the API and its values."""

    name: str
    values: dict[str, int]

    @property
    def width(self) -> int:
        """How many low bits of the register carry it."""
        return 32

    def name_of(self, value: int) -> str:
        """The name of a value, or the value in decimal where it has none."""
        return next((name for name, known in self.values.items() if known == value), str(value))


HYP_API_INFO: Final = bitfield("hyp_api_info", 64, api_version=(13, 0), big_endian=14, is_64bit=15, variant=(63, 56))
HYP_API_FLAGS0: Final = bitfield(
    "hyp_api_flags0",
    64,
    partition_cspace=0,
    doorbell=1,
    msgqueue=2,
    vic=3,
    vpm=4,
    vcpu=5,
    memextent=6,
    trace_ctrl=7,
    watchdog=8,
    virtio_mmio=9,
    prng=10,
    vcpu_run=11,
    reserved_16=16,
    scheduler=(31, 28),
)
MSGQUEUE_CREATE_INFO: Final = bitfield("msgqueue_create_info", 64, queue_depth=(15, 0), max_msg_size=(31, 16))
MSGQUEUE_SEND_FLAGS: Final = bitfield("msgqueue_send_flags", 32, push=0)
VIC_OPTION_FLAGS: Final = bitfield("vic_option_flags", 64, max_msis_valid=0, disable_default_addr=1)
VCPU_OPTION_FLAGS: Final = bitfield(
    "vcpu_option_flags",
    64,
    pinned=0,
    ras_error_handler=1,
    amu_counting_disabled=2,
    sve_allowed=3,
    debug_allowed=4,
    trace_allowed=5,
    critical=8,
    vcpu_run_scheduled=9,
    hlos_vm=63,
)
VCPU_POWERON_FLAGS: Final = bitfield("vcpu_poweron_flags", 64, preserve_entry_point=0, preserve_context=1)
VCPU_POWEROFF_FLAGS: Final = bitfield("vcpu_poweroff_flags", 64, last_vcpu=0)
VCPU_RUN_POWEROFF_FLAGS: Final = bitfield("vcpu_run_poweroff_flags", 32, exited=0)
SCHEDULER_YIELD_CONTROL: Final = bitfield("scheduler_yield_control", 32, hint=(15, 0), impl_def=31)
ADDRSPACE_MAP_FLAGS: Final = bitfield("addrspace_map_flags", 32, partial=0, no_sync=31)
MEMEXTENT_ACCESS_ATTRS: Final = bitfield("memextent_access_attrs", 32, user_access=(2, 0), kernel_access=(6, 4))
MEMEXTENT_MAPPING_ATTRS: Final = bitfield(
    "memextent_mapping_attrs", 32, user_access=(2, 0), kernel_access=(6, 4), memtype=(23, 16)
)
MEMEXTENT_ATTRS: Final = bitfield("memextent_attrs", 32, access=(2, 0), memtype=(9, 8), type=(17, 16), append=31)
MEMEXTENT_MODIFY_FLAGS: Final = bitfield("memextent_modify_flags", 32, op=(7, 0), no_sync=31)
MEMEXTENT_DONATE_OPTIONS: Final = bitfield("memextent_donate_options", 32, type=(7, 0), no_sync=31)
VIRTIO_OPTION_FLAGS: Final = bitfield("virtio_option_flags", 64, valid_device_type=6)
VIRTIO_MMIO_NOTIFY_REASON: Final = bitfield(
    "virtio_mmio_notify_reason", 64, new_buffer=0, reset_rqst=1, driver_ok=3, failed=4
)
VPM_GROUP_OPTION_FLAGS: Final = bitfield("vpm_group_option_flags", 64, no_aggregation=0)
VGIC_GICR_ATTACH_FLAGS: Final = bitfield("vgic_gicr_attach_flags", 64, last_valid=0, last=1)
PSCI_MPIDR: Final = bitfield("psci_mpidr", 64, Aff0=(7, 0), Aff1=(15, 8), Aff2=(23, 16), Aff3=(39, 32))

MsgqueueCreateInfo = Annotated[int, MSGQUEUE_CREATE_INFO]
MsgqueueSendFlags = Annotated[int, MSGQUEUE_SEND_FLAGS]
VicOptionFlags = Annotated[int, VIC_OPTION_FLAGS]
VcpuOptionFlags = Annotated[int, VCPU_OPTION_FLAGS]
VcpuPoweronFlags = Annotated[int, VCPU_POWERON_FLAGS]
VcpuPoweroffFlags = Annotated[int, VCPU_POWEROFF_FLAGS]
SchedulerYieldControl = Annotated[int, SCHEDULER_YIELD_CONTROL]
AddrspaceMapFlags = Annotated[int, ADDRSPACE_MAP_FLAGS]
MemextentAccessAttrs = Annotated[int, MEMEXTENT_ACCESS_ATTRS]
MemextentMappingAttrs = Annotated[int, MEMEXTENT_MAPPING_ATTRS]
MemextentAttrs = Annotated[int, MEMEXTENT_ATTRS]
MemextentModifyFlags = Annotated[int, MEMEXTENT_MODIFY_FLAGS]
MemextentDonateOptions = Annotated[int, MEMEXTENT_DONATE_OPTIONS]
VirtioOptionFlags = Annotated[int, VIRTIO_OPTION_FLAGS]
VpmGroupOptionFlags = Annotated[int, VPM_GROUP_OPTION_FLAGS]
VgicGicrAttachFlags = Annotated[int, VGIC_GICR_ATTACH_FLAGS]

HYP_VARIANT: Final = Enumeration("hyp_variant", {"UNKNOWN": 0, "GUNYAH": 0x48, "QUALCOMM": 0x51})
PGTABLE_ACCESS: Final = Enumeration("pgtable_access", {"NONE": 0, "X": 1, "W": 2, "R": 4, "RX": 5, "RW": 6, "RWX": 7})
MEMEXTENT_MEMTYPE: Final = Enumeration("memextent_memtype", {"ANY": 0, "DEVICE": 1, "UNCACHED": 2, "CACHED": 3})
MEMEXTENT_TYPE: Final = Enumeration("memextent_type", {"BASIC": 0, "SPARSE": 1})
MEMEXTENT_MODIFY_OP: Final = Enumeration(
    "memextent_modify_op",
    {"unmap_all": 0, "zero_range": 1, "cache_clean_range": 2, "cache_flush_range": 3, "sync_all": 255},
)
MEMEXTENT_DONATE_TYPE: Final = Enumeration("memextent_donate_type", {"to_child": 0, "to_parent": 1, "to_sibling": 2})
SCHEDULER_YIELD_HINT: Final = Enumeration("scheduler_yield_hint", {"yield": 0, "yield_to_thread": 1, "yield_lower": 2})
SCHEDULER_VARIANT: Final = Enumeration("scheduler_variant", {"trivial": 0, "fprr": 1})
VCPU_REGISTER_SET: Final = Enumeration("vcpu_register_set", {"X": 0, "PC": 1, "SP_EL": 2})
VCPU_RUN_STATE: Final = Enumeration(
    "vcpu_run_state",
    {
        "ready": 0,
        "expects_wakeup": 1,
        "powered_off": 2,
        "blocked": 3,
        "addrspace_vmmio_read": 4,
        "addrspace_vmmio_write": 5,
        "fault": 6,
    },
)
VCPU_VIRQ_TYPE: Final = Enumeration("vcpu_virq_type", {"halt": 0, "vcpu_run_wakeup": 1})
ADDRSPACE_VMMIO_CONFIGURE_OP: Final = Enumeration("addrspace_vmmio_configure_op", {"ADD": 0, "REMOVE": 1})
VPM_STATE: Final = Enumeration("vpm_state", {"no_state": 0, "running": 1, "cpus_suspended": 2, "system_suspended": 3})
TRACE_CLASS: Final = Enumeration("trace_class", {"ERROR": 0, "DEBUG": 1, "INFO": 6})

VcpuRegisterSet = Annotated[int, VCPU_REGISTER_SET]
VcpuVirqType = Annotated[int, VCPU_VIRQ_TYPE]
AddrspaceVmmioConfigureOp = Annotated[int, ADDRSPACE_VMMIO_CONFIGURE_OP]
VIRTIO_DEVICE_TYPE: Final = Enumeration("virtio_device_type", {"INVALID": 0, "INPUT": 18})
VirtioDeviceType = Annotated[int, VIRTIO_DEVICE_TYPE]
