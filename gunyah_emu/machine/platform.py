"""What the hypervisor asks of the machine, answered: address spaces get engines, threads get vCPUs, VICs get GICs.

VMs of a machine file and VMs that a root guest makes come through here alike.  An address space's engine is created when the first thread in it
is powered on; what was mapped until then is mapped at that moment, what changes later is followed.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gunyah_emu.cpu import CallTable, open_engine
from gunyah_emu.gic import MODELS, Gic
from gunyah_emu.machine.exits import Exits
from gunyah_emu.machine.slot import Slot
from gunyah_emu.machine.vm import VCpu, VirtualMachine

if TYPE_CHECKING:
    from gunyah_emu.cpu import Device
    from gunyah_emu.gic.cpu_interface import CpuInterface
    from gunyah_emu.hypervisor.addrspace import Addrspace
    from gunyah_emu.hypervisor.thread import Thread
    from gunyah_emu.hypervisor.vdevice import Vdevice
    from gunyah_emu.hypervisor.vic import Vic
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
        self.gics: dict[Vic, tuple[Gic, list[VCpu | None]]] = {}
        self.nanoseconds = machine.clock.now
        self.entropy = machine.chooser.entropy

    # interrupt controllers

    def interrupt_controller(self, vic: Vic) -> Gic:
        """A GIC of the model that the machine chose for the VIC's VM."""
        lines: list[VCpu | None] = [None] * vic.max_vcpus

        def raise_irq(index: int, level: bool) -> None:
            vcpu = lines[index]
            if vcpu is not None:
                vcpu.vm.engine.set_irq(vcpu.index, level)
                if level and vcpu.waiting:
                    self.machine.wake(vcpu)

        model = MODELS[self.machine.gic_models.get(vic, self.machine.default_gic_model)]
        gic = Gic(vic.max_vcpus, vic.max_virqs, raise_irq, model)
        self.gics[vic] = gic, lines
        if (tracing := self.machine.tracing) is not None:
            tracing.watch(gic, lines)
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
        if vcpu.gic is not None:
            vm.engine.set_irq(vcpu.index, vcpu.gic.cpu_interfaces[thread.vic_index].line)
        vcpu.on = True
        vcpu.waiting = False
        if (tracing := self.machine.tracing) is not None:
            tracing.started(vcpu, entry, context)
        self.machine.scheduler.ready.append(vcpu)

    def _new_vcpu(self, vm: VirtualMachine, thread: Thread) -> VCpu:
        index = vm.threads.index(thread) if thread in vm.threads else len(vm.threads)
        assert index < vm.vcpu_slots
        engine, scheduler, clock = vm.engine, self.machine.scheduler, self.machine.clock
        timer = engine.timers[index]
        gic, lines = self.gics[thread.vic] if thread.vic is not None else (None, [])
        vcpu = self.vcpus[thread] = VCpu(vm, index, thread, gic, timer)
        if index == len(vm.threads):
            vm.threads.append(thread)
        vm.slots[index].interface = gic.cpu_interfaces[thread.vic_index] if gic is not None else None
        vm.vcpus[index] = vcpu
        engine.callers[index] = thread
        thread.translate = partial(engine.translate, index)
        thread.completed = partial(self._completed, vcpu)

        def expire() -> None:
            engine.set_clock(clock.now() - engine.retired)
            timer.update()

        timer.changed = scheduler.deadlines_changed
        scheduler.add_timer(timer.deadline, expire)
        if gic is not None:
            lines[thread.vic_index] = vcpu
            timer.level = partial(gic.set_private_level, thread.vic_index)
        return vcpu

    def _completed(self, vcpu: VCpu, results: tuple[int, ...]) -> None:
        """A hypercall that had blocked the vCPU is answered: it goes on."""
        vcpu.vm.engine.complete(vcpu.index, results)
        self.machine.scheduler.ready.append(vcpu)

    def vcpu_stopped(self, thread: Thread) -> None:
        """The vCPU is off: PSCI CPU_OFF, a hypercall, or its thread died."""
        vcpu = self.vcpus.get(thread)
        if vcpu is not None:
            vcpu.vm.stop(vcpu)
            if (tracing := self.machine.tracing) is not None:
                tracing.stopped(vcpu)

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
        """`vcpu_run`: the vCPU runs on the caller's time until it cannot go on."""
        return self.machine.proxies.run(caller, vcpu)

    # address spaces

    def vm_of(self, addrspace: Addrspace) -> VirtualMachine:
        """The VM of an address space, with an engine under it."""
        vm = self.by_addrspace.get(addrspace)
        if vm is None:
            vm = self.by_addrspace[addrspace] = self.machine.new_vm(addrspace.label or f"vmid-{addrspace.vmid}")
        if not hasattr(vm, "engine"):
            self._open(vm, addrspace)
        return vm

    def _open(self, vm: VirtualMachine, addrspace: Addrspace) -> None:
        machine = self.machine
        hypervisor = machine.hypervisor
        vm.slots = [Slot(self._interface_of(vm.threads[n]) if n < len(vm.threads) else None) for n in range(vm.vcpu_slots)]
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
        return None if thread.vic is None else self.gics[thread.vic][0].cpu_interfaces[thread.vic_index]

    def _opened(self, addrspace: Addrspace) -> VirtualMachine | None:
        vm = self.by_addrspace.get(addrspace)
        return vm if vm is not None and hasattr(vm, "engine") else None

    def map(self, addrspace: Addrspace, ipa: int, pa: int, size: int, access: int, memtype: int) -> None:
        """Mirror a stage-2 mapping: RAM as a view of the machine's memory, a device as a trap."""
        vm = self._opened(addrspace)
        if vm is None or not access & ACCESS_READ:
            return
        view = self.machine.memory.view(pa, size)
        if view is not None:
            vm.engine.map_ram(ipa, view, writable=bool(access & ACCESS_WRITE), executable=bool(access & ACCESS_EXECUTE))
        elif (device := self.machine.device_at(pa)) is not None:
            vm.engine.map_device(ipa, size, device)

    def unmap(self, addrspace: Addrspace, ipa: int, size: int) -> None:
        """Mirror the loss of a stage-2 mapping."""
        vm = self._opened(addrspace)
        if vm is not None:
            vm.engine.unmap(ipa, size)

    def vdevice_attached(self, addrspace: Addrspace, vdevice: Vdevice) -> None:
        """The guest sees a VIC's registers."""
        vm = self._opened(addrspace)
        if vm is not None:
            vm.engine.map_device(vdevice.base, vdevice.size, self._registers(vdevice))

    def _registers(self, vdevice: Vdevice) -> Device:
        gic, _ = self.gics[vdevice.vic]
        return gic.distributor if vdevice.vcpu is None else gic.redistributors.frame(vdevice.vcpu.vic_index)

    def vdevice_detached(self, addrspace: Addrspace, vdevice: Vdevice) -> None:
        """The range is a hole again."""
        vm = self._opened(addrspace)
        if vm is not None:
            vm.engine.unmap(vdevice.base, vdevice.size)

    # the end of a VM

    def vcpu_suspended(self, thread: Thread, entry: int | None, context: int) -> bool:
        """PSCI CPU_SUSPEND: wait for an interrupt; after a power-down the vCPU begins again at `entry`."""
        return self.machine.suspend(self.vcpus[thread], entry, context)

    def system_off(self, thread: Thread) -> None:
        """PSCI SYSTEM_OFF: the VM ends with status 0."""
        self.vcpus[thread].vm.exit(0, "PSCI SYSTEM_OFF")

    def system_reset(self, thread: Thread, reset_type: int, cookie: int) -> None:
        """PSCI SYSTEM_RESET: Gunyah's resource manager ends a VM that resets itself; it starts again only when its owner asks."""
        self.vcpus[thread].vm.exit(0, "PSCI SYSTEM_RESET" if reset_type == 0 else f"PSCI SYSTEM_RESET2 ({reset_type:#x}, {cookie:#x})")


