"""For GDB, not for the package: `gdb-multiarch -x .../gunyah-gdb.py -ex 'gunyah HOST:PORT'`.

Makes GDB know the names of hypercalls (`catch syscall doorbell_send`), run all VMs when it runs one, connect, and read
each VM's registers as its own.
"""

import pathlib

import gdb

FOLDER = pathlib.Path(__file__).resolve().parent


class Gunyah(gdb.Command):
    """Connect to a machine that `gunyah-emu debug` serves: gunyah [HOST:]PORT."""

    def __init__(self) -> None:
        super().__init__("gunyah", gdb.COMMAND_RUNNING)

    def invoke(self, argument: str, from_tty: bool) -> None:
        """Set up, connect, and visit every VM once."""
        # Names of calls are read from the folder `syscalls` of this one, symbols from the images on this host.
        gdb.execute(f"set data-directory {FOLDER}")
        gdb.execute("set sysroot")
        gdb.execute("set schedule-multiple on")
        gdb.execute("set architecture aarch64", to_string=True)
        gdb.execute(f"target extended-remote {argument}", from_tty)
        visited.clear()
        visit()


visited: set[int] = set()


def visit(event: object = None) -> None:
    """Let GDB read the target description of each VM: by itself it does that for the first only."""
    new = [inferior for inferior in gdb.inferiors() if inferior.pid not in visited and inferior.threads()]
    if not new:
        return
    stopped = gdb.selected_thread()
    for inferior in new:
        visited.add(inferior.pid)
        inferior.threads()[0].switch()
        gdb.execute("unset tdesc filename")
    if stopped is not None:
        stopped.switch()


Gunyah()
gdb.events.stop.connect(visit)
