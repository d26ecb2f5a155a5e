"""What the portable way does at each exception: the same as the accelerator, in Python.

`PortableEngine` adds the emulator's hooks and the run loop to it.
"""

from __future__ import annotations

from collections.abc import MutableSequence

from gunyah_emu.cpu import exceptions as e
from gunyah_emu.cpu import libunicorn as u
from gunyah_emu.cpu.portable_debug import PortableDebug
from gunyah_emu.cpu.registers import SYSTEM, Registers
from gunyah_emu.cpu.results import hypercall_results, register_written, unsigned
from gunyah_emu.cpu.seam import PAGE, Stop
from gunyah_emu.cpu.syndrome import (
    DEBUG_EXCEPTION,
    data_abort,
    data_access,
    enter_exception,
    instruction_abort,
    is_breakpoint,
    software_step,
    undefined,
)
from gunyah_emu.cpu.sysreg import SystemRegister, decode_system_access
from gunyah_emu.cpu.walk import DATA_READ, Fault, walk

_PSTATE_BTYPE = 3 << 10
_MEM_WRITES, _MEM_FETCHES = (20, 22), (21, 24)  # UC_MEM_WRITE_UNMAPPED, _PROT; UC_MEM_FETCH_UNMAPPED, _PROT
_MDSCR = (2, 0, 0, 2, 2)
_SCTLR, _CPACR = SYSTEM["SCTLR_EL1"], SYSTEM["CPACR_EL1"]
_MASK64 = (1 << 64) - 1


