"""The fast way: Unicorn's private parts and the C accelerator.

The vCPUs of a VM share one emulator, and with it translated code and the TLB; a vCPU that does not run is a copy of the
emulator's CPU state (12.6 KiB).  RAM is reached through stage 2 tables, so a device access, an address where nothing is
and the first fetch from a page are faults that the accelerator sees with a full syndrome.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from ctypes import c_uint8
from typing import cast

from gunyah_emu.cpu import _accelerator
from gunyah_emu.cpu.counting import let_blocks_count
from gunyah_emu.cpu.debugging import NEVER_HALT, NOWHERE, Halt, Wanted, Watched
from gunyah_emu.cpu.door import OFFSETS, OPERATIONS, Door, open_door, register_key
from gunyah_emu.cpu.el2 import SETUP, stage2_setup
from gunyah_emu.cpu.engine import Engine
from gunyah_emu.cpu.exceptions import SYNC_EXTERNAL, ExceptionLoop
from gunyah_emu.cpu.fast_registers import FastRegisters, general_registers
from gunyah_emu.cpu.libunicorn import HOOK_FETCH_PROT, HOOK_INTR, Encoding, Unicorn
from gunyah_emu.cpu.registers import PSTATE_EL1H_MASKED, SYSTEM, Registers
from gunyah_emu.cpu.seam import PAGE, STOPS, Ram, Setup, Stop
from gunyah_emu.cpu.stage2 import TABLES, Stage2
from gunyah_emu.cpu.sysreg import encoding_name, trap_key
from gunyah_emu.cpu.timer import COUNTERS
from gunyah_emu.cpu.walking import let_us_walk

IC_IVAU: Encoding = (1, 3, 7, 5, 1)
CACHE_MAINTENANCE: tuple[Encoding, ...] = (IC_IVAU, (1, 0, 7, 5, 0), (1, 0, 7, 1, 0))
"""IC IVAU, IC IALLU, IC IALLUIS."""

RAM_WINDOWS = TABLES + (1 << 32)
"""Where RAM lies in the emulator's physical memory: behind the tables, up to twice their address."""

_EXCEPTION_LOOP = Stop.EXCEPTION_LOOP  # at hand: to look it up is a call

_Saved = tuple[int, bytes, list[tuple[int, int]], int, tuple[bytes, ...]]

_fields: dict[str, int] = {}  # where the CPU state keeps each system register; found with the first engine
_configured: Door | None = None


def open_accelerator() -> Door:
    """The door, with the accelerator told what it leads to; once per process."""
    global _configured
    if _configured is None:
        door = open_door()
        _accelerator.configure(OFFSETS, door.functions, OPERATIONS, TABLES)
        door.replace("fp_exception_el", _accelerator.FLOATING_POINT_TARGET_EL)
        let_blocks_count(door)
        let_us_walk(door)
        _configured = door
    return _configured


class _Window:
    """Host memory that the emulator can see at a physical address of our choice."""

    __slots__ = ("export", "host", "physical", "size")

    def __init__(self, export: c_uint8, host: int, physical: int, size: int) -> None:
        self.export = export
        self.host = host
        self.physical = physical
        self.size = size


