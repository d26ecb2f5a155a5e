"""What came of a campaign: its runs, grouped by how they ended and what they printed."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, NamedTuple

from gunyah_emu.testing import report_files as files

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gunyah_emu.testing.task import Result, Task


class Group(NamedTuple):
    """Runs that came to the same end.

    Arguments:
        tasks: in the campaign's order.
        result: of the first of them.
    """

    tasks: list[Task]
    result: Result

    @property
    def is_good(self) -> bool:
        """Every VM ended by itself, with status 0."""
        return bool(self.result["reason"] == "EXITED" and self.result["status"] == 0)

    @property
    def end(self) -> str:
        """How they ended, in words."""
        result = self.result
        messages = "; ".join(result["messages"])
        ended = f"exit status {result['status']}" if result["reason"] == "EXITED" else str(result["reason"]).lower()
        return f"{ended}: {messages}" if messages else ended


def groups(tasks: Sequence[Task], results: Sequence[Result]) -> list[Group]:
    """The largest group first."""
    found: dict[str, Group] = {}
    for task, result in zip(tasks, results, strict=True):
        key = repr([result.get(name) for name in ("reason", "status", "messages", "digests")])
        found.setdefault(key, Group([], result)).tasks.append(task)
    return sorted(found.values(), key=lambda group: -len(group.tasks))


def name_of(task: Task) -> str:
    """Its options, as `gunyah-emu run` takes them; the CPU model as a word, for a machine file says it itself."""
    seed, quantum, cpu = task.variant
    words = [f"--seed {seed}"] if seed is not None else []
    words += [f"--quantum {quantum}"] if quantum is not None else []
    words += [f"cpu {cpu}"] if cpu is not None else []
    return " ".join(words) or "as the machine file says"


def text_lines(found: Sequence[Group]) -> Iterator[str]:
    """The table, for a terminal."""
    first = found[0].result
    for group in found:
        yield f"{len(group.tasks):6} runs  {group.end}"
        yield f"             first: {name_of(group.tasks[0])}"
        if group.result is not first and (difference := _difference(first, group.result)):
            yield f"             {difference}"
    total = sum(len(group.tasks) for group in found)
    yield f"{total} runs, {len(found)} different end{'s' if len(found) > 1 else ''}"


def _difference(first: Result, other: Result) -> str:
    """The first line of a console that differs."""
    for vm, text in other.get("consoles", {}).items():
        lines, usual = text.splitlines(), first.get("consoles", {}).get(vm, "").splitlines()
        for number in range(max(len(lines), len(usual))):
            here, there = (texts[number] if number < len(texts) else None for texts in (lines, usual))
            if here != there:
                return f"{vm}, line {number + 1}: {here!r} instead of {there!r}"
    return ""


def html(title: str, found: Sequence[Group]) -> str:
    """The page."""
    rows = []
    for group in found:
        consoles = "".join(f"[{vm}]\n{text}\n" for vm, text in group.result.get("consoles", {}).items())
        difference = "" if group is found[0] else _difference(found[0].result, group.result)
        runs = "\n".join(map(name_of, group.tasks))
        rows.append(
            (
                files.word("same" if group is found[0] and group.is_good else "differs"),
                str(len(group.tasks)) + files.folded("which", runs),
                escape(files.clean(group.end))
                + f"<br>{escape(files.clean(difference))}"
                + files.folded("consoles", consoles),
            )
        )
    *_, last = text_lines(found)
    return files.page(title, [f"<p>{escape(last)}</p>", files.table(("", "runs", "how they ended"), rows)])


def junit(title: str, found: Sequence[Group]) -> str:
    """A test case for each run; one that did not come to the end of most, or to no good one, is a failure."""
    cases = []
    for group in found:
        failure = None if group is found[0] and group.is_good else ("differs", group.end)
        cases += [(task.id, files.Case("campaign", name_of(task), failure, group.end)) for task in group.tasks]
    return files.junit(title, [case for _, case in sorted(cases, key=lambda pair: pair[0])])


def as_json(tasks: Sequence[Task], results: Sequence[Result]) -> str:
    """All of it."""
    return files.as_json(
        [
            {**dict(zip(("seed", "quantum", "cpu"), task.variant, strict=True)), "result": result}
            for task, result in zip(tasks, results, strict=True)
        ]
    )
