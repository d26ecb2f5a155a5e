"""`--gunyah-coverage` and `--gunyah-hypercall-coverage`: coverage of a whole test run, also of xdist's workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gunyah_emu.testing.options import option_group

if TYPE_CHECKING:
    from typing import Any

    from gunyah_emu.testing.coverage import Coverage
    from gunyah_emu.testing.under_test import MachineUnderTest

COVERAGE: pytest.StashKey[Coverage] = pytest.StashKey()
"""Of a test run: what was covered so far; absent when nobody asked."""

OUTPUT = "gunyah_coverage"
OPTIONS = ("gunyah_coverage", "gunyah_hypercall_coverage")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where to write."""
    group = option_group(parser)
    group.addoption("--gunyah-coverage", metavar="FILE.info", help="write the guests' lines and functions, for lcov")
    group.addoption(
        "--gunyah-hypercall-coverage", metavar="FILE.json", help="write which results of which hypercalls were seen"
    )


def pytest_gunyah_machine(machine: MachineUnderTest, item: pytest.Item) -> None:
    """Covers a machine, if somebody asked."""
    config = item.config
    if not any(config.getoption(name) for name in OPTIONS):
        return
    if COVERAGE not in config.stash:
        from gunyah_emu.testing.coverage import Coverage

        config.stash[COVERAGE] = Coverage()
    lines, calls = (config.getoption(name) is not None for name in OPTIONS)
    config.stash[COVERAGE].watch(machine, lines=lines, calls=calls)


def pytest_gunyah_machine_done(machine: MachineUnderTest, item: pytest.Item) -> None:
    """Keeps what it gave."""
    if COVERAGE in item.config.stash:
        item.config.stash[COVERAGE].take(machine)


class FromWorkers:
    """Takes what xdist's workers covered; registered where xdist is."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """A worker ends; one that died has told nothing."""
        data = getattr(node, "workeroutput", {}).get(OUTPUT)
        if data is None:
            return
        if COVERAGE not in self._config.stash:
            from gunyah_emu.testing.coverage import Coverage

            self._config.stash[COVERAGE] = Coverage()
        self._config.stash[COVERAGE].add(data)


def pytest_configure(config: pytest.Config) -> None:
    """Listens to workers."""
    if any(config.getoption(name) for name in OPTIONS) and not hasattr(config, "workerinput"):
        config.pluginmanager.register(FromWorkers(config), "gunyah-coverage-from-workers")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hands over to the controller; there, and without workers, `pytest_terminal_summary` writes."""
    config = session.config
    if COVERAGE in config.stash and hasattr(config, "workeroutput"):
        config.workeroutput[OUTPUT] = config.stash[COVERAGE].as_data()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Writes the files, and says what they hold."""
    if hasattr(config, "workerinput") or not any(config.getoption(name) for name in OPTIONS):
        return
    from gunyah_emu.errors import UserError
    from gunyah_emu.testing import call_coverage
    from gunyah_emu.testing.coverage import Coverage
    from gunyah_emu.testing.report_files import write_whole

    coverage = config.stash.get(COVERAGE, None) or Coverage()
    terminalreporter.section("guest coverage")
    try:
        if (path := config.getoption(OPTIONS[0])) is not None:
            lcov = coverage.lcov()
            write_whole(path, "coverage file", lcov.text())
            terminalreporter.line(f"{path}: {lcov.summary()}")
        if (path := config.getoption(OPTIONS[1])) is not None:
            write_whole(path, "hypercall coverage", call_coverage.as_json(coverage.calls))
            *_, last = call_coverage.lines(coverage.calls)
            terminalreporter.line(f"{path}: {last}")
    except UserError as error:
        terminalreporter.line(str(error), red=True)
