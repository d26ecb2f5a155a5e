"""Every hypercall that a machine makes, failing in every way that its declaration allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from gunyah_emu.abi.legal import legal_errors
from gunyah_emu.errors import UserError
from gunyah_emu.hypervisor.hypervisor import load_declarations
from gunyah_emu.hypervisor.object import OBJECT_TYPES
from gunyah_emu.testing.task import Result, Task
from gunyah_emu.testing.verdict import VERDICTS, Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gunyah_emu.testing.campaign import Campaign, Variant

OCCURRENCES = ("first", "last", "all")
"""Which of the calls that a place makes fail: the first, the last, or all of them."""

ENDS = ("EXITED", "IDLE")
FACTOR, GRACE = 10, 1_000_000
"""A run with a fault may take so many times the instructions of the one without, and so many more."""


class Case(NamedTuple):
    """One fault, with what it is tried on.

    Arguments:
        variant: seed, quantum and CPU model of the machine.
        vm, call, encoding: whose call, which, and how it is made.
        place: the instruction, as a person says it.
        occurrence: a word of `OCCURRENCES`.
        error: what it returns.
        fault: the `[[fault]]` that does it.
    """

    variant: Variant
    vm: str
    call: str
    encoding: str
    place: str
    occurrence: str
    error: str
    fault: dict[str, Any]

    @property
    def name(self) -> str:
        """Unique in a search."""
        names = ("seed", "quantum", "cpu")
        varied = "".join(f" {n}={v}" for n, v in zip(names, self.variant, strict=True) if v is not None)
        return f"{self.vm}: {self.call} at {self.place} ({self.encoding}) {self.occurrence} {self.error}{varied}"

    def toml(self) -> str:
        """To be put into the machine file."""
        lines = [f"{key} = {_value(key, value)}" for key, value in self.fault.items()]
        return "\n".join(["[[fault]]", *lines])


def _value(key: str, value: object) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    return f"{value:#x}" if key == "address" else str(value)


class Finding(NamedTuple):
    """A case, and what came of it."""

    case: Case
    verdict: Verdict
    result: Result


class Choice(NamedTuple):
    """What to try.

    Arguments:
        variants: seed, quantum and CPU model, each combination with all faults.
        occurrences: words of `OCCURRENCES`.
        vms, calls: only these; empty: all.
        max_instructions: of a run without faults.
    """

    variants: Sequence[Variant]
    occurrences: Sequence[str] = ("first",)
    vms: Sequence[str] = ()
    calls: Sequence[str] = ()
    max_instructions: int = 100_000_000


def search(
    campaign: Campaign, choice: Choice, progress: Callable[[str], Callable[[int, int], None]]
) -> tuple[list[Result], list[Finding]]:
    """The runs without a fault, one a variant, and what came of each fault, in a fixed order.

    Arguments:
        campaign: who runs it.
        choice: what to try.
        progress: called with the name of a stage; gives what is told how far it is.

    Errors: UserError when the machine does not end within its budget, or ends in a crash, without any fault.
    """
    plain = [Task(number, *variant, (), choice.max_instructions) for number, variant in enumerate(choice.variants)]
    bases = campaign.run(plain, progress("without faults"))
    for base in bases:
        if base["reason"] not in ENDS:
            why = "; ".join(base["messages"]) or "raise --max-instructions"
            spent = f"{base['reason'].lower()} after {base.get('instructions', 0)} instructions"
            raise UserError(f"without a fault the machine must exit or wait; {spent}: {why}")
    _check_names(choice, bases)
    cases = [
        (base, case)
        for variant, base in zip(choice.variants, bases, strict=True)
        for case in cases_of(variant, base, choice)
    ]
    tasks = [
        Task(len(plain) + number, *case.variant, (case.fault,), base["instructions"] * FACTOR + GRACE)
        for number, (base, case) in enumerate(cases)
    ]
    results = campaign.run(tasks, progress("with faults"))
    return bases, [
        Finding(case, judge(base, result, case.vm), result) for (base, case), result in zip(cases, results, strict=True)
    ]


def _check_names(choice: Choice, bases: Sequence[Result]) -> None:
    """Raises UserError for a VM or call that was asked for and makes, or is, none."""
    sites = [site for base in bases for site in base["sites"]]
    rules = (
        (choice.vms, 0, "--vm must name a VM that makes hypercalls"),
        (choice.calls, 1, "--call must name a hypercall that is made"),
    )
    for asked, column, what in rules:
        known = sorted({site[column] for site in sites})
        wrong = next((name for name in asked if name not in known), None)
        if wrong is not None:
            raise UserError(f"{what} ({', '.join(known) or 'there is none'}); it is '{wrong}'")


def cases_of(variant: Variant, base: Result, choice: Choice) -> Iterator[Case]:
    """The faults to try on one variant."""
    declarations = load_declarations()
    for vm, call, address, encoding, first, last, count in sorted(base["sites"]):
        if (choice.vms and vm not in choice.vms) or (choice.calls and call not in choice.calls):
            continue
        place = base["places"].get(vm, {}).get(f"{address:#x}", f"{address:#x}")
        for error in legal_errors(declarations[call], OBJECT_TYPES, encoding):
            for occurrence in choice.occurrences:
                fault: dict[str, Any] = {"call": call, "vm": vm, "error": error}
                if occurrence == "all":
                    fault |= {"address": address, "count": 0}
                elif occurrence == "last" and count == 1 and "first" in choice.occurrences:
                    continue
                else:
                    fault["nth"] = first if occurrence == "first" else last
                yield Case(variant, vm, call, encoding, place, occurrence, error, fault)


def count_verdicts(findings: Sequence[Finding]) -> dict[str, int]:
    """How many of each, the worst first."""
    words = [finding.verdict.word for finding in findings]
    return {word: words.count(word) for word in VERDICTS}
