"""Machine files that are tests: `*.machine.toml` with an `[expect]` table, collected by pytest."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from gunyah_emu.testing.variants import Variant, variants

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from gunyah_emu.machine.config import MachineConfig

SUFFIX = ".machine.toml"
HAS_EXPECT = re.compile(r"^\s*\[*\s*[\"']?expect\b", re.MULTILINE)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A collector for a machine file that says what it expects; other files, broken ones too, are nobody's tests."""
    if not file_path.name.endswith(SUFFIX):
        return None
    text = file_path.read_text(encoding="utf-8", errors="replace")
    return MachineFile.from_parent(parent, path=file_path) if HAS_EXPECT.search(text) else None


class MachineFile(pytest.File):
    """A machine file with an `[expect]` table."""

    def collect(self) -> Iterator[pytest.Item]:
        """A test for each variant."""
        from gunyah_emu.errors import UserError

        try:
            expect = self.read().expect
        except UserError as error:
            raise self.CollectError(str(error)) from None
        if expect is None:
            return
        found = variants(self.config, vars(expect))
        for variant in found:
            name = f"run[{variant.id}]" if len(found) > 1 else "run"
            yield MachineTest.from_parent(self, name=name, variant=variant)

    def read(self) -> MachineConfig:
        """What the file says, now."""
        from gunyah_emu.machine.config import MachineConfig
        from gunyah_emu.testing.make import shown

        return MachineConfig.from_toml(shown(self.path))


class MachineTest(pytest.Item):
    """One run of a machine file, in one variant."""

    def __init__(self, *, variant: Variant, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.variant = variant

    def runtest(self) -> None:
        """Run the machine and hold it against what the file expects."""
        from gunyah_emu.testing.check import check
        from gunyah_emu.testing.fixtures import Maker

        maker = Maker(self, self.variant)
        self.addfinalizer(maker.close)
        check(maker(self.path))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The report alone: nobody wants a traceback through the plugin."""
        from gunyah_emu.errors import UserError
        from gunyah_emu.testing.under_test import ExpectationError

        if isinstance(excinfo.value, (ExpectationError, UserError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where the test is, for pytest's reports."""
        return self.path, None, f"{self.path.name}: {self.name}"
