"""The portable way: Unicorn's public C API through ctypes, and nothing else.

The run loop is here: the emulator runs until a hook stops it, the event is answered outside, and it runs on.  Blocks
are counted by a hook in Python, which costs most of the speed (some 15 MIPS are left); everything that the fast way
reads from a syndrome is derived from the instruction at PC.  What the guest sees, and what is charged for it, is equal.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from ctypes import c_uint8, string_at
from functools import partial

from gunyah_emu.cpu import libunicorn as u
from gunyah_emu.cpu.debugging import Halt
from gunyah_emu.cpu.el2 import IPA_BITS, SETUP, VMPIDR_EL2
from gunyah_emu.cpu.engine import MOST_BLOCKS
from gunyah_emu.cpu.exceptions import UNDEFINED, ExceptionLoop
from gunyah_emu.cpu.identity import BREAKPOINTS
from gunyah_emu.cpu.portable_traps import PortableTraps
from gunyah_emu.cpu.registers import PSTATE_EL1H_MASKED, SYSTEM, Registers
from gunyah_emu.cpu.results import register_written, unsigned
from gunyah_emu.cpu.seam import PAGE, Ram, Setup, Stop
from gunyah_emu.cpu.syndrome import enter_exception, is_floating_point
from gunyah_emu.cpu.sysreg import SystemRegister, may_access_at_el0

_PSTATE_I, _PSTATE_IL, _SCTLR_M = 1 << 7, 1 << 20, 1
_INTERRUPT, _OUT_OF_BUDGET, _STEP = (-1,), (-2,), (-6,)  # events beside the emulator's numbers of exceptions
_MEMORY, _FLOATING_POINT, _PART = -3, -4, -5
_FPEN_EL1, _FPEN_ALL = 1, 3  # CPACR_EL1.FPEN: who may use FP and SIMD; 0 and 2: nobody
_BLOCKS_REMEMBERED = 100_000
_SCTLR, _CPACR, _CNTKCTL = (SYSTEM[name] for name in ("SCTLR_EL1", "CPACR_EL1", "CNTKCTL_EL1"))
_DBGBCR = (2, 0, 5)  # op0, CRn, op2; CRm is its number
_PMUSERENR = (3, 3, 9, 14, 0)
_ISR, _ISR_I = (3, 0, 12, 1, 0), 1 << 7
_ERET, _DAIFCLR, _DAIFCLR_MASK = 0xD69F_03E0, 0xD503_40FF, 0xFFFF_F0FF
_MDSCR = (2, 0, 0, 2, 2)
_STUB = 1 << IPA_BITS
_WFI = b"\x7f\x20\x03\xd5"
_CLREX_WFI = b"\x5f\x3f\x03\xd5" + _WFI
_CONTROLS_WFI = b"".join((0xD510_00A0 | n << 8 | n).to_bytes(4, "little") for n in range(BREAKPOINTS)) + _WFI


class PortableEngine(PortableTraps):
    """An engine on Unicorn's public API."""

    way = "portable"

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._running = False
        self._error: BaseException | None = None
        self._event: tuple[int, ...] | None = None
        self._fpen = 0
        self._is_prefix = False
        self._blocks: dict[int, tuple[int, int, int]] = {}  # by address: see _read_block
        self._returned, self._unmasked = True, False
        self._covered: set[tuple[int, int]] | None = None
        uc = self._uc
        for encoding, value in SETUP:
            uc.write_system(encoding, value)
        self._pristine = uc.new_context()
        self._contexts = [uc.new_context() for _ in range(self.vcpus)]
        self._replaced = [{r.encoding: r for r in row} for row in self._own_registers(uc.read_system)]
        for vcpu, row in enumerate(self._replaced):
            row[_ISR] = SystemRegister("ISR_EL1", _ISR, partial(self._interrupt_status, vcpu))
        self._stub = mmap.mmap(-1, PAGE)
        self._stub[: len(_CLREX_WFI + _CONTROLS_WFI)] = _CLREX_WFI + _CONTROLS_WFI
        stub = c_uint8.from_buffer(self._stub)
        self._exports: dict[int, object] = {_STUB: stub}  # what keeps mapped buffers alive
        uc.map(_STUB, PAGE, ctypes.addressof(stub))
        uc.hook(u.HOOK_BLOCK, u.BlockHook(self._on_block))
        uc.hook(u.HOOK_NEW_BLOCK, u.NewBlockHook(self._on_new_block))
        uc.hook(u.HOOK_INTR, u.InterruptHook(self._on_interrupt))
        uc.hook(u.HOOK_MEM_UNMAPPED | u.HOOK_MEM_PROT, u.MemoryHook(self._on_memory))
        uc.hook(u.HOOK_INSN, u.SystemHook(self._on_mrs), instruction=u.INSTRUCTION_MRS)
        uc.hook(u.HOOK_INSN, u.SystemHook(self._on_msr), instruction=u.INSTRUCTION_MSR)
        for vcpu in range(self.vcpus):
            self.reset(vcpu, 0)

    # ------------------------------------------------------------------ the bus

    def _map(self, region: Ram) -> None:
        export = self._exports[region.ipa] = c_uint8.from_buffer(region.memory)
        host = ctypes.addressof(export)
        self._uc.map(region.ipa, region.size, host, writable=region.writable, executable=region.executable)

    def _unmap(self, region: Ram, start: int, end: int) -> None:
        # Unicorn would copy the rest of a region of which it takes a part away, so the rest is mapped anew.
        self._uc.unmap(region.ipa, region.size)
        del self._exports[region.ipa]
        for ipa, stop in ((region.ipa, start), (end, region.ipa + region.size)):
            if ipa < stop:
                piece = region.memory[ipa - region.ipa : stop - region.ipa]
                rest = Ram(ipa, piece, region.writable, region.executable)
                self.ram.append(rest)
                self._map(rest)
        self._uc.forget_code()
        self._uc.flush_tlb()

    def _devices_changed(self) -> None:
        """Devices are looked up at each access."""

    def invalidate(self, ipa: int, size: int) -> None:
        """Forget all translated code: the public API finds code by virtual addresses only."""
        self._uc.forget_code()

    # ------------------------------------------------------------------ coverage

    def cover(self) -> None:
        """Note the blocks of code that a vCPU arrives at: those that `_read_block` does not remember."""
        self._covered = set()
        self._blocks.clear()

    def covered(self) -> tuple[list[tuple[int, int]], bool]:
        """The blocks that were arrived at since `cover`, and whether those are all."""
        found = self._covered or set()
        return [block for block in found if block[0] != _STUB], len(found) < MOST_BLOCKS

    def _arrived(self, address: int, size: int) -> None:
        if self._covered is not None and not address & 3 and len(self._covered) < MOST_BLOCKS:
            self._covered.add((address, size))

    # ------------------------------------------------------------------ hooks, called while the emulator runs

    def _on_block(self, _uc: int, address: int, size: int, _user: int) -> None:
        if self._is_prefix:
            return
        if self._unmasked and self._steps_on():
            self._halt_for(_STEP)
        elif self._irq[self._resident] and not self._uc.read(u.REG_PSTATE) & _PSTATE_I:
            self._halt_for(_INTERRUPT)
        elif self._looks:
            self._on_debugged_block(address, size)
        elif self._budget <= 0:
            self._arrived(address, size)
            self._halt_for(_OUT_OF_BUDGET)
        elif address & 3 or (self._returned and self._uc.read(u.REG_PSTATE) & _PSTATE_IL):
            self._arrived(address, size)
            self._block_end = 0  # Unicorn knows neither: PC alignment, illegal execution state
            self._halt_for((UNDEFINED,))
        else:
            self._charge_block(address, size)

    def _charge_block(self, address: int, size: int, part: int | None = None) -> bool:
        """Charge a block, or so many bytes of it; whether no instruction in it traps at once."""
        charged = size if part is None else part
        self._budget -= charged >> 2
        self._block_end, self._block_size = address + charged, charged
        known = self._blocks.get(address)
        if known is None or known[0] != size:
            known = self._read_block(address, size)
            self._arrived(address, size)
        _, index, last = known
        self._returned, self._unmasked = last == _ERET, last & _DAIFCLR_MASK == _DAIFCLR
        if 0 <= 4 * index < charged and self._traps_floating_point():
            self._halt_for((_FLOATING_POINT, address, size, index))
            return False
        return True

    def _steps_on(self) -> bool:
        """Behind MSR DAIFClr, which the emulator does not take for a reason to step from here on: whether it does."""
        self._unmasked = False
        if not self._uc.read_system(_MDSCR) & 1:
            return False
        self._derive_anew()
        return True

    def _on_debugged_block(self, address: int, size: int) -> None:
        most, is_rest = self._enter_block(address, max(size >> 2, 1))
        if not most:
            self._halt_for(_OUT_OF_BUDGET)
        elif not is_rest and (address & 3 or (self._returned and self._uc.read(u.REG_PSTATE) & _PSTATE_IL)):
            self._block_end = 0
            self._halt_for((UNDEFINED,))
        elif self._charge_block(address, size, min(4 * most, size)) and 4 * most < size:
            self._returned = False
            self._halt_for((_PART, address, size, most))

    def _on_new_block(self, _uc: int, block: ctypes._Pointer[u.Block], _previous: int, _user: int) -> None:
        self._blocks.pop(block.contents.pc, None)

    def _read_block(self, address: int, size: int) -> tuple[int, int, int]:
        """Remember of a block: its size, where its first FP instruction is (-1: nowhere), its last instruction."""
        code = self._uc.code(address, max(size, 4))  # a pending software step is a block of no instruction
        instructions = [int.from_bytes(code[offset : offset + 4], "little") for offset in range(0, len(code), 4)]
        index = next((n for n, instruction in enumerate(instructions) if is_floating_point(instruction)), -1)
        if len(self._blocks) >= _BLOCKS_REMEMBERED:
            self._blocks.clear()
        found = self._blocks[address] = size, index, instructions[-1]
        return found

    def _traps_floating_point(self) -> bool:
        """Unicorn never traps FP and SIMD instructions, so we stop in front of them."""
        if self._fpen == _FPEN_EL1:
            return not self._uc.read(u.REG_PSTATE) & 0xC
        return self._fpen != _FPEN_ALL

    def _floating_point(self, address: int, size: int, index: int) -> None:
        """Run what of a block is in front of an FP instruction, then let that trap."""
        if self._read_block(address, size)[1] != index:  # the address holds other code by now: look again
            self._settle(address)
            return
        if not index or self._run_prefix(address, size, index):
            self._exception(self._resident, UNDEFINED)

    def _run_prefix(self, address: int, size: int, count: int) -> bool:
        """Run the first `count` instructions of a block; False when one of them trapped, which is answered then."""
        uc, target = self._uc, address + 4 * count
        self._event = None
        self._is_prefix = True
        uc.stop_in_front_of(target, address, address + size)
        uc.start(address)
        uc.stop_in_front_of(None, address, address + size)
        self._is_prefix = False
        if self._event is not None:
            self._answer(self._resident, self._event)
            return False
        return True

    def _on_interrupt(self, _uc: int, number: int, _user: int) -> None:
        self._halt_for((number,))

    def _on_memory(self, _uc: int, kind: int, ipa: int, size: int, _value: int, _user: int) -> bool:
        self._event = (_MEMORY, kind, ipa, size)
        return False

    def _on_mrs(self, _uc: int, number: int, access: ctypes._Pointer[u.CpReg], _user: int) -> int:
        register = self._replacement(access)
        if register is None or register.read is None:
            return 0
        rest = self._give_back()
        value = register.read()
        self._budget -= rest
        if number != u.REG_XZR:
            self._uc.write(number, unsigned(value, "a system register's value"))
        return 1

    def _on_msr(self, _uc: int, _number: int, access: ctypes._Pointer[u.CpReg], _user: int) -> int:
        register = self._replacement(access)
        if register is None:
            cp = access.contents
            if (cp.op0, cp.op1, cp.crn, cp.crm, cp.op2) == _CPACR:
                self._fpen = cp.value >> 20 & 3
            elif (cp.op0, cp.crn, cp.op2) == _DBGBCR and cp.value & 1:
                self._has_breakpoints = True
            return 0
        if register.write is not None:
            rest = self._give_back()
            register_written(register.write(access.contents.value))
            self._budget -= rest
        return 1

    def _replacement(self, access: ctypes._Pointer[u.CpReg]) -> SystemRegister | None:
        """The register that stands in the place of the emulator's own, if this vCPU may access it now."""
        cp = access.contents
        encoding = (cp.op0, cp.op1, cp.crn, cp.crm, cp.op2)
        register = self._replaced[self._resident].get(encoding)
        if register is not None and not self._uc.read(u.REG_PSTATE) & 0xC:
            cntkctl, pmuserenr = self._uc.read_system(_CNTKCTL), self._uc.read_system(_PMUSERENR)
            return register if may_access_at_el0(encoding, cntkctl, pmuserenr) else None
        return register

    def _interrupt_status(self, vcpu: int) -> int:
        """ISR_EL1; the emulator does not know of our interrupts."""
        return _ISR_I if self._irq[vcpu] else 0

    def _halt_for(self, event: tuple[int, ...]) -> None:
        self._event = event
        self._uc.stop()

    def _on_unraisable(self, unraisable: sys.UnraisableHookArgs) -> None:
        """A hook raised (Ctrl-C may come in any of them): ctypes cannot pass that on, so it comes here."""
        if unraisable.exc_value is not None:
            self._fail(unraisable.exc_value)
            self._uc.stop()

    # ------------------------------------------------------------------ running

    def run(self, vcpu: int, budget: int) -> Stop:
        """Run a vCPU for about `budget` instructions."""
        if self._running:
            raise RuntimeError("run called from a callback of a run")
        if self._uc.handle.value is None:
            raise RuntimeError("run called on a closed engine")
        self._granted = self._budget = budget
        self._stop = Stop.BUDGET
        self._halt = Halt(0)
        owed = self._rests[vcpu][1]
        self._looks = self._wanted is not None or owed > 0
        if budget <= 0 and not owed:
            return Stop.BUDGET
        self._load(vcpu)
        if vcpu != self._last:
            self._clear_monitor()
            self._last = vcpu
        self._block_end = 0
        self._returned = True
        self._running = True
        previous, sys.unraisablehook = sys.unraisablehook, self._on_unraisable
        try:
            waits = self._run(vcpu)
        except BaseException as error:  # the first one wins, and is raised below
            self._fail(error)
            waits = False
        finally:
            sys.unraisablehook = previous
            self._running = False
        first, self._error = self._error, None
        if first is not None:
            raise first
        if self._halt:
            return Stop.HALTED
        if waits and self._stop is Stop.BUDGET:
            return Stop.WFI
        if self._stop is Stop.EXCEPTION_LOOP:
            self.loop = ExceptionLoop(*self._first)
        return self._stop

    def _run(self, vcpu: int) -> bool:
        """Run until the budget is spent or, which is True, the vCPU waits."""
        uc = self._uc
        while True:
            self._load(vcpu)
            if self._irq[vcpu] and not uc.read(u.REG_PSTATE) & _PSTATE_I:
                enter_exception(uc, uc.read(u.REG_PC), None, has_pan=self._has_pan)
            if self._halt or (self._budget <= 0 and not self._rests[vcpu][1]):
                return False
            self._event = None
            self._fpen = uc.read_system(_CPACR) >> 20 & 3
            error = uc.start(uc.read(u.REG_PC))
            event = self._event
            if event is not None:
                self._answer(vcpu, event)
            else:
                assert error == 0, f"the emulator stopped with error {error} at 0x{uc.read(u.REG_PC):x}"
                if not self._irq[vcpu] and self._error is None:
                    return True  # WFI

    def _answer(self, vcpu: int, event: tuple[int, ...]) -> None:
        """Do what the hook that stopped the emulator asked for; `_run` looks for interrupts and the budget itself."""
        kind, *details = event
        if kind == _MEMORY:
            self._memory(vcpu, *details)
        elif kind == _FLOATING_POINT:
            self._floating_point(*details)
        elif kind == _PART:
            self._run_prefix(*details)
        elif kind >= 0:
            self._exception(vcpu, kind)

    def _clear_monitor(self) -> None:
        """Another vCPU ran, so the exclusive monitor is clear."""
        self._execute(_STUB)

    def _write_controls(self, controls: tuple[int, ...]) -> None:
        uc = self._uc
        before = [uc.read(number) for number in u.X_REGISTERS[: len(controls)]]
        for values, at in ((controls, _STUB + len(_CLREX_WFI)), (before, None)):
            for number, value in zip(u.X_REGISTERS, values, strict=False):
                uc.write(number, value)
            if at is not None:
                self._execute(at)

    def _execute(self, stub: int) -> None:
        """Let the emulator execute instructions of ours, up to a WFI, with the MMU off."""
        uc = self._uc
        pc, pstate, sctlr = uc.read(u.REG_PC), uc.read(u.REG_PSTATE), uc.read_system(_SCTLR)
        budget, self._budget = self._budget, 1 << 40
        irq, self._irq[self._resident] = self._irq[self._resident], False
        for state, control, start in ((PSTATE_EL1H_MASKED, sctlr & ~_SCTLR_M, stub), (pstate, sctlr, None)):
            uc.write(u.REG_PSTATE, state)
            uc.write_system(_SCTLR, control)
            uc.flush_tlb()
            if start is not None:
                uc.start(start)
        uc.write(u.REG_PC, pc)
        self._budget = budget
        self._irq[self._resident] = irq

    @property
    def _pristine_cpu(self) -> bytes:
        return string_at(self._pristine, self._uc.context_size)

    def set_irq(self, vcpu: int, level: bool) -> None:
        """Set a vCPU's IRQ line."""
        self._irq[vcpu] = bool(level)

    def _host(self, region: Ram) -> int:
        """Where the region is in our own memory."""
        export = self._exports[region.ipa]
        assert isinstance(export, c_uint8)
        return ctypes.addressof(export)

    def _fail(self, error: BaseException) -> None:
        if self._error is None:
            self._error = error
        self._end(Stop.REQUESTED)

    def _give_back(self) -> int:
        rest = self._rest(self._uc.read(u.REG_PC) + 4) if self._block_end else 0
        self._budget += rest
        return rest

    # ------------------------------------------------------------------ vCPUs

    def _fetch(self, pc: int) -> int | None:
        return self._uc.fetch(pc)

    def reset(self, vcpu: int, pc: int, x0: int = 0, mpidr: int | None = None) -> None:
        """The entry state of PSCI CPU_ON."""
        self._rests[vcpu] = (0, 0)
        self._load(vcpu)
        self._swap_controls(vcpu)
        self._uc.restore(self._pristine)
        registers = self._views[vcpu]
        registers.pstate = PSTATE_EL1H_MASKED
        self._uc.write_system(VMPIDR_EL2, 1 << 31 | vcpu if mpidr is None else mpidr)
        registers.pc = pc
        registers.x[0] = x0
        self.timers[vcpu].reset()

    def registers(self, vcpu: int) -> Registers:
        """A vCPU's registers."""
        return self._views[vcpu]

    @property
    def is_closed(self) -> bool:
        """Whether it was freed."""
        return self._uc.handle.value is None

    def close(self) -> None:
        """Free the emulator."""
        if self._uc.handle.value is None:
            return
        for context in (*self._contexts, self._pristine):
            self._uc.free_context(context)
        self._uc.close()
        self._exports.clear()
