"""`gunyah-emu faults`: every hypercall of a machine fails, in every way that its declaration allows."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from gunyah_emu.cli import campaigns
from gunyah_emu.testing import fault_report
from gunyah_emu.testing.bundle import bundle_of
from gunyah_emu.testing.campaign import Campaign
from gunyah_emu.testing.fault_search import OCCURRENCES, Choice, search
from gunyah_emu.testing.report_files import write_whole
from gunyah_emu.testing.verdict import ABOUT, VERDICTS

EPILOG = (
    "verdicts:\n"
    + "".join(f"  {word:8} {about}\n" for word, about in ABOUT.items())
    + """
exit status:
  0        no fault came to a verdict of --fail-on
  1        some did
  2        a mistake in what the user asked for
  130      Ctrl-C
"""
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to run, which calls to let fail, what counts as a failure."""
    campaigns.add_arguments(parser)
    which = parser.add_argument_group("which calls fail")
    which.add_argument("--vm", action="append", default=[], metavar="NAME", help="only calls of this VM (repeatable)")
    which.add_argument("--call", action="append", default=[], metavar="NAME", help="only this hypercall (repeatable)")
    which.add_argument(
        "--occurrences",
        type=_words(OCCURRENCES),
        default=["first"],
        metavar="first,last,all",
        help="of the calls that one place makes (default: first)",
    )
    parser.add_argument(
        "--fail-on",
        type=_words((*VERDICTS, "nothing")),
        default=["crash", "hang", "silent", "lost"],
        metavar="VERDICT,...",
        help="verdicts that are failures (default: crash,hang,silent,lost); nothing: none is",
    )


def _words(known: tuple[str, ...]) -> Callable[[str], list[str]]:
    def read(text: str) -> list[str]:
        found = text.split(",")
        if any(word not in known for word in found):
            raise argparse.ArgumentTypeError(f"must be some of {', '.join(known)}, not {text!r}")
        return found

    return read


def run(arguments: argparse.Namespace) -> int:
    """Search, tell, write."""
    choice = Choice(
        campaigns.chosen_variants(arguments),
        arguments.occurrences,
        arguments.vm,
        arguments.call,
        arguments.max_instructions,
    )
    campaign = Campaign(bundle_of(arguments.images), campaigns.workforce(arguments), f"faults {choice}")
    try:
        with campaigns.progress() as progress:
            _, findings = search(campaign, choice, progress)
    finally:
        campaign.close()
    for line in fault_report.text_lines(findings):
        print(line)
    title = f"Faults of {' '.join(arguments.images)}"
    if arguments.html:
        write_whole(arguments.html, "page", fault_report.html(title, findings))
    if arguments.junit:
        write_whole(arguments.junit, "JUnit file", fault_report.junit(title, findings, arguments.fail_on))
    if arguments.json:
        write_whole(arguments.json, "JSON file", fault_report.as_json(findings))
    return int(any(finding.verdict.word in arguments.fail_on for finding in findings))
