"""Counts as people write them, on a command line and in settings alike."""

from __future__ import annotations


def read_count(text: str) -> int | None:
    """A positive count: decimal or 0x..., underscores, or with k, M, G (powers of ten); None for anything else."""
    multiplier = {"k": 10**3, "M": 10**6, "G": 10**9}.get(text[-1:], 1)
    digits = text[:-1] if multiplier > 1 else text
    try:
        value = int(digits, 0) * multiplier
    except ValueError:
        return None
    return value if value > 0 else None
