"""Every kind of event, declared once: its name, its fields in order, and what its cause is.

The cause of an event is the sequence number of the event without which it would not have happened; 0 means the outside
world. Following causes backwards from an interrupt ends at the hypercall in the other VM that raised it.
"""

from __future__ import annotations

from typing import NamedTuple


class EventKind(NamedTuple):
    """One kind of event.

    Arguments:
        name: the value of `kind` in a trace.
        fields: names of the fields besides seq, time, vm, vcpu, kind and cause.
        cause: what the cause of such an event is, in words.
        about: what happened, in words.
    """

    name: str
    fields: tuple[str, ...]
    cause: str
    about: str


def _table(*kinds: EventKind) -> dict[str, EventKind]:
    assert len({kind.name for kind in kinds}) == len(kinds)
    return {kind.name: kind for kind in kinds}


KINDS = _table(
    EventKind(
        "machine",
        ("file", "images"),
        "none",
        "What is recorded: the machine file (null: none) and, by VM, its images: `path` as given, how far it was moved "
        "(`bias`), `sha256` of the file.  First in every trace.",
    ),
    EventKind("vcpu_on", ("entry", "context"), "the call that powered it on", "A vCPU starts at its entry point."),
    EventKind("vcpu_off", (), "the call that powered it off", "A vCPU is off."),
    EventKind(
        "hypercall",
        ("call", "arguments", "objects", "pc", "lr"),
        "none",
        "A guest asks the hypervisor, by either encoding.  `objects`: what its capabilities name; `pc`: of the HVC or "
        "SMC; `lr`: X30 then.",
    ),
    EventKind(
        "hypercall_return",
        ("call", "results"),
        "its hypercall",
        "The hypervisor answers: x0 and the outputs.  Null: the caller is blocked; a second one comes with the answer.",
    ),
    EventKind("service", ("function", "arguments", "pc", "lr"), "none", "A guest calls SMCCC, PSCI or TRNG."),
    EventKind("service_return", ("function", "results"), "its service", "It answers: x0..x3."),
    EventKind(
        "virq_assert",
        ("source", "virq", "level"),
        "the hypercall or access",
        "An object asserts its virtual interrupt.",
    ),
    EventKind("virq_clear", ("source", "virq"), "the hypercall", "An object withdraws its level."),
    EventKind(
        "access",
        ("pc",),
        "none",
        "A guest's access to a device makes an object assert its virtual interrupt: virtio-mmio.",
    ),
    EventKind("sgi", ("intid", "pc"), "none", "A vCPU sends itself or another an SGI."),
    EventKind("irq_pending", ("intid",), "what asserted it", "An interrupt became pending in the vCPU's GIC."),
    EventKind(
        "irq_blocked",
        ("intid", "source", "reasons"),
        "what asserted it, or the send",
        "An interrupt does not reach its vCPU now, and all the reasons: told at once when an object asserts it, when "
        "every vCPU waits, and at the end.  `intid` is null where no vIRQ is bound.",
    ),
    EventKind("irq_dropped", ("intid",), "what withdrew it", "An interrupt stopped being pending before it was taken."),
    EventKind(
        "irq_acknowledged",
        ("intid", "elr"),
        "its irq_pending",
        "The guest read the interrupt's INTID from ICC_IAR1_EL1.  `elr`: ELR_EL1 then, what a handler interrupts.",
    ),
    EventKind("irq_ended", ("intid",), "its irq_acknowledged", "The guest wrote ICC_EOIR1_EL1."),
    EventKind(
        "fault",
        ("what",),
        "the hypercall or virq_assert that it changes",
        "Something goes wrong on purpose (`[[fault]]`): a call returns an error, a message or an interrupt is late, an "
        "interrupt comes that nobody raised.  What comes of it names this as its cause.",
    ),
    EventKind("wait", ("pc",), "none", "A vCPU waits: `pc` is of its WFI."),
    EventKind("wake", (), "the irq_pending that woke it", "A waiting vCPU runs again."),
    EventKind("idle", (), "none", "Every vCPU waits and nothing can wake one."),
    EventKind(
        "console",
        ("text",),
        "none",
        "A guest printed: a line, or what there is of one when a vCPU of its VM waits, at 1000 bytes, and at the end.",
    ),
    EventKind(
        "unknown",
        ("what", "pc"),
        "none",
        "A guest touched something that is not modelled; reported once for each place.  `pc` is null where not known.",
    ),
    EventKind("exception_loop", ("reason",), "none", "Exceptions follow each other and no instruction runs."),
    EventKind("exit", ("status", "reason"), "the call that ended it", "A VM ended."),
)
