"""Writes the names of all calls where GDB reads them: gunyah_emu/debug/gdb/client/syscalls/aarch64-linux.xml."""

from __future__ import annotations

from pathlib import Path

from gunyah_emu.debug.gdb.calls import XML_FILE, syscalls_xml
from gunyah_emu.debug.gdb.client_files import FOLDER


def main() -> None:
    """Write the file."""
    path = Path(FOLDER) / "syscalls" / XML_FILE
    path.write_text(syscalls_xml(), encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
