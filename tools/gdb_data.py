"""Writes the names of all calls where GDB reads them: gunyah_emu/debug/gdb/client/syscalls/aarch64-linux.xml.

    python tools/gdb_data.py [--check]

With --check nothing is written: the status is 1 when the file is not what would be written.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gunyah_emu.debug.gdb.calls import XML_FILE, syscalls_xml
from gunyah_emu.debug.gdb.client_files import FOLDER


def main() -> int:
    """Write the file, or compare it."""
    path = Path(FOLDER) / "syscalls" / XML_FILE
    if "--check" in sys.argv[1:]:
        return int(path.read_text(encoding="utf-8") != syscalls_xml())
    path.write_text(syscalls_xml(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
