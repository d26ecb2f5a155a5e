"""`gunyah-emu hypercalls`: the table, from the declarations."""

from __future__ import annotations

import argparse

from gunyah_emu.hypervisor import DECLARATIONS


def run(arguments: argparse.Namespace) -> int:
    """Print one line a hypercall: both encodings, name, arguments and results in register order."""
    pattern = (arguments.pattern or "").lower()
    for declaration in DECLARATIONS:
        native, smccc = f"{declaration.number:#06x}", f"{0xC600_8000 | declaration.number & 0xFF:#010x}"
        if any(pattern in text for text in (native, smccc, declaration.name)):
            inputs = ", ".join(parameter.name for parameter in declaration.parameters)
            outputs = ", ".join(result.name for result in declaration.results)
            print(f"{native}  {smccc}  {declaration.name}({inputs}) -> {outputs}")
    return 0
