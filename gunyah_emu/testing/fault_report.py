"""What a search for faults found, as a table, a page, JUnit XML and JSON."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from gunyah_emu.testing import report_files as files
from gunyah_emu.testing.fault_search import Finding, count_verdicts
from gunyah_emu.testing.verdict import ABOUT, VERDICTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def grouped(findings: Sequence[Finding]) -> list[tuple[Finding, list[str]]]:
    """One finding for all errors of a place that came to the same, the worst verdicts first."""
    groups: dict[tuple[object, ...], tuple[Finding, list[str]]] = {}
    for finding in findings:
        case, verdict = finding.case, finding.verdict
        # `error 50` and `error 51` on the console are the same story
        why = "".join(char for char in verdict.why if not char.isdigit())
        key = (case.variant, case.vm, case.call, case.place, case.encoding, case.occurrence, verdict.word, why)
        groups.setdefault(key, (finding, []))[1].append(case.error)
    return sorted(groups.values(), key=lambda group: VERDICTS.index(group[0].verdict.word))


def summary(findings: Sequence[Finding]) -> str:
    """One line."""
    counts = count_verdicts(findings)
    return f"{len(findings)} faults: " + ", ".join(f"{number} {word}" for word, number in counts.items() if number)


def text_lines(findings: Sequence[Finding]) -> Iterator[str]:
    """The table, for a terminal."""
    for finding, errors in grouped(findings):
        case, verdict = finding.case, finding.verdict
        variant = _variant(finding)
        yield f"{verdict.word:8} {case.vm}: {case.call} at {case.place}, {case.occurrence} call{variant}"
        yield f"         {' '.join(errors)}"
        yield f"         {verdict.why}"
    yield summary(findings)


def _variant(finding: Finding) -> str:
    pairs = zip(("seed", "quantum", "cpu"), finding.case.variant, strict=True)
    return "".join(f", {name} {value}" for name, value in pairs if value is not None)


def html(title: str, findings: Sequence[Finding]) -> str:
    """The page."""
    counts = count_verdicts(findings)
    meanings = files.table(
        ("verdict", "faults", "meaning"),
        ((files.word(name), str(number), escape(ABOUT[name])) for name, number in counts.items()),
    )
    rows = []
    for finding, errors in grouped(findings):
        case, verdict = finding.case, finding.verdict
        consoles = "".join(f"[{vm}]\n{text}\n" for vm, text in finding.result.get("consoles", {}).items())
        rows.append(
            (
                files.word(verdict.word),
                f"<b>{escape(case.vm)}</b>: <code>{escape(case.call)}</code><br>{escape(files.clean(case.place))}"
                f"<br>{escape(case.occurrence)} call, {escape(case.encoding)}{escape(_variant(finding))}",
                "<br>".join(f"<code>{escape(error)}</code>" for error in errors),
                escape(files.clean(verdict.why))
                + files.folded("consoles", consoles)
                + files.folded("to see it again, in the machine file", case.toml()),
            )
        )
    body = [f"<p>{escape(summary(findings))}</p>", meanings, "<h2>Faults</h2>"]
    return files.page(title, [*body, files.table(("verdict", "call", "returns", "what came of it"), rows)])


def junit(title: str, findings: Sequence[Finding], failing: Sequence[str]) -> str:
    """A test case for each fault; the verdicts `failing` are failures."""
    cases = []
    for finding in findings:
        verdict = finding.verdict
        failure = (verdict.word, verdict.why) if verdict.word in failing else None
        text = f"{verdict.word}: {verdict.why}\n\n{finding.case.toml()}"
        cases.append(files.Case(f"{finding.case.vm}.{finding.case.call}", finding.case.name, failure, text))
    return files.junit(title, cases)


def as_json(findings: Sequence[Finding]) -> str:
    """All of it."""
    document = [
        {
            **{key: value for key, value in finding.case._asdict().items() if key != "variant"},
            **dict(zip(("seed", "quantum", "cpu"), finding.case.variant, strict=True)),
            "verdict": finding.verdict.word,
            "why": finding.verdict.why,
            "result": finding.result,
        }
        for finding in findings
    ]
    return files.as_json({"verdicts": count_verdicts(findings), "faults": document})
