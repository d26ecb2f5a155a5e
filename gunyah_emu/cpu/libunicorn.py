"""Unicorn's public C API, by ctypes, without Unicorn's Python binding.

Importing the binding costs 35 ms that a run does not need, and its hooks cost 16 us each.  So we load the shared
library out of the installed wheel and declare the few functions that we call.  Nothing here is private to a build of
Unicorn: that is `door`.
"""

from __future__ import annotations

import ctypes
import importlib.util
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_uint32, c_uint64, c_void_p
from pathlib import Path

from gunyah_emu.errors import UserError

VERSION = (2, 1, 4)

ARCH_ARM64 = 2
MODE_ARM = 0
PROT_READ, PROT_WRITE, PROT_EXEC = 1, 2, 4

CPU_MODELS = {"cortex-a57": 0, "cortex-a53": 1, "cortex-a72": 2, "max": 3}

HOOK_INTR, HOOK_INSN, HOOK_BLOCK = 1 << 0, 1 << 1, 1 << 3
HOOK_MEM_UNMAPPED = 1 << 4 | 1 << 5 | 1 << 6
HOOK_FETCH_PROT = 1 << 9
HOOK_MEM_PROT = 1 << 7 | 1 << 8 | 1 << 9
HOOK_NEW_BLOCK = 1 << 15
INSTRUCTION_MRS, INSTRUCTION_MSR = 1, 2

REG_X0, REG_X29, REG_X30, REG_SP, REG_PC, REG_PSTATE, REG_XZR = 199, 1, 2, 4, 260, 265, 5
REG_CP_REG, REG_FPCR, REG_FPSR, REG_V0 = 290, 291, 292, 228
X_REGISTERS = (*range(REG_X0, REG_X0 + 29), REG_X29, REG_X30)

# How uc_ctl encodes its request: number, count of arguments, direction.
_CTL_WRITE_1, _CTL_WRITE_2, _CTL_WRITE_0 = 1 << 30 | 1 << 26, 1 << 30 | 2 << 26, 1 << 30
_CTL_PAGE_SIZE, _CTL_USE_EXITS, _CTL_EXITS, _CTL_CPU_MODEL = 1, 4, 6, 7
_CTL_REMOVE_CACHE, _CTL_FLUSH_TB, _CTL_FLUSH_TLB, _CTL_CODE_BUFFER_SIZE = 9, 10, 11, 13

CODE_BUFFER = 256 << 20
"""Bytes for translated code: a guest that makes up code for ever takes that much of the host's memory, not the gigabyte
that is the default.  When it is full, everything is translated anew; Linux boots in 40 MiB."""

Encoding = tuple[int, int, int, int, int]
"""A system register: (op0, op1, CRn, CRm, op2)."""


class CpReg(ctypes.Structure):
    """`uc_arm64_cp_reg`: a system register by its encoding."""

    _fields_ = (
        ("crn", c_uint32), ("crm", c_uint32), ("op0", c_uint32), ("op1", c_uint32), ("op2", c_uint32), ("value",
        c_uint64),
    )  # fmt: skip


class Block(ctypes.Structure):
    """`uc_tb`: a translated block."""

    _fields_ = (("pc", c_uint64), ("instructions", ctypes.c_uint16), ("size", ctypes.c_uint16))


BlockHook = ctypes.CFUNCTYPE(None, c_void_p, c_uint64, c_uint32, c_void_p)
NewBlockHook = ctypes.CFUNCTYPE(None, c_void_p, POINTER(Block), c_void_p, c_void_p)
InterruptHook = ctypes.CFUNCTYPE(None, c_void_p, c_uint32, c_void_p)
MemoryHook = ctypes.CFUNCTYPE(ctypes.c_bool, c_void_p, c_int, c_uint64, c_int, ctypes.c_int64, c_void_p)
SystemHook = ctypes.CFUNCTYPE(c_uint32, c_void_p, c_int, POINTER(CpReg), c_void_p)

