"""The table of commands, and how a line becomes one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gunyah_emu.debug.gdb.fields import Refused
from gunyah_emu.debug.gdb.monitor import events, machine, objects
from gunyah_emu.debug.gdb.monitor.command import Command, Complaint, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gunyah_emu.debug.gdb.stub import Stub


def show_help(stub: Stub, given: list[str]) -> Iterator[str]:
    """Every command, a line each."""
    words(given, 0, 0, "help")
    uses = {command.name: f"{command.name} {command.usage}".strip() for command in COMMANDS.values()}
    width = max(map(len, uses.values()))
    for command in COMMANDS.values():
        yield f"monitor {uses[command.name]:{width}}  {command.about}"


COMMANDS: Final[dict[str, Command]] = {
    command.name: command
    for command in (*objects.COMMANDS, *machine.COMMANDS, *events.COMMANDS, Command("help", "", "this list", show_help))
}


def run(stub: Stub, line: str) -> Iterator[str]:
    """Carry out a line; what cannot be carried out is explained in one."""
    name, *given = line.split() or ["help"]
    command = COMMANDS.get(name)
    if command is None:
        yield f"there is no monitor command {name!r}; there are {', '.join(COMMANDS)}"
        return
    try:
        yield from command.run(stub, given)
    except (Complaint, Refused) as complaint:
        yield str(complaint)
