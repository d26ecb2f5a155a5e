"""What the hypervisor asks of the machine, answered: address spaces get engines, threads get vCPUs, VICs get GICs.

VMs of a machine file and VMs that a root guest makes come through here alike.  An address space's engine is created
when the first thread in it is powered on; what was mapped until then is mapped at that moment, what changes later is
followed.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gunyah_emu.cpu import CallTable, open_engine
from gunyah_emu.gic import MODELS
from gunyah_emu.hypervisor.thread import BLOCK_OFF, REGISTER_SP_EL, REGISTER_X
from gunyah_emu.machine.exits import Exits
from gunyah_emu.machine.slot import Slot
from gunyah_emu.machine.traps import finish_access
from gunyah_emu.machine.vm import VCpu, VirtualMachine
from gunyah_emu.machine.wired_gic import WiredGic, controller_of

if TYPE_CHECKING:
    from gunyah_emu.cpu import Device, Engine, GenericTimer
    from gunyah_emu.gic.cpu_interface import CpuInterface
    from gunyah_emu.hypervisor.addrspace import Addrspace
    from gunyah_emu.hypervisor.thread import Thread
    from gunyah_emu.hypervisor.vdevice import Vdevice
    from gunyah_emu.hypervisor.vic import Vic
    from gunyah_emu.machine.clock import Clock
    from gunyah_emu.machine.machine import Machine

ACCESS_EXECUTE, ACCESS_WRITE, ACCESS_READ = 1, 2, 4


class MachinePlatform:
    """The machine, as the hypervisor sees it.

    Arguments:
        machine: the machine.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.by_addrspace: dict[Addrspace, VirtualMachine] = {}
        self.vcpus: dict[Thread, VCpu] = {}
        self._doomed: list[VirtualMachine] = []
        #: a state may come back in which a VM that has ended still runs
        self.keeps_engines = False
        self.nanoseconds = machine.clock.now
        self.entropy = machine.chooser.entropy

    # interrupt controllers

    def interrupt_controller(self, vic: Vic) -> WiredGic:
        """A GIC of the model that the machine chose for the VIC's VM."""
        model = MODELS[self.machine.gic_models.get(vic, self.machine.default_gic_model)]
        gic = WiredGic(self.machine, vic, model)
        if (tracing := self.machine.tracing) is not None:
            tracing.watch(gic)
        return gic

    # vCPUs

    def vcpu_started(self, thread: Thread, entry: int, context: int) -> None:
        """Create the engine and the vCPU when they are new; start at `entry`."""
        assert thread.addrspace is not None
        vm = self.vm_of(thread.addrspace)
        vcpu = self.vcpus.get(thread)
        if vcpu is None:
            vcpu = self._new_vcpu(vm, thread)
        vm.engine.reset(vcpu.index, pc=entry, x0=context, mpidr=thread.mpidr)
        _load_written_registers(vm, vcpu)
        if vcpu.gic is not None:
            vm.engine.set_irq(vcpu.index, vcpu.gic.cpu_interfaces[thread.vic_index].line)
        vcpu.on = True
        vcpu.waiting = vcpu.blocked = False
        if (tracing := self.machine.tracing) is not None:
            tracing.started(vcpu, entry, context)
        if not thread.blocks:
            self.machine.scheduler.ready.append(vcpu)

    def _new_vcpu(self, vm: VirtualMachine, thread: Thread) -> VCpu:
        index = self._slot(vm, thread)
        engine, scheduler, clock = vm.engine, self.machine.scheduler, self.machine.clock
        timer = engine.timers[index]
        gic = controller_of(thread.vic)
        vcpu = self.vcpus[thread] = VCpu(vm, index, thread, gic, timer)
        vm.slots[index].interface = gic.cpu_interfaces[thread.vic_index] if gic is not None else None
        vm.vcpus[index] = vcpu
        engine.callers[index] = thread
        thread.translate = partial(engine.translate, index)
        thread.completed = vcpu.complete
        if gic is not None:
            thread.pending_wakeup = gic.cpu_interfaces[thread.vic_index].signals

        timer.changed = scheduler.deadlines_changed
        scheduler.add_timer(vcpu, timer.deadline, partial(_expire, clock, engine, timer))
        if gic is not None:
            gic.lines[thread.vic_index] = vcpu
            timer.level = partial(gic.set_private_level, thread.vic_index)
        return vcpu

    @staticmethod
    def _slot(vm: VirtualMachine, thread: Thread) -> int:
        """A thread's place in its VM's engine: the one it was promised, else the first that is free."""
        if thread in vm.threads:
            return vm.threads.index(thread)
        return next(n for n in range(len(vm.threads), vm.vcpu_slots) if n not in vm.vcpus)

    def vcpu_stopped(self, thread: Thread) -> None:
        """The vCPU is off, it was killed, or from now on only a `vcpu_run` executes it."""
        vcpu = self.vcpus.get(thread)
        if vcpu is None:
            return
        if not thread.exited and not thread.blocks & BLOCK_OFF:
            self.machine.scheduler.remove(vcpu)
            return
        vcpu.vm.stop(vcpu)
        if (tracing := self.machine.tracing) is not None:
            tracing.stopped(vcpu)
        if thread.exited:
            self._forget(vcpu)

    def vcpu_faulted(self, vcpu: VCpu) -> None:
        """A vCPU of a VM that a guest made did what it cannot go on from; only a kill comes after that."""
        vcpu.thread.fault()
        vcpu.vm.stop(vcpu)
        self._forget(vcpu)

    def _forget(self, vcpu: VCpu) -> None:
        """The vCPU never executes again: its place is free for another thread, the last one's engine for nobody."""
        vm, thread = vcpu.vm, vcpu.thread
        thread.translate = thread.completed = thread.pending_wakeup = None
        if (gic := controller_of(thread.vic)) is not None:
            gic.lines[thread.vic_index] = None
        vcpu.timer.level = vcpu.timer.changed = None
        self.machine.scheduler.remove_timer(vcpu)
        vm.slots[vcpu.index].interface = None
        vm.engine.callers[vcpu.index] = None
        del vm.vcpus[vcpu.index], self.vcpus[thread]
        assert thread.addrspace is not None
        if not vm.vcpus and not vm.configured:
            self.addrspace_destroyed(thread.addrspace)

    def yielded(self, thread: Thread, target: Thread | None) -> None:
        """End the caller's slice; the target runs next where it is ready."""
        scheduler = self.machine.scheduler
        if scheduler.current is not None:
            scheduler.current.vm.engine.request_stop()
        vcpu = None if target is None else self.vcpus.get(target)
        if vcpu is not None and vcpu in scheduler.ready:
            scheduler.ready.remove(vcpu)
            scheduler.ready.appendleft(vcpu)

    def run_proxied(self, caller: Thread, vcpu: Thread) -> bool:
        """`vcpu_run`: the caller is blocked while the vCPU runs; it runs next."""
        target = self.vcpus.get(vcpu)
        if target is None or not target.on:
            return False
        if vcpu.vmmio_answer is not None:
            finish_access(target, vcpu.vmmio_answer)
            vcpu.vmmio_answer = None
        target.waiting = False
        self.vcpus[caller].block()
        self.machine.scheduler.ready.appendleft(target)
        return True

    # address spaces

    def vm_of(self, addrspace: Addrspace) -> VirtualMachine:
        """The VM of an address space, with an engine under it."""
        vm = self.by_addrspace.get(addrspace)
        if vm is None:
            vm = self.by_addrspace[addrspace] = self._new_vm(addrspace)
        if not hasattr(vm, "engine"):
            self._open(vm, addrspace)
        return vm

    def _new_vm(self, addrspace: Addrspace) -> VirtualMachine:
        self.close_doomed()
        return self.machine.new_vm(addrspace.label or f"vmid-{addrspace.vmid}", configured=False)

    def _open(self, vm: VirtualMachine, addrspace: Addrspace) -> None:
        machine = self.machine
        hypervisor = machine.hypervisor
        vm.slots = [
            Slot(self._interface_of(vm.threads[n]) if n < len(vm.threads) else None) for n in range(vm.vcpu_slots)
        ]
        vm.engine = open_engine(
            vcpus=vm.vcpu_slots,
            cpu_model=vm.cpu_model,
            system_registers=[slot.registers for slot in vm.slots],
            calls=CallTable(hypervisor.calls, hypervisor.argument_counts),
            handler=Exits(machine, vm),
            way=machine.way,
        )
        for start, end, (shift, attributes) in addrspace.stage2:
            self.map(addrspace, start, start + shift, end - start, attributes >> 4 & 7, attributes >> 16 & 0xFF)
        for _, _, vdevice in addrspace.vdevices:
            self.vdevice_attached(addrspace, vdevice)

    def _interface_of(self, thread: Thread) -> CpuInterface | None:
        gic = controller_of(thread.vic)
        return None if gic is None else gic.cpu_interfaces[thread.vic_index]

    def addrspace_destroyed(self, addrspace: Addrspace) -> None:
        """Nothing runs in it: its engine goes, but not under the feet of a vCPU that just killed itself."""
        vm = self.by_addrspace.pop(addrspace, None)
        if vm is not None:
            assert not vm.vcpus, "a thread keeps its address space"
            self._doomed.append(vm)

    def close_doomed(self) -> None:
        """Free the engines of VMs that are gone; never called from inside a slice."""
        for vm in self._doomed:
            if not self.keeps_engines:
                vm.close()
            if (tracing := self.machine.tracing) is not None:
                tracing.forget_console(vm)
            self.machine.vms.remove(vm)
        self._doomed.clear()

    def _opened(self, addrspace: Addrspace) -> VirtualMachine | None:
        vm = self.by_addrspace.get(addrspace)
        return vm if vm is not None and hasattr(vm, "engine") else None

    def map(self, addrspace: Addrspace, ipa: int, pa: int, size: int, access: int, memtype: int) -> None:
        """Mirror a stage-2 mapping of RAM as a view of the machine's memory; devices appear when they are accessed."""
        vm = self._opened(addrspace)
        if vm is None or not access & ACCESS_READ:
            return
        # What answered here while stage 2 did not map it answers no longer.
        vm.engine.unmap(ipa, size)
        view = self.machine.memory.view(pa, size)
        if view is not None:
            vm.engine.map_ram(ipa, view, writable=bool(access & ACCESS_WRITE), executable=bool(access & ACCESS_EXECUTE))

    def unmap(self, addrspace: Addrspace, ipa: int, size: int) -> None:
        """Mirror the loss of a stage-2 mapping."""
        vm = self._opened(addrspace)
        if vm is not None:
            vm.engine.unmap(ipa, size)

    def vdevice_attached(self, addrspace: Addrspace, vdevice: Vdevice) -> None:
        """The guest sees a VIC's registers."""
        vm = self._opened(addrspace)
        if vm is not None:
            vm.engine.map_device(vdevice.base, vdevice.size, self.registers(vdevice))

    @staticmethod
    def registers(vdevice: Vdevice) -> Device:
        """What a VIC's registers are to an engine."""
        gic = controller_of(vdevice.vic)
        assert gic is not None
        if vdevice.vcpu is None:
            return gic.distributor
        frame = gic.redistributors.frame(vdevice.vcpu.vic_index)
        frame.end_chain(vdevice.last)
        return frame

    def vdevice_detached(self, addrspace: Addrspace, vdevice: Vdevice) -> None:
        """The range is a hole again."""
        vm = self._opened(addrspace)
        if vm is not None:
            vm.engine.remove_device(self.registers(vdevice))

    # the end of a VM

    def system_off(self, thread: Thread) -> bool:
        """PSCI SYSTEM_OFF ends a VM of the machine file; of a VM that a guest made, that guest is told."""
        return self._end(thread, "PSCI SYSTEM_OFF")

    def system_reset(self, thread: Thread, reset_type: int, cookie: int) -> bool:
        """PSCI SYSTEM_RESET ends the VM: Gunyah's resource manager starts it again only when its owner asks."""
        return self._end(
            thread, "PSCI SYSTEM_RESET" if not reset_type else f"PSCI SYSTEM_RESET2 {reset_type:#x} {cookie:#x}"
        )

    def _end(self, thread: Thread, reason: str) -> bool:
        vm = self.vcpus[thread].vm
        if vm.configured:
            vm.exit(0, reason)
        return vm.configured


def _expire(clock: Clock, engine: Engine, timer: GenericTimer) -> None:
    """A vCPU's timers are to look at the clock."""
    engine.set_clock(clock.now() - engine.retired)
    timer.update()


def _load_written_registers(vm: VirtualMachine, vcpu: VCpu) -> None:
    """What `vcpu_register_write` left for a vCPU that starts; its PC and x0 are set already."""
    registers = vm.engine.registers(vcpu.index)
    for (kind, index), value in vcpu.thread.registers.items():
        if kind == REGISTER_X:
            registers.x[index] = value
        elif kind == REGISTER_SP_EL:
            registers[f"SP_EL{index}"] = value
