"""Which way an engine goes: the fast one where it works, else the portable one, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gunyah_emu.cpu.libunicorn import CPU_MODELS
from gunyah_emu.cpu.seam import CallTable, ExitHandler, Setup
from gunyah_emu.cpu.sysreg import SystemRegister
from gunyah_emu.errors import UserError

if TYPE_CHECKING:
    from gunyah_emu.cpu.engine import Engine

FAST = "unicorn's layout is as expected and the accelerator is built"
STALE = "the C accelerator was built of other sources than these; `pip install -e .` builds it again"


def open_engine(
    *,
    vcpus: int = 1,
    cpu_model: str = "cortex-a72",
    system_registers: Sequence[Sequence[SystemRegister]] = (),
    calls: CallTable | None = None,
    callers: Sequence[object] = (),
    handler: ExitHandler | None = None,
    way: str = "auto",
) -> Engine:
    """Make a VM's CPU.

    Arguments:
        vcpus: how many, all of them off until `reset`.
        cpu_model: "cortex-a72" (default), "cortex-a53", "cortex-a57" or "max".
        system_registers: of each vCPU, the registers that its owner answers; all vCPUs declare the same ones.
        calls: the hypercalls that are answered by callables.
        callers: the first argument of those, per vCPU.
        handler: answers everything else.
        way: "fast", "portable", or "auto" for fast where it works.
    Errors: UserError for an unknown model or way, a missing Unicorn, or a fast way that was asked for and does not work
        here.
    """
    if cpu_model not in CPU_MODELS:
        raise UserError(f"the CPU model must be one of {', '.join(sorted(CPU_MODELS))}, not {cpu_model!r}")
    if way not in ("auto", "fast", "portable"):
        raise UserError(f"the engine's way must be auto, fast or portable, not {way!r}")
    answering = ExitHandler() if handler is None else handler
    everyone = list(callers) or [None] * vcpus
    assert len(everyone) == vcpus >= 1, f"{vcpus} vCPUs need as many callers, not {len(everyone)}"
    setup = Setup(vcpus, cpu_model, system_registers, calls, everyone, answering, "asked for")
    why = setup.why
    if way != "portable":
        from gunyah_emu.cpu.door import DoorClosedError

        try:
            try:
                from gunyah_emu.cpu.fast import FastEngine, open_accelerator

                open_accelerator()
            except (AttributeError, KeyError, TypeError) as error:
                raise DoorClosedError(STALE) from error
            return FastEngine(setup._replace(why=FAST))
        except (DoorClosedError, ImportError) as error:
            reason = str(error) if isinstance(error, DoorClosedError) else "the C accelerator is not built"
            if way == "fast":
                raise UserError(f"the fast way must work where it is asked for, but {reason}") from error
            why = reason
    from gunyah_emu.cpu.portable import PortableEngine

    return PortableEngine(setup._replace(why=why))
