"""What a fault did to a machine: its run beside the one without the fault.

The order of the questions is the order below; the first that is answered with yes decides.

crash    a guest brought itself or the hypervisor to a stop, or touched an address or register that does not exist
hang     the run does not end where it ended before: it runs on, or every vCPU waits
silent   nothing says that a call failed: the same ending, no new line on any console, and either the same output and
         the same calls from the same places, or lines that are missing
handled  anything else: another exit status, another text, or other calls, such as a retry
lost     the run could not be made
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from gunyah_emu.testing.task import Result

CRASH: Final = "crash"
HANG: Final = "hang"
SILENT: Final = "silent"
HANDLED: Final = "handled"
LOST: Final = "lost"
VERDICTS: Final = (CRASH, HANG, SILENT, LOST, HANDLED)
"""The worst first."""

ABOUT: Final = {
    CRASH: "a guest brought itself or the hypervisor to a stop, or touched what does not exist",
    HANG: "the run does not end where it ended without the fault",
    SILENT: "nothing that a person or another VM could see says that the call failed",
    LOST: "the run could not be made",
    HANDLED: "the guest did something about it: another status, another text, other calls",
}

TOUCHES: Final = (" of unmapped address ", " of unknown system register ")


class Verdict(NamedTuple):
    """A word of `VERDICTS`, and why."""

    word: str
    why: str


def judge(base: Result, run: Result, vm: str) -> Verdict:
    """The verdict of one fault.

    Arguments:
        base: the run without it.
        run: the run with it.
        vm: whose call failed.
    """
    if run["reason"] == "LOST":
        return Verdict(LOST, run["messages"][0])
    crash = _crash(base, run)
    if crash is not None:
        return Verdict(CRASH, crash)
    hang = _hang(base, run)
    if hang is not None:
        return Verdict(HANG, hang)
    fresh, missing = _lines(base, run)
    if run["status"] != base["status"] or run["reason"] != base["reason"]:
        said = f": {fresh}" if fresh else ""
        return Verdict(HANDLED, f"ends with status {run['status']}{said}")
    if fresh:
        return Verdict(HANDLED, f"says {fresh}")
    if missing:
        return Verdict(SILENT, f"ends as if nothing had happened, but without {missing}")
    if run["digests"] != base["digests"]:
        return Verdict(HANDLED, "prints the same lines in another order")
    if run["sequences"].get(vm) != base["sequences"].get(vm):
        return Verdict(HANDLED, "makes other calls, and comes to the same end")
    return Verdict(SILENT, "goes on as if the call had not failed")


def _crash(base: Result, run: Result) -> str | None:
    fresh = [message for message in run["messages"] if message not in base["messages"]]
    if run["reason"] == "FATAL" and base["reason"] != "FATAL":
        return fresh[-1] if fresh else "a guest brought itself to a stop"
    return next((message for message in fresh if any(touch in message for touch in TOUCHES)), None)


def _hang(base: Result, run: Result) -> str | None:
    if run["reason"] == "INSTRUCTIONS" and base["reason"] != "INSTRUCTIONS":
        return f"still runs after {run['instructions']} instructions; without the fault it took {base['instructions']}"
    if run["reason"] != "IDLE":
        return None
    waiting = [message for message in run["messages"] if message.endswith("nothing can wake it")]
    if base["reason"] != "IDLE":
        return "; ".join(waiting) or "every vCPU waits"
    fresh, missing = _lines(base, run)
    return f"waits earlier than before: without {missing}" if missing and not fresh else None


def _lines(base: Result, run: Result) -> tuple[str, str]:
    """The first line of a console that is new, and the first that is missing; each with its VM."""
    return _first_of(run, base), _first_of(base, run)


def _first_of(one: Result, other: Result) -> str:
    for vm, text in one["consoles"].items():
        known = set(other["consoles"].get(vm, "").splitlines())
        line = next((line for line in text.splitlines() if line not in known), None)
        if line is not None:
            return f"{line[:120]!r} ({vm})"
    return ""
