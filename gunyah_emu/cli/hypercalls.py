"""`gunyah-emu hypercalls`: the table, from the declarations."""

from __future__ import annotations

import argparse

from gunyah_emu.hypervisor.hypervisor import load_declarations
from gunyah_emu.hypervisor.object import OBJECT_TYPES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which to show."""
    parser.add_argument("pattern", nargs="?", help="only those whose name or number contains this")


def run(arguments: argparse.Namespace) -> int:
    """Print one line a hypercall: both encodings, name, arguments and results in register order."""
    pattern = (arguments.pattern or "").lower()
    for declaration in sorted(load_declarations().values(), key=lambda call: call.number or 0):
        if declaration.number is None:
            continue
        encodings = f"{declaration.number:#06x}  {declaration.smccc_id:#010x}"
        if pattern in f"{encodings} {declaration.name}":
            inputs = ", ".join(declaration.argument_names)
            outputs = ", ".join(output.name for output in declaration.outputs(OBJECT_TYPES))
            print(f"{encodings}  {declaration.name}({inputs}) -> {outputs}")
    return 0
