"""The hypervisor: the table of calls that a CPU is wired to, and the services that the objects share."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final, Literal, cast

from gunyah_emu.abi.declare import DECLARATIONS, FIRST_IMMEDIATE, TABLE_SIZE, Declaration
from gunyah_emu.abi.decode import Entry, SmcccEntry, native_entry, smccc_entry
from gunyah_emu.abi.errors import FAILURE
from gunyah_emu.abi.legal import NATIVE, SMCCC
from gunyah_emu.abi.types import Results
from gunyah_emu.hypervisor.capability_ids import CapabilityIds
from gunyah_emu.hypervisor.memory import PhysicalMemory
from gunyah_emu.hypervisor.object import OBJECT_TYPES
from gunyah_emu.hypervisor.observer import CallWrapper, HypervisorObserver, SourceWrapper, observed, survivable
from gunyah_emu.hypervisor.partition import DEFAULT_LIMIT, Partition
from gunyah_emu.hypervisor.platform import Platform
from gunyah_emu.hypervisor.system import TRACE_FLAGS

if TYPE_CHECKING:
    from gunyah_emu.hypervisor.thread import Thread
    from gunyah_emu.hypervisor.vic import Vic
    from gunyah_emu.hypervisor.virq import InterruptController, VirqSource

OBJECT_MODULES: Final = (
    "system",
    "partition_calls",
    "cspace_calls",
    "doorbell",
    "msgqueue_calls",
    "vic",
    "hwirq",
    "addrspace_calls",
    "memextent_calls",
    "vcpu_calls",
    "scheduler",
    "vcpu_run",
    "vpm_group",
    "virtio_calls",
)
"""The modules that declare hypercalls, in the order of the API document."""

CapabilityIdMode = Literal["sequential", "random"]
FatalPolicy = Literal["stop", "error"]


def _import_objects(names: tuple[str, ...]) -> dict[str, Declaration]:
    for name in names:
        import_module(f"gunyah_emu.hypervisor.{name}")
    return DECLARATIONS


def load_declarations() -> dict[str, Declaration]:
    """All declarations by name, also of calls that no guest can reach."""
    return _import_objects((*OBJECT_MODULES, "vrtc"))


class Hypervisor:
    """One hypervisor and everything in it.

    Arguments:
        platform: the machine around it.
        capability_ids: how capabilities are named, see `capability_ids`.
        partition_limit: bytes of hypervisor memory for all objects together.
        fatal: what becomes of a call that brings the real hypervisor down: "stop" raises `HypervisorFatal`, "error"
            answers
            FAILURE.

    `calls[n]` is the entry of `hvc #0x6000+n` (`None`: no such call), `argument_counts[n]` how many of x0.. it takes;
    `smccc_calls` and `smccc_argument_counts` the same for the SMCCC encoding, from x1 on.  The lists stay the same
    objects for the hypervisor's life; their
    entries change: a decoder is generated on the first call of its number.

    """

    def __init__(
        self,
        platform: Platform,
        *,
        capability_ids: CapabilityIdMode = "sequential",
        partition_limit: int = DEFAULT_LIMIT,
        fatal: FatalPolicy = "stop",
    ) -> None:
        self.platform = platform
        self.capability_id_mode = capability_ids
        self.memory = PhysicalMemory()
        self.cspaces_created = 0
        self.fatal = fatal
        self.vics: dict[Vic, None] = {}
        self.trace_flags = TRACE_FLAGS
        self._observer: HypervisorObserver | None = None
        self._call_wrappers: list[CallWrapper] = []
        self._source_wrappers: list[SourceWrapper] = []
        self.calls: list[Entry | None] = [None] * TABLE_SIZE
        self.smccc_calls: list[SmcccEntry | None] = [None] * TABLE_SIZE
        counts = bytearray(TABLE_SIZE)
        smccc_counts = bytearray(TABLE_SIZE)
        for declaration in _import_objects(OBJECT_MODULES).values():
            if declaration.number is not None and not declaration.absent:
                n = declaration.number - FIRST_IMMEDIATE
                counts[n] = declaration.register_count
                smccc_counts[n] = len(declaration.argument_names)
                self._install(declaration)
        self.argument_counts = bytes(counts)
        self.smccc_argument_counts = bytes(smccc_counts)
        self.root_partition = Partition(self, partition_limit)

    def _install(self, declaration: Declaration) -> None:
        """Enter what generates the decoder on the first call, and replaces itself by it."""
        assert declaration.number is not None
        n = declaration.number - FIRST_IMMEDIATE

        def first_native(caller: Thread, *registers: int) -> Results:
            bare = native_entry(declaration, OBJECT_TYPES, self)
            entry = self.calls[n] = self._dress(bare, declaration, FAILURE, NATIVE)
            return entry(caller, *registers)

        def first_smccc(caller: Thread, *registers: int) -> tuple[int, ...] | None:
            zeros = (0,) * (len(declaration.outputs(OBJECT_TYPES)) - 1)
            entry = self._dress(smccc_entry(declaration, OBJECT_TYPES, self), declaration, (FAILURE, *zeros), SMCCC)
            self.smccc_calls[n] = cast("SmcccEntry", entry)
            return cast("tuple[int, ...] | None", entry(caller, *registers))

        self.calls[n] = first_native
        self.smccc_calls[n] = first_smccc

    def _dress(self, entry: Entry, declaration: Declaration, failure: int | tuple[int, ...], encoding: str) -> Entry:
        if self.fatal == "error":
            entry = survivable(entry, failure)
        for wrap in self._call_wrappers:
            entry = wrap(entry, declaration, encoding)
        if self._observer is not None:
            entry = observed(entry, declaration, self._observer)
        return entry

    @property
    def observer(self) -> HypervisorObserver | None:
        """Who is told what happens; `None` costs nothing."""
        return self._observer

    @observer.setter
    def observer(self, observer: HypervisorObserver | None) -> None:
        self._observer = observer
        self.rewrap()

    def wrap_calls(self, wrap: CallWrapper) -> None:
        """Have `wrap(entry, declaration, encoding)` put something around the entry of every call, or return it bare.

        What is wrapped later is farther outside; the observer sees what is left of it all.
        """
        self._call_wrappers.append(wrap)
        self.rewrap()

    def wrap_sources(self, wrap: SourceWrapper) -> None:
        """Have `wrap(source, controller)` put something between bound vIRQ sources and their controllers."""
        self._source_wrappers.append(wrap)
        self.rewrap()

    def wrapped(self, source: VirqSource, controller: InterruptController) -> InterruptController:
        """What a source speaks to instead of its controller."""
        for wrap in self._source_wrappers:
            controller = wrap(source, controller)
        return controller

    def rewrap(self) -> None:
        """Ask all wrappers again: what they want to see has changed."""
        for declaration in DECLARATIONS.values():
            if declaration.number is not None and not declaration.absent:
                self._install(declaration)
        for vic in self.vics:
            for source in vic.sources.values():
                source.report()

    def new_capability_ids(self) -> CapabilityIds:
        """The coding of capability ids for a new cspace."""
        number = self.cspaces_created
        self.cspaces_created += 1
        if self.capability_id_mode == "random":
            return CapabilityIds.random(self.platform.entropy)
        return CapabilityIds.sequential(number)
