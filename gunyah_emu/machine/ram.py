"""Host memory for guests: ours, so that it can be shared between VMs, snapshotted and inspected."""

from __future__ import annotations

import mmap
import sys

_NORESERVE = 0x4000 if sys.platform == "linux" else 0
"""MAP_NORESERVE, which Python names from 3.13 on: a guest's gigabytes cost the host what the guest touches."""


def allocate(size: int) -> memoryview:
    """`size` zero bytes, a multiple of 4096, that take host memory only where they are touched."""
    return memoryview(mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NORESERVE))
