"""What a debugger looks for: points turned into what engines are asked, and what engines found turned into points."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from gunyah_emu.cpu.debugging import Wanted, Watched
from gunyah_emu.cpu.decode import decode_access
from gunyah_emu.debug.calls import call_number
from gunyah_emu.debug.memory import EL1, pages, read_virtual
from gunyah_emu.debug.points import Breakpoint, CallCatch, InterruptCatch, Watchpoint, is_of

if TYPE_CHECKING:
    from gunyah_emu.cpu.decode import Access
    from gunyah_emu.debug.points import Point
    from gunyah_emu.events import Event
    from gunyah_emu.machine.machine import Machine
    from gunyah_emu.machine.vm import VCpu, VirtualMachine

    AnyPoint = TypeVar("AnyPoint", bound=Point)


class Sights:
    """The points of one machine; a sink of its events, because the GIC says in them what it does.

    Arguments:
        machine: the machine.

    Attributes:
        points: in the order they were added.
        caught: the point that the last caught call met.
        is_blind: take notice of nothing.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.points: list[Point] = []
        self.caught: CallCatch | None = None
        self.is_blind = False
        self._interrupt: tuple[VCpu, InterruptCatch] | None = None
        self._wanted: dict[VirtualMachine, Wanted] = {}
        self._looker: VCpu | None = None

    def add(self, point: AnyPoint) -> AnyPoint:
        """Look for one more."""
        self.points.append(point)
        self._wanted.clear()
        return point

    def remove(self, point: Point) -> None:
        """Look for it no longer."""
        self.points.remove(point)
        self._wanted.clear()

    def look_again(self, looker: VCpu | None) -> None:
        """Watched addresses may be elsewhere by now.

        Arguments:
            looker: through whose tables to look at its VM's; the VM's first vCPU otherwise.
        """
        if any(isinstance(point, Watchpoint) for point in self.points):
            self._wanted.clear()
        self._looker = looker

    def wanted(self, vm: VirtualMachine) -> Wanted:
        """What a VM's engine is to look for; the same object as long as that is the same."""
        found = self._wanted.get(vm)
        if found is None:
            mine = [point for point in self.points if is_of(point, vm)]
            found = self._wanted[vm] = Wanted(
                frozenset(point.address for point in mine if isinstance(point, Breakpoint)),
                self._catcher(vm) if any(isinstance(point, CallCatch) for point in mine) else None,
                self._places(vm, [point for point in mine if isinstance(point, Watchpoint)]),
            )
        return found

    # calls

    def _catcher(self, vm: VirtualMachine) -> _Catcher:
        return _Catcher(self, vm)

    # accesses

    def _places(self, vm: VirtualMachine, points: list[Watchpoint]) -> tuple[Watched, ...]:
        """Watched bytes by IPA, page by page."""
        looker = self._looker if self._looker is not None and self._looker.vm is vm else vm.vcpus.get(0)
        places = []
        for point in points:
            for va, size in pages(point.address, point.size):
                ipa = None if looker is None else vm.engine.translate(looker.index, va, el=EL1)
                if ipa is not None:
                    places.append(Watched(ipa, size, reads=point.access != "write", writes=point.access != "read"))
        return tuple(places)

    def watched_access(self, vcpu: VCpu) -> tuple[Watchpoint, int] | None:
        """The point that the vCPU's next instruction meets by an access, and at which address."""
        access = self._next_access(vcpu)
        if access is None:
            return None
        for point in self.points:
            if (
                isinstance(point, Watchpoint)
                and is_of(point, vcpu.vm)
                and point.meets(access.address, access.size, is_read=access.is_read, is_write=access.is_write)
            ):
                return point, max(access.address, point.address)
        return None

    def watches(self, vcpu: VCpu) -> bool:
        """Whether its next instruction makes an access that is watched."""
        return any(isinstance(point, Watchpoint) for point in self.points) and self.watched_access(vcpu) is not None

    @staticmethod
    def _next_access(vcpu: VCpu) -> Access | None:
        registers = vcpu.vm.engine.registers(vcpu.index)
        code = read_virtual(vcpu, registers.pc, 4)
        if len(code) < 4:
            return None
        return decode_access(int.from_bytes(code, "little"), registers.x, registers.sp, registers.pc)

    # breakpoints

    def breakpoint_at(self, vcpu: VCpu) -> Breakpoint | None:
        """The one in front of which the vCPU stands."""
        pc = vcpu.vm.engine.registers(vcpu.index).pc
        found = (point for point in self.points if isinstance(point, Breakpoint))
        return next((point for point in found if is_of(point, vcpu.vm) and point.address == pc), None)

    # interrupts: this is a sink

    def write(self, event: Event) -> None:
        """Halt the running vCPU when it has taken an interrupt that somebody waits for."""
        if event.kind != "irq_acknowledged" or self.is_blind:
            return
        vcpu = self._machine.scheduler.current
        for point in self.points:
            if isinstance(point, InterruptCatch) and vcpu is not None and is_of(point, vcpu.vm):
                self._interrupt = vcpu, point
                vcpu.vm.engine.halt_after(vcpu.vm.engine.retired)
                return

    def close(self, *, complete: bool) -> None:
        """Nothing to finish."""

    def take_interrupt(self) -> tuple[VCpu, InterruptCatch] | None:
        """Who has taken an interrupt that somebody waits for; asked once."""
        found, self._interrupt = self._interrupt, None
        return found


class _Catcher:
    """Asked by an engine about each of its calls."""

    __slots__ = ("_sights", "_vm")

    def __init__(self, sights: Sights, vm: VirtualMachine) -> None:
        self._sights = sights
        self._vm = vm

    def __call__(self, vcpu: int, _conduit: str, immediate: int) -> bool:
        number = call_number(immediate, self._vm.engine.registers(vcpu).x[0])
        for point in self._sights.points:
            if isinstance(point, CallCatch) and point.meets(self._vm, number):
                self._sights.caught = point
                return True
        return False
