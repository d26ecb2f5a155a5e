"""Unicorn's back door: the offsets and functions of one build that have no public name.

The wheel of Unicorn 2.1.4 exports QEMU's internal functions (with the suffix `_aarch64`) and lays its structures out as
its source says.  With them the guest's exceptions, interrupts and system registers cost nanoseconds instead of
microseconds.  None of it is promised, so `open_door` proves it on a small emulator once per process, before anything
rests on it: registers written through the public API are found at the offsets, an HVC arrives with its immediate, an
IRQ is taken.  If the proof fails, it says why in a line and the portable way serves.

No other file knows an offset or a private symbol; the accelerator gets them from here as data.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from ctypes import c_char_p, c_int, c_int64, c_uint8, c_uint32, c_uint64, c_void_p

from gunyah_emu.cpu.el2 import SETUP
from gunyah_emu.cpu.libunicorn import (
    HOOK_BLOCK,
    HOOK_INTR,
    REG_PSTATE,
    REG_SP,
    X_REGISTERS,
    BlockHook,
    Encoding,
    InterruptHook,
    Unicorn,
    library,
)

OFFSETS = {
    "uc_cpu": 440, "uc_no_exit_request": 2034, "uc_translator": 768, "hook_callback": 40,
    "operation_arguments": 24, "translator_env": 43248, "translation_next": 16,
    "block_address": 0, "block_flags": 16, "block_kind": 24, "block_code": 32,
    "cpu_uc": 33192, "cpu_synchronize": 55192, "cpu_icount_decr": 304, "cpu_block_cache": 312, "cpu_state": 41808,
    "cpu_env": 296, "cpu_cflags_next_tb": 24, "cpu_interrupt_request": 28,
    "cpu_halted": 33176, "cpu_exception_index": 33184,
    "cpu_registers": 54544, "cpu_before_el_change": 55072, "cpu_after_el_change": 55080, "hook_function": 0,
    "env_x": 64, "env_pc": 320, "env_pstate": 328, "env_hflags": 336, "env_btype": 552, "env_cf": 520, "env_vf": 524,
    "env_nf": 528, "env_zf": 532, "env_daif": 560, "env_far_el1": 1056, "env_hpfar_el2": 1080, "env_sctlr_el1": 680,
    "env_cpacr_el1": 704, "env_vttbr_el2": 832, "env_ttbr0_el1": 776, "env_ttbr1_el1": 808,
    "env_tcr_el1": 856, "env_mdscr_el1": 2024, "env_syndrome": 3024,
    "env_vaddress": 3032, "env_target_el": 3040, "env_exclusive_addr": 12032, "env_size": 12600,
    "register_type": 20, "register_opaque": 32, "register_reset_value": 40, "register_field": 48,
    "register_accessfn": 72, "register_readfn": 80, "register_writefn": 88,
}  # fmt: skip
"""Byte offsets: uc_* in struct uc_struct, cpu_* in ARMCPU, env_* in CPUARMState, register_* in ARMCPRegInfo;
hook_* in struct hook; operation_* in TCGOp; block_* in TranslationBlock; translation_* in DisasContextBase."""

_PRIVATE = (
    "arm_cpu_do_interrupt", "arm_rebuild_hflags", "cpu_loop_exit", "tlb_flush",
    "tb_invalidate_phys_range", "arm_mmu_idx", "get_phys_addr", "tlb_vaddr_to_host", "qemu_ram_addr_from_host",
    "get_arm_cp_reginfo", "fp_exception_el", "define_one_arm_cp_reg_with_opaque", "arm_cp_reset_ignore",
    "uc_add_inline_hook", "helper_lookup_tb_ptr", "helper_check_exit_request", "helper_exception_return",
    "gen_new_label", "tcg_temp_new_internal", "tcg_const_i64", "tcg_emit_op", "tcg_gen_op1", "tcg_gen_op3",
    "tcg_gen_brcond_i64", "tcg_gen_callN", "tcg_gen_exit_tb", "translator_loop",
    "hw_breakpoint_update_all", "helper_msr_i_daifclear",
)  # fmt: skip

_SLOTS = {
    "fp_exception_el": 0x14C_82E0 - 0x5D_2070,
    "tcg_gen_callN": 0x14C_00B8 - 0x58_CF70,
    "tcg_gen_exit_tb": 0x14B_E6B0 - 0x59_5F10,
    "translator_loop": 0x14C_63A8 - 0x69_1EE0,
    "get_phys_addr": 0x14C_6820 - 0x5C_E980,
}
"""Where the library keeps a function's address for its own calls, from that function."""

_SYNCHRONIZE = 0x5B_8B00 - 0x5D_2070
"""Where the CPU's function synchronize_from_tb is, from fp_exception_el."""

