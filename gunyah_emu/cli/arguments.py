"""Kinds of arguments that several commands take."""

from __future__ import annotations

import argparse

from gunyah_emu.machine.config_keys import VM
from gunyah_emu.machine.config_schema import Address, Choice, File, Integer, Table, Text
from gunyah_emu.machine.counts import read_count

EXIT_STATUSES = """exit status:
  0..123  the guest's own: PSCI SYSTEM_OFF is 0, semihosting SYS_EXIT_EXTENDED any
  2       also: a mistake in what the user asked for
  124     the budget is spent (--max-instructions, --max-virtual-seconds, --timeout)
  125     every vCPU waits and nothing can wake one
  126     a guest brought itself or the hypervisor to a stop
  130     Ctrl-C
"""


def count(text: str) -> int:
    """A positive count: decimal or 0x..., underscores, or with k, M, G (powers of ten)."""
    value = read_count(text)
    if value is None:
        raise argparse.ArgumentTypeError(f"must be a positive count such as 5000, 20M or 1G, not {text!r}")
    return value


def seconds(text: str) -> float:
    """A positive number of seconds."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a positive number of seconds, not {text!r}")
    return value


def virtual_time(text: str) -> int:
    """Nanoseconds of virtual time: 1500, 1500ns, 1.5us, 20ms, 3s."""
    digits = text.rstrip("nums")
    scale = {"": 1, "ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9}.get(text[len(digits) :])
    try:
        value = -1 if scale is None else round(float(digits) * scale)
    except (ValueError, OverflowError):
        value = -1
    if value < 0:
        raise argparse.ArgumentTypeError(f"must be a time such as 1500ns, 1.5us, 20ms or 3s, not {text!r}")
    return value


def integer(text: str) -> int:
    """An integer in any of Python's notations."""
    try:
        return int(text, 0)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be an integer such as 7 or 0x7, not {text!r}") from None


def add_machine(parser: argparse.ArgumentParser) -> None:
    """What to run, and what a machine can be made with: what `run.load` takes."""
    parser.add_argument("images", nargs="+", metavar="MACHINE.toml | IMAGE.elf | FILE.snapshot", help="what to run")
    add_vm_keys(parser)
    parser.add_argument(
        "--seed", type=integer, metavar="N", help="where random numbers come from (default: the machine file's)"
    )
    parser.add_argument(
        "--quantum",
        type=count,
        metavar="N",
        help="instructions of a turn while others wait (default: the machine file's)",
    )
    add_way(parser)


IMAGE_KEYS = ("memory", "vcpus", "cpu", "image_type", "load_address", "bootargs", "initrd", "device_tree", "gic")
"""The keys of `[[vm]]` that a command line may give to VMs of images, without a machine file."""
METAVARS = {Integer: "N", Address: "ADDRESS", File: "FILE", Text: "TEXT", Table: "SIZE"}


def add_vm_keys(parser: argparse.ArgumentParser) -> None:
    """An option for each of `IMAGE_KEYS`, its help from the key's declaration."""
    group = parser.add_argument_group("for images that have no machine file; as the keys of [[vm]]")
    for name in IMAGE_KEYS:
        key = VM.keys[name]
        is_number = isinstance(key.kind, Integer | Address)
        group.add_argument(
            f"--{name.replace('_', '-')}",
            dest=f"vm_{name}",
            metavar=METAVARS.get(type(key.kind)),
            type=integer if is_number else str,
            choices=key.kind.words if isinstance(key.kind, Choice) else None,
            help=key.purpose.replace("`", ""),
        )


def vm_keys(arguments: argparse.Namespace) -> dict[str, object]:
    """The keys of `[[vm]]` that the options of `add_vm_keys` gave."""
    given = {name: getattr(arguments, f"vm_{name}") for name in IMAGE_KEYS}
    keys = {name: value for name, value in given.items() if value is not None}
    if "memory" in keys:
        keys["memory"] = {"size": keys["memory"]}
    return keys


def add_way(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """How to drive the CPU."""
    help_text = "how to drive the CPU (default: the machine file's; auto)"
    parser.add_argument("--way", choices=("auto", "fast", "portable"), default=default, help=help_text)