class PortableTraps(PortableDebug):
    """The answers to what traps; handlers run while the emulator stands still."""

    # ------------------------------------------------------------------ exceptions

    def _exception(self, vcpu: int, number: int) -> None:
        uc = self._uc
        pc = uc.read(u.REG_PC)
        el = uc.read(u.REG_PSTATE) >> 2 & 3
        registers = self._views[vcpu]
        if self._looks and number != e.INSTRUCTION_ABORT:
            self._cut_block(pc)
        if number in (e.HVC, e.SMC):
            self._settle(pc)
            immediate = self._immediate(pc - 4)
            if not self._halts_at_call(vcpu, number == e.SMC, immediate, pc - 4):
                self._call(vcpu, number, immediate)
        elif number == e.UNDEFINED or pc & 3:
            stepped = self._software_step(pc)
            self._settle(pc + 4)
            if stepped is None:
                self._undefined(vcpu, pc, el)
            elif not stepped:
                self._derive_anew()
            else:
                self._deliver(pc, stepped)
        elif number == e.SVC:
            self._settle(pc)
            self._deliver(pc, e.EC_SVC << 26 | e.IL | self._immediate(pc - 4))
        elif number == e.BREAKPOINT:
            self._settle(pc + 4)
            self._deliver(pc, e.EC_BRK << 26 | e.IL | self._immediate(pc))
        elif number == e.DATA_ABORT:
            self._settle(pc + 4)
            access = data_access(uc.fetch(pc), registers, pc)
            self._deliver(pc, *data_abort(access, registers, self.read_word, el))
        else:
            assert number == e.INSTRUCTION_ABORT, f"an exception that we do not know, {number}, at 0x{pc:x}"
            esr, far = instruction_abort(registers, self.read_word, pc, el), pc
            if self._has_breakpoints and esr & e.STATUS == e.SYNC_EXTERNAL and is_breakpoint(uc, pc):
                if self._looks:
                    self._cut_block(pc)
                self._settle(pc)
                esr, far = e.EC_HARDWARE_BREAKPOINT + (1 if el else 0) << 26 | e.IL | DEBUG_EXCEPTION, 0
            else:
                self._block_end = 0
                self._settle(0)
            self._deliver(pc, esr, far)

    def _immediate(self, pc: int) -> int:
        instruction = self._uc.fetch(pc)
        assert instruction is not None, f"no instruction at 0x{pc:x}, which has just been executed"
        return instruction >> 5 & 0xFFFF

    def _deliver(self, pc: int, esr: int, far: int | None = None) -> None:
        """Let the guest take an exception; notice when its vector faults into itself."""
        vector = enter_exception(self._uc, pc, esr, far, has_pan=self._has_pan)
        described = (esr, pc, far or 0)
        if pc != vector:
            self._first, self._first_vector, self._first_retired = described, vector, self.retired
        else:
            if self._first_vector != pc or self.retired - self._first_retired > 2:
                self._first = described
            self._end(Stop.EXCEPTION_LOOP)

    def _software_step(self, pc: int) -> int | None:
        uc = self._uc
        mdscr = uc.read_system(_MDSCR)
        if not mdscr & 1:
            return None
        has_run = self._block_size > 0
        return software_step(uc.read(u.REG_PSTATE), mdscr, uc.fetch(self._block_end - 4) if has_run else None)

    def _undefined(self, vcpu: int, pc: int, el: int) -> None:
        uc, registers = self._uc, self._views[vcpu]
        instruction = uc.fetch(pc) if not pc & 3 else None
        access = None if instruction is None else decode_system_access(instruction)
        register = None if access is None else self._trapped[vcpu].get(access[0])
        if access is not None and register is not None and (el or register.el0):
            if self._trapped_access(register, access[1], access[2], registers):
                self._step_over(pc)
            else:
                self._deliver(pc, e.IL)
            return
        state = uc.read(u.REG_PSTATE)
        esr = undefined(instruction, pc, state, uc.read_system(_SCTLR), uc.read_system(_CPACR))
        if esr == e.IL and self._answer_undefined(vcpu, pc, el, registers.x):
            self._load(vcpu)
            self._step_over(pc)
        else:
            self._load(vcpu)
            self._deliver(pc, esr, pc if esr >> 26 == e.EC_PC_ALIGNMENT else None)

    def _trapped_access(self, register: SystemRegister, is_read: bool, target: int, registers: Registers) -> bool:
        """Perform an access to a register that the emulator lacks; False: UNDEFINED."""
        if is_read:
            value = None if register.read is None else register.read()
            if value is None:
                return False
            checked = unsigned(value, "a system register's value")
            if target != 31:
                registers.x[target] = checked
            return True
        return register.write is not None and register_written(
            register.write(0 if target == 31 else registers.x[target])
        )

    def _step_over(self, pc: int) -> None:
        uc = self._uc
        uc.write(u.REG_PC, pc + 4)
        pstate = uc.read(u.REG_PSTATE)
        if pstate & _PSTATE_BTYPE:
            uc.write(u.REG_PSTATE, pstate & ~_PSTATE_BTYPE)

    # ------------------------------------------------------------------ hypercalls

    def _call(self, vcpu: int, number: int, immediate: int) -> None:
        table, x = self.calls, self._views[vcpu].x
        if number == e.HVC and table is not None and 0 <= (index := immediate - table.base) < len(table.calls):
            entry = table.calls[index]
            if entry is not None:
                results = entry(self.callers[vcpu], *x[: table.argument_counts[index]])
                if results is None:
                    self._end(Stop.REQUESTED)
                else:
                    self.complete(vcpu, results)
                return
        self.handler.on_call(vcpu, "smc" if number == e.SMC else "hvc", immediate, x)

    def complete(self, vcpu: int, results: int | tuple[int, ...]) -> None:
        """Write the results of a hypercall by the table's register convention."""
        table, registers = self.calls, self._views[vcpu]
        assert table is not None, "there are no hypercalls to complete"
        for number, value in enumerate(hypercall_results(results, table.results)):
            registers.x[number] = value
        for number in table.cleared:
            registers.x[number] = 0
        if table.link is not None:
            registers.x[table.link] = registers.pc

    # ------------------------------------------------------------------ devices, and what is not there

    def _memory(self, vcpu: int, kind: int, ipa: int, size: int) -> None:
        uc, registers = self._uc, self._views[vcpu]
        pc = uc.read(u.REG_PC)
        el = uc.read(u.REG_PSTATE) >> 2 & 3
        if kind in _MEM_FETCHES:
            self.handler.on_unmapped(vcpu, ipa, "fetch", pc)  # told before it is charged, as the fast way does
            self._block_end = 0
            self._settle(0)
            self._load(vcpu)
            self._deliver(pc, e.EC_INSTRUCTION_ABORT + (1 if el else 0) << 26 | e.IL | e.SYNC_EXTERNAL, pc)
            return
        if self._looks:
            self._cut_block(pc)
        self._settle(pc + 4)
        is_write = kind in _MEM_WRITES
        if self._is_guarded(pc, ipa, size, is_write=is_write):
            return
        access = data_access(uc.fetch(pc), registers, pc)
        place = next(((ipa - base, d) for base, length, d in self.devices if base <= ipa < base + length), None)
        if place is not None and access is not None and access.syndrome_valid:
            offset, device = place
            x, target = registers.x, access.target
            if is_write:
                value = 0 if target == 31 else x[target] & (1 << 8 * size) - 1
                done = device.write(offset, size, value) is not False
            else:
                done = self._device_read(device.read(offset, size), size, access.is_signed, access.is_64, target, x)
            self._load(vcpu)
            if done:
                self._step_over(pc)
                return
        elif place is not None and is_write and self._stored_pair(ipa, pc, registers.x):
            self._load(vcpu)
            self._step_over(pc)
            return
        elif place is None:
            appeared = self.handler.on_unmapped(vcpu, ipa, "write" if is_write else "read", pc)
            self._load(vcpu)
            if appeared:
                self._budget += 1  # it is charged when it is made again
                return
        far = self._faulting_address(registers, ipa, 0 if access is None else access.address, el)
        self._deliver(
            pc, e.EC_DATA_ABORT + (1 if el else 0) << 26 | e.IL | (e.WNR if is_write else 0) | e.SYNC_EXTERNAL, far
        )

    @staticmethod
    def _device_read(
        value: int | None, size: int, is_signed: bool, is_64: bool, target: int, x: MutableSequence[int]
    ) -> bool:
        if value is None:
            return False
        value = unsigned(value, "a device's value") & (1 << 8 * size) - 1
        if is_signed and value >> 8 * size - 1:
            value |= _MASK64 << 8 * size & _MASK64
        if target != 31:
            x[target] = value if is_64 else value & 0xFFFF_FFFF
        return True

    def _faulting_address(self, registers: Registers, ipa: int, address: int, el: int) -> int:
        """The virtual address of the byte at `ipa`: in the access's first page, or in the one behind it."""
        for candidate in (address, address + PAGE):
            found = walk(registers, self.read_word, candidate, DATA_READ, el)
            if not isinstance(found, Fault) and found // PAGE == ipa // PAGE:
                return candidate // PAGE * PAGE + ipa % PAGE
        return address
