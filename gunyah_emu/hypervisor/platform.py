"""What the hypervisor asks of the machine that it runs in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from gunyah_emu.hypervisor.addrspace import Addrspace
    from gunyah_emu.hypervisor.thread import Thread
    from gunyah_emu.hypervisor.vdevice import Vdevice
    from gunyah_emu.hypervisor.vic import Vic
    from gunyah_emu.hypervisor.virq import InterruptController


class Platform(Protocol):
    """The machine, as the hypervisor sees it."""

    def nanoseconds(self) -> int:
        """Virtual time since the machine started."""

    def entropy(self, size: int) -> bytes:
        """Random bytes, from the machine's one source of choice."""

    def interrupt_controller(self, vic: Vic) -> InterruptController | None:
        """A controller for a VIC that is being activated (its geometry is final); `None`: interrupts go nowhere."""

    def vcpu_started(self, thread: Thread, entry: int, context: int) -> None:
        """A vCPU is powered on; it begins at `entry` with `context` in x0."""

    def vcpu_stopped(self, thread: Thread) -> None:
        """A vCPU is powered off, killed or destroyed: it executes nothing more."""

    def yielded(self, thread: Thread, target: Thread | None) -> None:
        """The calling vCPU gives up the rest of its slice, to `target` where that is a thread."""

    def run_proxied(self, caller: Thread, vcpu: Thread) -> bool:
        """`vcpu_run`: execute `vcpu` in the caller's slice; `False` where nothing can run: the caller goes on at once.

        Otherwise the caller stays blocked until the vCPU cannot go on, or until the machine says `vcpu.slice_ended()`.
        """

    def map(self, addrspace: Addrspace, ipa: int, pa: int, size: int, access: int, memtype: int) -> None:
        """Stage 2 gained a range (whole pages); access is EL1's: R = 4, W = 2, X = 1, and may be 0."""

    def unmap(self, addrspace: Addrspace, ipa: int, size: int) -> None:
        """Stage 2 lost a range (whole pages) that was mapped; a changed range is unmapped, then mapped."""

    def vdevice_attached(self, addrspace: Addrspace, vdevice: Vdevice) -> None:
        """Accesses to [vdevice.base, vdevice.base + vdevice.size) of an address space are the device's."""

    def vdevice_detached(self, addrspace: Addrspace, vdevice: Vdevice) -> None:
        """The device's range is a hole again."""

    def addrspace_destroyed(self, addrspace: Addrspace) -> None:
        """No thread sees memory through it any more."""

    def system_off(self, thread: Thread) -> bool:
        """PSCI SYSTEM_OFF by this vCPU; whether the machine ends its VM.  If not, its vCPUs are stopped for good."""

    def system_reset(self, thread: Thread, reset_type: int, cookie: int) -> bool:
        """PSCI SYSTEM_RESET (type 0, cookie 0) or SYSTEM_RESET2 by this vCPU; whether the machine restarts its VM."""


class QuietPlatform:
    """A machine in which nothing runs: for the objects alone, in tests and in the conformance replay.

    Time stands still, and entropy is a counter: distinct values, the same in every run.
    """

    def __init__(self) -> None:
        self._entropy = 0

    def nanoseconds(self) -> int:
        """Time stands still."""
        return 0

    def entropy(self, size: int) -> bytes:
        """A counter, mixed enough that values differ in every byte."""
        self._entropy += 1
        mixed = self._entropy * 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835
        return (mixed & ((1 << 128) - 1)).to_bytes(16, "little")[:size].ljust(size, b"\x5a")

    def interrupt_controller(self, vic: Vic) -> InterruptController | None:
        """No interrupt of any `vic` goes anywhere."""
        del vic
        return None

    def vcpu_started(self, thread: Thread, entry: int, context: int) -> None:
        """Nothing runs."""

    def vcpu_stopped(self, thread: Thread) -> None:
        """Nothing runs."""

    def yielded(self, thread: Thread, target: Thread | None) -> None:
        """Nobody else to run."""

    def run_proxied(self, caller: Thread, vcpu: Thread) -> bool:
        """Nothing runs."""
        return False

    def map(self, addrspace: Addrspace, ipa: int, pa: int, size: int, access: int, memtype: int) -> None:
        """No CPU has a stage 2."""

    def unmap(self, addrspace: Addrspace, ipa: int, size: int) -> None:
        """No CPU has a stage 2."""

    def vdevice_attached(self, addrspace: Addrspace, vdevice: Vdevice) -> None:
        """Nobody accesses it."""

    def vdevice_detached(self, addrspace: Addrspace, vdevice: Vdevice) -> None:
        """Nobody accessed it."""

    def addrspace_destroyed(self, addrspace: Addrspace) -> None:
        """Nothing ran in it."""

    def system_off(self, thread: Thread) -> bool:
        """The VM of `thread` is not the machine's."""
        del thread
        return False

    def system_reset(self, thread: Thread, reset_type: int, cookie: int) -> bool:
        """The VM of `thread` is not the machine's."""
        del thread, reset_type, cookie
        return False
