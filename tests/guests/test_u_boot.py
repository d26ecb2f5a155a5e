"""Debian's U-Boot, from the flash at address 0, finds its device tree at the start of RAM and does what it is told."""

from __future__ import annotations

import zlib
from pathlib import Path

from gunyah_emu import Machine, Reason

PROMPT = b"\n=> "
MEGABYTE = 1 << 20


def test_u_boot_reaches_its_prompt_computes_a_checksum_and_powers_off(debian_guests: Path) -> None:
    with Machine.from_toml(debian_guests / "u_boot.toml") as machine:
        console = machine.vm("u-boot").console
        console.script(
            [
                (b"Hit any key to stop autoboot", b"\n"),
                (PROMPT, b"mw.b 0x41000000 0xa5 0x100000\n"),
                (PROMPT, b"crc32 0x41000000 0x100000\n"),
                (PROMPT, b"poweroff\n"),
            ]
        )
        outcome = machine.run(max_instructions=5_000_000_000)
        text = console.text
    assert outcome.reason is Reason.EXITED, text[-2000:]
    assert outcome.exit_status == 0
    assert f"crc32 for 41000000 ... 410fffff ==> {zlib.crc32(bytes([0xA5]) * MEGABYTE):08x}" in text