_PROTOTYPES: dict[str, tuple[type | None, tuple[object, ...]]] = {
    "uc_version": (c_uint32, (POINTER(c_uint32), POINTER(c_uint32))),
    "uc_open": (c_int, (c_int, c_int, POINTER(c_void_p))),
    "uc_close": (c_int, (c_void_p,)),
    "uc_strerror": (c_char_p, (c_int,)),
    "uc_mem_map_ptr": (c_int, (c_void_p, c_uint64, c_uint64, c_uint32, c_void_p)),
    "uc_mem_unmap": (c_int, (c_void_p, c_uint64, c_uint64)),
    "uc_emu_start": (c_int, (c_void_p, c_uint64, c_uint64, c_uint64, c_size_t)),
    "uc_emu_stop": (c_int, (c_void_p,)),
    "uc_mem_protect": (c_int, (c_void_p, c_uint64, c_uint64, c_uint32)),
    "uc_reg_read": (c_int, (c_void_p, c_int, c_void_p)),
    "uc_reg_write": (c_int, (c_void_p, c_int, c_void_p)),
    "uc_reg_read_batch": (c_int, (c_void_p, c_void_p, c_void_p, c_int)),
    "uc_reg_write_batch": (c_int, (c_void_p, c_void_p, c_void_p, c_int)),
    "uc_vmem_read": (c_int, (c_void_p, c_uint64, c_uint32, c_void_p, c_size_t)),
    "uc_context_size": (c_size_t, (c_void_p,)),
    "uc_context_alloc": (c_int, (c_void_p, POINTER(c_void_p))),
    "uc_context_save": (c_int, (c_void_p, c_void_p)),
    "uc_context_restore": (c_int, (c_void_p, c_void_p)),
    "uc_context_free": (c_int, (c_void_p,)),
}

_library: ctypes.CDLL | None = None


def library() -> ctypes.CDLL:
    """The shared library of the installed `unicorn` wheel, loaded once, with typed prototypes.

    Errors: UserError when the package, its library or the version that we were measured with is missing.
    """
    global _library
    if _library is None:
        loaded = _load(_find())
        version = _version(loaded)
        if version != VERSION:
            wanted, found = (".".join(map(str, v)) for v in (VERSION, version))
            raise UserError(f"unicorn must be version {wanted}, not {found}: pip install unicorn=={wanted}")
        _library = loaded
    return _library


def _find() -> Path:
    spec = importlib.util.find_spec("unicorn")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for name in ("libunicorn.so.2", "libunicorn.2.dylib"):
            path = Path(folder) / "lib" / name
            if path.exists():
                return path
    wanted = ".".join(map(str, VERSION))
    raise UserError(f"the package unicorn must be installed with its shared library: pip install unicorn=={wanted}")


def _load(path: Path) -> ctypes.CDLL:
    try:
        loaded = ctypes.CDLL(str(path))
    except OSError as error:
        raise UserError(f"unicorn's library must be loadable, but: {error}", path=path) from error
    for name, (result, arguments) in _PROTOTYPES.items():
        function = getattr(loaded, name)
        function.restype, function.argtypes = result, arguments
    return loaded


def _version(loaded: ctypes.CDLL) -> tuple[int, int, int]:
    packed: int = loaded.uc_version(None, None)
    return packed >> 24 & 0xFF, packed >> 16 & 0xFF, packed >> 8 & 0xFF