class FastEngine(Engine):
    """An engine on Unicorn's private parts."""

    way = "fast"

    def __init__(self, setup: Setup) -> None:
        self._door = open_accelerator()
        super().__init__(setup)
        self._uc = uc = Unicorn(setup.cpu_model)
        self._stage2 = Stage2()
        self._windows: list[_Window] = []
        self._next_physical = RAM_WINDOWS
        uc.map(TABLES, self._stage2.size, self._stage2.host_address(), executable=False)
        for encoding, value in SETUP + stage2_setup(TABLES):
            uc.write_system(encoding, value)
        live = memoryview((c_uint8 * OFFSETS["env_size"]).from_address(self._door.env(uc))).cast("B")
        self._pristine = bytes(live)
        self._contexts = [bytearray(self._pristine) for _ in range(setup.vcpus)]
        self.core = core = _accelerator.Core(
            uc.handle.value, self._contexts, self._on_call, self._on_undefined, self._on_fetch_fault, self._on_unmapped
        )
        core.stage2 = self._stage2.host_address()
        uc.hook(HOOK_INTR, _accelerator.ON_INTERRUPT, id(core))
        # Never called, as all RAM may be fetched from.  But for a block at an address that a memory hook watches,
        # Unicorn leaves out a walk through the whole TLB that serves guests without cache maintenance.  Physical
        # addresses of RAM must not be watched: every store there would take the slow path.
        for begin, end in ((0, TABLES - 1), (2 * TABLES, (1 << 64) - 1)):
            uc.hook(HOOK_FETCH_PROT, _accelerator.NOTHING, begin=begin, end=end)
        if not _fields:
            _fields.update((name, self._door.field(uc, encoding) or 0) for name, encoding in SYSTEM.items())
        self._views = [
            FastRegisters(uc, core, _fields, live, memoryview(context), vcpu)
            for vcpu, context in enumerate(self._contexts)
        ]
        self._watched: dict[int, int] = {}  # IPAs of pages to what stage 2 said of them
        self._live_x = general_registers(live)
        self._live_sctlr = live[(offset := _fields["SCTLR_EL1"]) : offset + 8].cast("Q")
        self._define_registers()
        if (calls := setup.calls) is not None:
            cleared = sum(1 << number for number in calls.cleared)
            link = -1 if calls.link is None else calls.link
            core.set_calls(calls.calls, calls.argument_counts, setup.callers, calls.base, calls.results, cleared, link)
        # The hot ones go to the accelerator without a step between.
        vars(self).update(set_irq=core.set_irq, request_stop=core.request_stop, shorten=core.shorten)
        for vcpu in range(setup.vcpus):
            self.reset(vcpu, 0)

    def _define_registers(self) -> None:
        door, uc, core = self._door, self._uc, self.core
        own, declared = self._own_registers(uc.read_system), self._declared_registers()
        self._rows = rows = [[*mine, *theirs] for mine, theirs in zip(own, declared, strict=True)]
        trapped = {trap_key(r.encoding): slot for slot, r in enumerate(declared[0], len(own[0]))}
        core.set_registers(
            [tuple(r.read for r in row) for row in rows], [tuple(r.write for r in row) for row in rows], trapped
        )
        counters = {encoding for _, encoding in COUNTERS}
        for slot, register in enumerate(rows[0]):
            encoding = register.encoding
            if slot < len(own[0]):
                has = core.replace(register_key(encoding), -1 if encoding in counters else slot)
                assert has, f"the emulator has no {register} to replace"
            else:
                assert door.find_register(uc, encoding) is None, f"the emulator has {register}: it cannot trap"
                door.define_trap(uc, encoding, register.name, _accelerator.TRAP_TO_EL2, el0=register.el0)
        for encoding in CACHE_MAINTENANCE:
            has = core.obey(register_key(encoding), encoding == IC_IVAU)
            assert has, f"the emulator has no {encoding_name(encoding)} to obey"

    # ------------------------------------------------------------------ the bus

    def _map(self, region: Ram) -> None:
        region.host = host = _host_address(region.memory)[1]
        window = self._window(region.memory, host)
        physical = window.physical + host - window.host
        self._stage2.map(region.ipa, physical, region.size, writable=region.writable, executable=region.executable)

    def _window(self, memory: memoryview, host: int) -> _Window:
        """Where the emulator sees this memory.

        The whole buffer that the memory is a part of gets one window, so that a guest that maps and unmaps pieces of it
        for ever costs nothing.
        """
        for window in self._windows:
            if window.host <= host and host + len(memory) <= window.host + window.size:
                return window
        whole = memoryview(memory.obj).cast("B")
        export, base = _host_address(whole)
        base += (host - base) % PAGE  # pages as the guest will see them
        size = (ctypes.addressof(export) + len(whole) - base) // PAGE * PAGE
        window = _Window(export, base, self._next_physical, size)
        self._next_physical += size
        assert self._next_physical <= 2 * TABLES
        self._uc.map(window.physical, size, base)
        self._windows.append(window)
        self.core.add_window(base, size, window.physical, self._door.ram_number(self._uc, base))
        return window

    def _unmap(self, region: Ram, start: int, end: int) -> None:
        for ipa, stop in ((region.ipa, start), (end, region.ipa + region.size)):
            if ipa < stop:
                piece = region.memory[ipa - region.ipa : stop - region.ipa]
                rest = Ram(ipa, piece, region.writable, region.executable)
                rest.host = region.host + ipa - region.ipa
                self.ram.append(rest)
        self._stage2.unmap(start, end - start)
        self.core.flush()

    def _devices_changed(self) -> None:
        self.core.set_devices([(ipa, size, d.read, d.write) for ipa, size, d in self.devices])

    def invalidate(self, ipa: int, size: int) -> None:
        """Forget what was translated from a range."""
        for region in self._overlapping(ipa, size):
            start, stop = max(ipa, region.ipa), min(ipa + size, region.ipa + region.size)
            self.core.invalidate(region.host + start - region.ipa, stop - start)

    # ------------------------------------------------------------------ coverage

    def cover(self) -> None:
        """Note the blocks of code that a vCPU arrives at: those that are translated, once what was is forgotten."""
        self._uc.forget_code()
        self.core.cover()

    def covered(self) -> tuple[list[tuple[int, int]], bool]:
        """The blocks that were arrived at since `cover`, and whether those are all."""
        return self.core.covered()

    # ------------------------------------------------------------------ running

    def run(self, vcpu: int, budget: int) -> Stop:
        """Run a vCPU for about `budget` instructions."""
        stop = STOPS[self.core.run(vcpu, budget)]
        if stop is _EXCEPTION_LOOP:
            _, esr, elr, far = self.core.first_exception
            self.loop = ExceptionLoop(esr, elr, far)
        return stop

    @property
    def retired(self) -> int:
        """Instructions charged by the last run, or by this one so far."""
        return self.core.retired

    def now(self) -> int:
        """Virtual time in instructions."""
        return self.core.now

    def set_clock(self, base: int) -> None:
        """Instructions before the next run."""
        self.core.base = base

    def request_stop(self) -> None:
        """Stop at the next block."""
        self.core.request_stop()

    def shorten(self, budget: int) -> None:
        """Leave at most this much budget."""
        self.core.shorten(budget)

    def set_irq(self, vcpu: int, level: bool) -> None:
        """Set a vCPU's IRQ line."""
        self.core.set_irq(vcpu, level)

    def complete(self, vcpu: int, results: int | tuple[int, ...]) -> None:
        """Write the results of a hypercall whose entry returned None."""
        self.core.complete(vcpu, results)

    def reset(self, vcpu: int, pc: int, x0: int = 0, mpidr: int | None = None) -> None:
        """The entry state of PSCI CPU_ON."""
        registers = self._views[vcpu]
        self.core.forget_rest(vcpu)
        registers.load(self._pristine)
        registers.pstate = PSTATE_EL1H_MASKED
        registers["VMPIDR_EL2"] = 1 << 31 | vcpu if mpidr is None else mpidr
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
        if self._uc.handle.value is not None:
            self.core.close()
            for registers in self._views:
                registers.detach()
            self._uc.close()
            self._windows.clear()

    def translate(self, vcpu: int, va: int, write: bool = False, el: int | None = None) -> int | None:
        """As `Engine.translate`, without a walk while the MMU is off: every buffer of a hypercall comes here."""
        if vcpu == self.core.current and not self._live_sctlr[0] & 1:
            return va
        return super().translate(vcpu, va, write, el)

    # ------------------------------------------------------------------ debugging

    def debug(self, wanted: Wanted | None) -> None:
        """Have runs halt where a debugger wants it; None: no longer."""
        self._watch(() if wanted is None else wanted.watched)
        if wanted is None:
            self.core.debug(False, (), None)
            self.core.halt_after, self.core.pass_once = NEVER_HALT, NOWHERE
        else:
            self.core.debug(True, tuple(sorted(wanted.breakpoints)), self._catcher(wanted))

    @staticmethod
    def _catcher(wanted: Wanted) -> Callable[[int, int, int], bool] | None:
        catch = wanted.catch
        if catch is None:
            return None
        return lambda vcpu, is_smc, immediate: catch(vcpu, "smc" if is_smc else "hvc", immediate)

    def _watch(self, places: tuple[Watched, ...]) -> None:
        """Take from the guest what it may do to pages, so that it traps; give back what was taken before."""
        if not places and not self._watched:
            return
        pages: dict[int, bool] = {}
        for place in places:
            page = place.ipa & -PAGE
            pages[page] = pages.get(page, False) or place.reads
        for ipa, before in self._watched.items():
            self._stage2.permit(ipa, before)
        self._watched = {ipa: self._stage2.forbid(ipa, reads=reads) for ipa, reads in pages.items() if self.ram_at(ipa)}
        self.core.flush()

    @property
    def halt(self) -> Halt:
        """Why the last run halted."""
        return Halt(self.core.halt)

    @property
    def left(self) -> int:
        """What the last run left of its budget."""
        return self.core.left

    def halt_after(self, count: int) -> None:
        """Halt when a run has retired so many instructions."""
        self.core.halt_after = count

    def pass_once(self, address: int) -> None:
        """Nothing halts at the first instruction of the next run."""
        self.core.pass_once = address

    @property
    def walked(self) -> tuple[object, ...]:
        """The registers that are answered outside the emulator have a state, too."""
        return *super().walked, self._rows

    @property
    def _pristine_cpu(self) -> bytes:
        return self._pristine

    def _save_cpus(self) -> tuple[object, ...]:
        """The state of every vCPU."""
        core = self.core
        core.store()
        return (core.current, core.lines, core.rests, core.base, tuple(bytes(context) for context in self._contexts))

    def _load_cpus(self, saved: object) -> None:
        """Bring back a state of this engine's."""
        current, lines, rests, base, contexts = cast("_Saved", saved)
        for context, bytes_of_it in zip(self._contexts, contexts, strict=True):
            context[:] = bytes_of_it
        self.core.reload(current, lines)
        self.core.rests, self.core.base = rests, base

    # ------------------------------------------------------------------ what the accelerator asks

    def _on_call(self, vcpu: int, is_smc: int, immediate: int) -> None:
        self.handler.on_call(vcpu, "smc" if is_smc else "hvc", immediate, self._live_x)

    def _fetch(self, pc: int) -> int | None:
        return self._uc.fetch(pc)

    def _on_undefined(self, vcpu: int) -> bool:
        registers = self._views[vcpu]
        return self._answer_undefined(vcpu, registers.pc, registers.pstate >> 2 & 3, self._live_x)

    def _on_fetch_fault(self, vcpu: int, ipa: int, va: int, iss: int) -> int:
        """Stage 2 refused a fetch: 0 when the page is executable now, else the fault status for the guest."""
        if iss & _S1PTW:
            return self._walk_status(vcpu, va, is_fetch=True)
        physical = self._stage2.fetched(ipa)
        if physical is not None:
            window = next(w for w in self._windows if w.physical <= physical < w.physical + w.size)
            self.core.note_code(window.host + physical - window.physical)
            return 0
        self.handler.on_unmapped(vcpu, ipa, "fetch", va)
        return SYNC_EXTERNAL

    def _on_unmapped(self, vcpu: int, ipa: int, va: int, iss: int, is_device: int) -> int:
        """A data access that nothing answered: the fault status for the guest; 0: it is made again; 1: done."""
        if ipa & -PAGE in self._watched:
            self.core.halt_at_access()
            return 0
        if iss & _S1PTW:
            return self._walk_status(vcpu, va, is_fetch=False)
        if is_device:
            return _DONE if iss & _WNR and self._stored_pair(ipa, self._views[vcpu].pc, self._live_x) else SYNC_EXTERNAL
        kind = "write" if iss & _WNR else "read"
        return 0 if self.handler.on_unmapped(vcpu, ipa, kind, self._views[vcpu].pc) else SYNC_EXTERNAL

    def _walk_status(self, vcpu: int, va: int, *, is_fetch: bool) -> int:
        """A table of the guest's stage 1 is where nothing is: which level's."""
        from gunyah_emu.cpu.walk import DATA_READ, FETCH, Fault, walk

        registers = self._views[vcpu]
        found = walk(registers, self.read_word, va, FETCH if is_fetch else DATA_READ, registers.pstate >> 2 & 3)
        return found.status if isinstance(found, Fault) else SYNC_EXTERNAL


_S1PTW, _WNR = 1 << 7, 1 << 6
_DONE = 1  # no fault status: go on behind the access


def _host_address(memory: memoryview) -> tuple[c_uint8, int]:
    """A ctypes export of the buffer, which keeps it alive, and its address."""
    export = c_uint8.from_buffer(memory)
    return export, ctypes.addressof(export)