OPERATIONS = {"set_label": 1, "movi_i32": 6, "st_i32": 16, "movi_i64": 64, "ld_i64": 73, "st_i64": 77, "sub_i64": 79}
"""The translator's numbers of its operations."""

_TEMPORARY_NAME = 32  # in a temporary
_OPERATION_NAMES, _OPERATION_SIZE = 0xA968, 32  # in the translator, a pointer to descriptions that begin with a name

_SYSTEM_REGISTER_CP = 0x13
_STATE_AA64, _TYPE_OVERRIDE, _TYPE_IO, _TYPE_NO_RAW, _TYPE_CONST = 1, 0x10, 0x40, 0x80, 0x2
_PL1_RW, _PL0_RW = 0xFC, 0xFF


class _RegisterInfo(ctypes.Structure):
    """ARMCPRegInfo: how the emulator describes one system register."""

    _fields_ = (
        ("name", c_char_p), ("cp", c_uint8), ("crn", c_uint8), ("crm", c_uint8), ("op0", c_uint8), ("op1", c_uint8),
        ("op2", c_uint8), ("state", c_int), ("type", c_int), ("access", c_int), ("secure", c_int), ("opaque", c_void_p),
        ("reset_value", c_uint64), ("field", c_int64), ("banks", c_int64 * 2), ("accessfn", c_void_p), ("readfn",
        c_void_p), ("writefn", c_void_p), ("raw_readfn", c_void_p), ("raw_writefn", c_void_p), ("resetfn", c_void_p),
        ("_", c_uint8 * 16),
    )  # fmt: skip


class DoorClosedError(Exception):
    """The private way does not work with this build of Unicorn; the message is one line that says why."""


def register_key(encoding: Encoding) -> int:
    """How the emulator numbers a system register."""
    op0, op1, crn, crm, op2 = encoding
    return 1 << 28 | _SYSTEM_REGISTER_CP << 16 | op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2


class Door:
    """The private parts of the installed Unicorn, proved.

    Attributes:
        functions: addresses by name, as the accelerator wants them.
    """

    __slots__ = ("_define", "_find", "_ram_from_host", "functions")

    def __init__(self) -> None:
        loaded = library()
        self.functions: dict[str, int] = {}
        for name in ("uc_emu_start", "uc_emu_stop", "uc_vmem_read"):
            self.functions[name] = _address(getattr(loaded, name))
        for name in _PRIVATE:
            try:
                function = loaded[f"{name}_aarch64"]  # by index: our own object, whose types nobody else sets
            except AttributeError:
                raise DoorClosedError(f"this build of unicorn does not export {name}_aarch64") from None
            self.functions[name] = _address(function)
        self._find = ctypes.CFUNCTYPE(c_void_p, c_void_p, c_uint32)(self.functions["get_arm_cp_reginfo"])
        self._ram_from_host = ctypes.CFUNCTYPE(c_uint64, c_void_p, c_void_p)(self.functions["qemu_ram_addr_from_host"])
        self._define = ctypes.CFUNCTYPE(None, c_void_p, c_void_p, c_void_p)(
            self.functions["define_one_arm_cp_reg_with_opaque"]
        )

    def cpu(self, uc: Unicorn) -> int:
        """The address of the emulator's ARMCPU; the first use of an emulator makes it."""
        assert uc.handle.value is not None
        return _pointer(uc.handle.value + OFFSETS["uc_cpu"])

    def env(self, uc: Unicorn) -> int:
        """The address of the emulator's CPUARMState."""
        return _pointer(self.cpu(uc) + OFFSETS["cpu_env"])

    def find_register(self, uc: Unicorn, encoding: Encoding) -> int | None:
        """The address of the emulator's description of a system register; None when it has none."""
        found: int | None = self._find(_pointer(self.cpu(uc) + OFFSETS["cpu_registers"]), register_key(encoding))
        return found

    def field(self, uc: Unicorn, encoding: Encoding) -> int | None:
        """Where in CPUARMState a system register is stored; None when it is not."""
        info = self.find_register(uc, encoding)
        return None if info is None else _RegisterInfo.from_address(info).field or None

    def ram_number(self, uc: Unicorn, host: int) -> int:
        """Where mapped host memory is in the emulator's list of RAM, by which it knows translated code."""
        number: int = self._ram_from_host(uc.handle, host)
        assert number != (1 << 64) - 1, f"the emulator has no RAM at host address {host:#x}"
        return number

    def define_trap(self, uc: Unicorn, encoding: Encoding, name: str, access: int, *, el0: bool) -> None:
        """Define a register that the emulator lacks: each access calls the native access function at `access`."""
        op0, op1, crn, crm, op2 = encoding
        info = _RegisterInfo(
            name=name.encode(), op0=op0, op1=op1, crn=crn, crm=crm, op2=op2, state=_STATE_AA64, accessfn=access,
            type=_TYPE_OVERRIDE | _TYPE_IO | _TYPE_NO_RAW | _TYPE_CONST, access=_PL0_RW if el0 else _PL1_RW,
            resetfn=self.functions["arm_cp_reset_ignore"],
        )  # fmt: skip
        self._define(self.cpu(uc), ctypes.addressof(info), None)

    def replace(self, name: str, function: int) -> None:
        """Let the library call `function` where it would call its own function of that name.

        Calls inside the library go through its table of function addresses; its slot is changed for the whole process.
        """
        c_uint64.from_address(self.functions[name] + _SLOTS[name]).value = _replaced[name] = function

    def restore(self, name: str) -> None:
        """Let the library call its own function of that name again."""
        self.replace(name, self.functions[name])