class Unicorn:
    """One emulator of Unicorn's: an AArch64 CPU with 4 KiB pages.

    Arguments:
        cpu_model: a key of `CPU_MODELS`.
    Errors: an AssertionError for whatever Unicorn refuses, since we never ask for what it does not have.
    """

    __slots__ = ("_cp", "_keep", "_library", "_scratch", "handle")

    def __init__(self, cpu_model: str) -> None:
        self._library = library()
        self.handle = c_void_p()
        self._keep: list[object] = []  # hooks and buffers must outlive the emulator
        self._scratch = c_uint64()
        self._cp = CpReg()
        self._check(self._library.uc_open(ARCH_ARM64, MODE_ARM, byref(self.handle)), "uc_open")
        self._ctl(_CTL_CPU_MODEL | _CTL_WRITE_1, c_int(CPU_MODELS[cpu_model]))
        self._ctl(_CTL_PAGE_SIZE | _CTL_WRITE_1, c_uint32(4096))
        self._ctl(_CTL_CODE_BUFFER_SIZE | _CTL_WRITE_1, c_uint32(CODE_BUFFER))
        # No address ends a run: `until` would, and address 0 is a place where guests live.
        self._ctl(_CTL_USE_EXITS | _CTL_WRITE_1, c_int(1))
        self._ctl(_CTL_EXITS | _CTL_WRITE_2, None, c_size_t(0))

    def _check(self, error: int, what: str) -> None:
        assert error == 0, f"{what}: {self._library.uc_strerror(error).decode()}"

    def _ctl(self, request: int, *arguments: object) -> None:
        self._check(self._library.uc_ctl(self.handle, c_uint32(request), *arguments), f"uc_ctl {request & 0xFF}")

    def __del__(self) -> None:
        if self.handle.value is not None:
            self._library.uc_close(self.handle)

    def close(self) -> None:
        """Free the emulator; a second time it does nothing."""
        if self.handle.value is not None:
            self._check(self._library.uc_close(self.handle), "uc_close")
            self.handle = c_void_p()
            self._keep.clear()

    def map(
        self,
        address: int,
        size: int,
        host_address: int,
        *,
        readable: bool = True,
        writable: bool = True,
        executable: bool = True,
    ) -> None:
        """Show `size` bytes of host memory at physical `address`; the caller keeps that memory alive."""
        permissions = (
            (PROT_READ if readable else 0) | (PROT_WRITE if writable else 0) | (PROT_EXEC if executable else 0)
        )
        error = self._library.uc_mem_map_ptr(self.handle, address, size, permissions, host_address)
        self._check(error, f"uc_mem_map_ptr 0x{address:x} size 0x{size:x}")

    def protect(self, address: int, size: int, *, accessible: bool, writable: bool, executable: bool) -> None:
        """Change what may be done to a whole piece that was mapped."""
        permissions = (PROT_READ if accessible else 0) | (PROT_EXEC if executable else 0)
        permissions |= PROT_WRITE if accessible and writable else 0
        self._check(self._library.uc_mem_protect(self.handle, address, size, permissions), f"protect 0x{address:x}")

    def unmap(self, address: int, size: int) -> None:
        """Take `size` bytes at physical `address` away."""
        self._check(self._library.uc_mem_unmap(self.handle, address, size), f"uc_mem_unmap 0x{address:x}")

    def hook(
        self,
        kind: int,
        callback: object,
        user: int = 0,
        instruction: int | None = None,
        begin: int = 1,
        end: int = 0,
    ) -> int:
        """Call `callback`, a ctypes function or the address of a native one, at every event of `kind`.

        `user` is its last argument, `instruction` which one HOOK_INSN means; it is limited to addresses from `begin` to
        `end`, both included, unless `begin` is above `end`.  Returns its number, for `unhook`.
        """
        hook = c_size_t()
        pointer = c_void_p(callback) if isinstance(callback, int) else callback
        extra = () if instruction is None else (c_int(instruction),)
        error = self._library.uc_hook_add(
            self.handle, byref(hook), c_int(kind), pointer, c_void_p(user), c_uint64(begin), c_uint64(end), *extra
        )
        self._check(error, "uc_hook_add")
        self._keep.append(callback)
        return hook.value

    def unhook(self, hook: int) -> None:
        """Do not call it any more."""
        self._check(self._library.uc_hook_del(self.handle, c_size_t(hook)), "uc_hook_del")

    def start(self, pc: int) -> int:
        """Run from `pc` until something stops it; returns Unicorn's error number, 0 for none."""
        error: int = self._library.uc_emu_start(self.handle, pc, 0, 0, 0)
        return error

    def stop(self) -> None:
        """Stop before the next block, or after this exception."""
        self._library.uc_emu_stop(self.handle)

    def read(self, register: int) -> int:
        """One register by Unicorn's number."""
        scratch = self._scratch
        scratch.value = 0  # 32-bit registers fill only half of it
        self._check(self._library.uc_reg_read(self.handle, register, byref(scratch)), f"uc_reg_read {register}")
        return scratch.value

    def write(self, register: int, value: int) -> None:
        """Write one register by Unicorn's number."""
        self._scratch.value = value
        self._check(self._library.uc_reg_write(self.handle, register, byref(self._scratch)), f"uc_reg_write {register}")

    def read_vector(self, register: int) -> int:
        """One 128-bit register by Unicorn's number."""
        value = (c_uint64 * 2)()
        self._check(self._library.uc_reg_read(self.handle, register, value), f"uc_reg_read {register}")
        return value[0] | value[1] << 64

    def write_vector(self, register: int, value: int) -> None:
        """Write one 128-bit register by Unicorn's number."""
        halves = (c_uint64 * 2)(value & (1 << 64) - 1, value >> 64)
        self._check(self._library.uc_reg_write(self.handle, register, halves), f"uc_reg_write {register}")

    def read_system(self, encoding: Encoding) -> int:
        """A system register by its encoding."""
        cp = self._cp
        cp.op0, cp.op1, cp.crn, cp.crm, cp.op2 = encoding
        self._check(
            self._library.uc_reg_read(self.handle, REG_CP_REG, byref(cp)), f"read of system register {encoding}"
        )
        return int(cp.value)

    def write_system(self, encoding: Encoding, value: int) -> None:
        """Write a system register by its encoding."""
        cp = self._cp
        cp.op0, cp.op1, cp.crn, cp.crm, cp.op2 = encoding
        cp.value = value
        self._check(
            self._library.uc_reg_write(self.handle, REG_CP_REG, byref(cp)), f"write of system register {encoding}"
        )

    def fetch(self, address: int) -> int | None:
        """The instruction at a virtual address, as the running vCPU would fetch it; None when it cannot."""
        error = self._library.uc_vmem_read(self.handle, address, PROT_EXEC, byref(self._scratch), 4)
        return None if error else int(self._scratch.value) & 0xFFFF_FFFF

    def code(self, address: int, size: int) -> bytes:
        """Instructions of one page that the running vCPU has just fetched."""
        buffer = ctypes.create_string_buffer(size)
        self._check(self._library.uc_vmem_read(self.handle, address, PROT_EXEC, buffer, size), f"code at 0x{address:x}")
        return buffer.raw

    def stop_in_front_of(self, address: int | None, start: int, end: int) -> None:
        """Let an instruction in [start, end) end a run in front of it; None: none does any more."""
        exits = (c_uint64 * 1)(address or 0)
        self._ctl(_CTL_EXITS | _CTL_WRITE_2, exits, c_size_t(0 if address is None else 1))
        self._ctl(_CTL_REMOVE_CACHE | _CTL_WRITE_2, c_uint64(start), c_uint64(end))

    def new_context(self) -> c_void_p:
        """A copy of the whole CPU state, to be freed by `free_context`."""
        context = c_void_p()
        self._check(self._library.uc_context_alloc(self.handle, byref(context)), "uc_context_alloc")
        self.save(context)
        return context

    def save(self, context: c_void_p) -> None:
        """Copy the CPU state into a context."""
        self._check(self._library.uc_context_save(self.handle, context), "uc_context_save")

    def restore(self, context: c_void_p) -> None:
        """Make a context, saved from this emulator before, its CPU state."""
        self._check(self._library.uc_context_restore(self.handle, context), "uc_context_restore")
        self.flush_tlb()

    @property
    def context_size(self) -> int:
        """Bytes of a context."""
        return int(self._library.uc_context_size(self.handle))

    def fill(self, context: c_void_p, state: bytes) -> None:
        """Make a context the copy of another one of this emulator's."""
        assert len(state) == self.context_size
        ctypes.memmove(context, state, len(state))

    def free_context(self, context: c_void_p) -> None:
        """Free a context."""
        self._check(self._library.uc_context_free(context), "uc_context_free")

    def forget_code(self) -> None:
        """Drop every translated block."""
        self._ctl(_CTL_FLUSH_TB | _CTL_WRITE_0)

    def flush_tlb(self) -> None:
        """Drop every cached translation of addresses."""
        self._ctl(_CTL_FLUSH_TLB | _CTL_WRITE_0)
