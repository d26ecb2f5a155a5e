"""`gunyah-emu campaign`: one machine with many seeds, quanta and CPU models, and what that changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gunyah_emu.cli import campaigns
from gunyah_emu.testing import campaign_report
from gunyah_emu.testing.bundle import bundle_of
from gunyah_emu.testing.campaign import Campaign
from gunyah_emu.testing.report_files import write_whole
from gunyah_emu.testing.task import Task

if TYPE_CHECKING:
    import argparse

EPILOG = """exit status:
  0        every run came to the same end: the same consoles and exit status, which is 0
  1        runs differ, or end otherwise than by themselves with status 0
  2        a mistake in what the user asked for
  130      Ctrl-C
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to run, with what."""
    campaigns.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run all, tell, write."""
    variants = campaigns.chosen_variants(arguments)
    tasks = [Task(number, *variant, (), arguments.max_instructions) for number, variant in enumerate(variants)]
    campaign = Campaign(bundle_of(arguments.images), campaigns.workforce(arguments), f"campaign {tasks}")
    try:
        with campaigns.progress() as progress:
            results = campaign.run(tasks, progress("runs"))
    finally:
        campaign.close()
    groups = campaign_report.groups(tasks, results)
    for line in campaign_report.text_lines(groups):
        print(line)
    title = f"Campaign of {' '.join(arguments.images)}"
    if arguments.html:
        write_whole(arguments.html, "page", campaign_report.html(title, groups))
    if arguments.junit:
        write_whole(arguments.junit, "JUnit file", campaign_report.junit(title, groups))
    if arguments.json:
        write_whole(arguments.json, "JSON file", campaign_report.as_json(tasks, results))
    return int(len(groups) > 1 or not groups[0].is_good)
