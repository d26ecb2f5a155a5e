"""`gunyah-emu doctor`: does the CPU engine work here, which way does it take, and why."""

from __future__ import annotations

import argparse
import platform
import sys

from gunyah_emu.cli.arguments import add_way
from gunyah_emu.cpu import CallTable, ExitHandler, Stop, open_engine
from gunyah_emu.errors import UserError

BASE = 0x4000_0000
PROGRAM = (
    0xD2800540,  # mov  x0, #42
    0xD40C0002,  # hvc  #0x6000
    0xD503207F,  # wfi
)
"""What the self-test runs: a hypercall, then a wait."""


def self_test(way: str) -> tuple[str, str]:
    """Run the program on one way; (the way it took, why).

    Errors: UserError when the way does not work here.
    """
    seen: list[int] = []

    def call(_caller: object, x0: int) -> tuple[int, int]:
        seen.append(x0)
        return 0, x0 + 1

    memory = memoryview(bytearray(4096))
    memory[: 4 * len(PROGRAM)] = b"".join(word.to_bytes(4, "little") for word in PROGRAM)
    engine = open_engine(calls=CallTable([call], b"\1"), handler=ExitHandler(), way=way)
    try:
        engine.map_ram(BASE, memory)
        engine.reset(0, pc=BASE)
        engine.set_clock(0)
        stop = engine.run(0, 1000)
        x = engine.registers(0).x
        if stop is not Stop.WFI or seen != [42] or (x[0], x[1]) != (0, 43) or engine.retired != len(PROGRAM):
            raise UserError(
                f"the {engine.way} way must run {len(PROGRAM)} instructions up to WFI with one hypercall; "
                f"it stopped by {stop.name} after {engine.retired}, calls {seen}, x0={x[0]:#x}, x1={x[1]:#x}"
            )
        return engine.way, engine.why
    finally:
        engine.close()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The way that must work."""
    add_way(parser, default="auto")


def run(arguments: argparse.Namespace) -> int:
    """Test both ways and say which one a run takes."""
    from gunyah_emu import __version__
    from gunyah_emu.cpu.libunicorn import VERSION

    print(f"python    {platform.python_version()} on {platform.system()} {platform.machine()} ({sys.executable})")
    print(f"package   gunyah-emu {__version__}, unicorn {'.'.join(map(str, VERSION))}")
    for way in ("fast", "portable"):
        try:
            self_test(way)
            print(f"{way:9} works")
        except UserError as error:
            print(f"{way:9} does not work: {error}")
    way, why = self_test(arguments.way)
    print(f"{arguments.way:9} takes the {way} way: {why}")
    return 0
