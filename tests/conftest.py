"""What holds for every test."""

import pytest

CI_VARIABLES = ("CI", "BUILD_NUMBER")
"""pytest itself prints more where it finds one of these, also the pytest that a test starts."""


@pytest.fixture(autouse=True)
def _like_anywhere(monkeypatch):
    """A test sees the same on a CI machine as on anybody's."""
    for name in CI_VARIABLES:
        monkeypatch.delenv(name, raising=False)
