"""`monitor COMMAND`: what GDB has no packet for.  `monitor help` is derived from the table of commands."""

from gunyah_emu.debug.gdb.monitor.commands import COMMANDS, run

__all__ = ["COMMANDS", "run"]