def _address(function: object) -> int:
    address = ctypes.cast(function, c_void_p).value  # type: ignore[arg-type]  # a function pointer is one
    assert address is not None
    return address


def _pointer(address: int) -> int:
    return c_uint64.from_address(address).value


_door: Door | str | None = None
_replaced: dict[str, int] = {}  # what the library calls instead of its own functions


def open_door() -> Door:
    """The proved door, once per process.

    Errors: DoorClosedError with the reason, the same each time.
    """
    global _door
    if _door is None:
        try:
            _door = _prove()
        except DoorClosedError as error:
            _door = str(error)
    if isinstance(_door, str):
        raise DoorClosedError(_door)
    return _door


def _prove() -> Door:
    machine = os.uname().machine
    if machine != "x86_64":
        raise DoorClosedError(f"the private layout of unicorn is known for x86_64 only, not for {machine}")
    door = Door()
    uc = Unicorn("cortex-a72")
    try:
        _prove_registers(door, uc)
        _prove_translator(door, uc)
        _prove_events(door, uc)
    finally:
        uc.close()
    return door


def _expect(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise DoorClosedError(f"unicorn's layout differs: {what} is {found!r}, not {wanted!r}")


# Written through the public API, these must appear at the offsets (name, encoding, a value that the register keeps).
_SENTINELS: tuple[tuple[str, Encoding, int], ...] = (
    ("env_sctlr_el1", (3, 0, 1, 0, 0), 0x00C5_0838),
    ("env_ttbr0_el1", (3, 0, 2, 0, 0), 0x1234_5000),
    ("env_ttbr1_el1", (3, 0, 2, 0, 1), 0x1234_6000),
    ("env_tcr_el1", (3, 0, 2, 0, 2), 0x0000_3519),
    ("env_cpacr_el1", (3, 0, 1, 0, 2), 3 << 20),
    ("env_vttbr_el2", (3, 4, 2, 1, 0), 0x5000_0000),
    ("env_hpfar_el2", (3, 4, 6, 0, 4), 0x0876_5430),
    ("env_mdscr_el1", (2, 0, 0, 2, 2), 0x8000),
)


def _prove_registers(door: Door, uc: Unicorn) -> None:
    for number, register in enumerate(X_REGISTERS):
        uc.write(register, 0x5EED_0000_0000 + number)
    uc.write(REG_SP, 0x5EED_0000_0000 + 31)
    handle = uc.handle.value
    assert handle is not None
    for name, base, offset in (("the CPU", handle, "uc_cpu"), ("the CPU's state", door.cpu(uc), "cpu_env")):
        pointer = _pointer(base + OFFSETS[offset])
        if not 0x1000 <= pointer < 1 << 47 or pointer % 8:
            raise DoorClosedError(f"unicorn's layout differs: no pointer to {name} at its place")
    env = door.env(uc)
    live = (c_uint64 * 32).from_address(env + OFFSETS["env_x"])
    _expect("x0..sp", [value - 0x5EED_0000_0000 for value in live], list(range(32)))
    for name, encoding, value in _SENTINELS:
        uc.write_system(encoding, value)
        _expect(name, c_uint64.from_address(env + OFFSETS[name]).value, value)
        _expect(f"the field of {name}", door.field(uc, encoding), OFFSETS[name])
    listed = (c_uint64 * 16).from_address(env + OFFSETS["env_size"] - 16 * 8)
    update = ctypes.CFUNCTYPE(None, c_void_p)(door.functions["hw_breakpoint_update_all"])
    uc.write_system((2, 0, 0, 0, 5), 0x1E7)
    update(door.cpu(uc))
    _expect("a breakpoint's place", [bool(pointer) for pointer in listed], [True] + [False] * 15)
    uc.write_system((2, 0, 0, 0, 5), 0)
    update(door.cpu(uc))
    _expect("no_exit_request", c_uint8.from_address(handle + OFFSETS["uc_no_exit_request"]).value, 0)
    _expect("exclusive_addr", c_uint64.from_address(env + OFFSETS["env_exclusive_addr"]).value, (1 << 64) - 1)


def _prove_translator(door: Door, uc: Unicorn) -> None:
    """Where the translator's functions, pointers and numbers are; that blocks count right with them is proved later."""
    for name, distance in _SLOTS.items():
        function = _replaced.get(name, door.functions[name])
        _expect(f"the slot of {name}", _pointer(door.functions[name] + distance), function)
    handle = uc.handle.value
    assert handle is not None
    _expect("the distance of the CPU's state", door.env(uc) - door.cpu(uc), OFFSETS["cpu_state"])
    counter = _pointer(door.cpu(uc) + OFFSETS["cpu_icount_decr"])
    _expect("what is in front of the CPU's state, the 4 bytes of icount_decr,", door.env(uc) - counter, 16)
    _expect("the CPU's pointer to its engine", _pointer(door.cpu(uc) + OFFSETS["cpu_uc"]), handle)
    found = _pointer(door.cpu(uc) + OFFSETS["cpu_synchronize"])
    _expect("synchronize_from_tb", found, door.functions["fp_exception_el"] + _SYNCHRONIZE)
    hook = uc.hook(HOOK_BLOCK, door.functions["uc_emu_stop"])
    _expect("a hook's function", _pointer(hook + OFFSETS["hook_callback"]), door.functions["uc_emu_stop"])
    uc.unhook(hook)
    translator = _pointer(handle + OFFSETS["uc_translator"])
    state = translator + _pointer(translator + OFFSETS["translator_env"])
    _expect("the translator's name of the CPU's state", ctypes.string_at(_pointer(state + _TEMPORARY_NAME)), b"env")
    operations = _pointer(translator + _OPERATION_NAMES)
    for name, number in OPERATIONS.items():
        described = ctypes.string_at(_pointer(operations + number * _OPERATION_SIZE), len(name) + 1)
        _expect(f"operation {number}", described, name.encode() + b"\0")


# nop ; hvc #0x5a5a ; msr daifclr, #2 ; nop ; hvc #1       and at the IRQ vector: hvc #2
_PROGRAM = b"\x1f\x20\x03\xd5\x42\x4b\x0b\xd4\xff\x42\x03\xd5\x1f\x20\x03\xd5\x22\x00\x00\xd4"
_VECTOR = b"\x42\x00\x00\xd4"


def _prove_events(door: Door, uc: Unicorn) -> None:
    """A block cut short, an HVC with its immediate, an IRQ that is taken right behind what unmasks it."""
    memory = mmap.mmap(-1, 4096)
    memory[: len(_PROGRAM)] = _PROGRAM
    memory[0x280 : 0x280 + len(_VECTOR)] = _VECTOR
    base = 0x4000_0000
    host = ctypes.addressof(c_uint8.from_buffer(memory))
    uc.map(base, 4096, host)
    for encoding, value in SETUP:
        uc.write_system(encoding, value)
    uc.write_system((3, 0, 12, 0, 0), base)
    env, cpu = door.env(uc), door.cpu(uc)
    request = c_uint32.from_address(cpu + OFFSETS["cpu_interrupt_request"])
    seen: list[tuple[int, int, int]] = []

    def on_interrupt(_uc: int, number: int, _user: int) -> None:
        syndrome = c_uint32.from_address(env + OFFSETS["env_syndrome"]).value
        seen.append((number, syndrome & 0xFFFF, c_uint64.from_address(env + OFFSETS["env_pc"]).value - base))
        if len(seen) == 1:
            request.value |= 2
        else:
            uc.stop()

    sizes: list[int] = []
    part = c_uint32.from_address(cpu + OFFSETS["cpu_cflags_next_tb"])
    _expect("cflags_next_tb", part.value, (1 << 32) - 1)
    part.value = 1  # of the first block's two instructions
    uc.hook(HOOK_BLOCK, BlockHook(lambda _uc, _address, size, _user: sizes.append(size)))
    uc.hook(HOOK_INTR, InterruptHook(on_interrupt))
    uc.write(REG_PSTATE, 0x3C5)
    error = uc.start(base)
    _expect("the sizes of blocks", sizes[:2], [4, 4])
    _expect("the proof's run", (error, seen), (0, [(11, 0x5A5A, 8), (11, 2, 0x284)]))
    _expect("DAIF at the IRQ vector", c_uint64.from_address(env + OFFSETS["env_daif"]).value, 0x3C0)
