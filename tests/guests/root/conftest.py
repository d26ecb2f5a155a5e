"""Where the guests are, and both ways of driving the CPU."""

from __future__ import annotations

from pathlib import Path

import pytest

IMAGES = Path(__file__).resolve().parents[3] / "guest_images"


@pytest.fixture
def images() -> Path:
    return IMAGES


@pytest.fixture(params=["auto", "portable"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)
