"""The fixtures `machine` and `make_machine`, and what they note in a test's report and in JUnit XML."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gunyah_emu.testing.options import FAILED, MACHINES, count_setting
from gunyah_emu.testing.variants import AXES, Variant, variants

if TYPE_CHECKING:
    import tempfile
    from collections.abc import Callable, Generator, Iterator
    from typing import Any

    from gunyah_emu.testing.under_test import Limits, MachineUnderTest

    MakeMachine = Callable[..., MachineUnderTest]

MARKER_KEYS = (*(axis.name for axis in AXES), "max_instructions", "record")
LOOKS_AT_EVENTS = frozenset({"assert_golden", "encodings", "events", "hypercall_errors", "hypercalls", "lost_events"})


def pytest_addoption(parser: pytest.Parser) -> None:
    """The settings that concern every machine of a test run."""
    parser.addini(
        "gunyah_max_instructions", help="instructions that an expectation waits for (default: 100M)", default="100M"
    )
    parser.addini(
        "gunyah_max_virtual_seconds",
        help="seconds of virtual time that an expectation waits for (default: 60)",
        default="60",
    )
    parser.addini(
        "gunyah_events", help="how many of the newest events of a machine are kept (default: 100k)", default="100k"
    )


def _marker(item: pytest.Item | pytest.Function | Any) -> pytest.Mark | None:
    """The test's nearest marker `machine`, checked."""
    marker: pytest.Mark | None = item.get_closest_marker("machine")
    if marker is not None:
        unknown = [key for key in marker.kwargs if key not in MARKER_KEYS]
        if unknown or len(marker.args) > 1:
            found = f"it has {unknown[0]!r}" if unknown else f"it has {len(marker.args)} files"
            raise pytest.UsageError(
                f"the marker machine must have one file and any of {', '.join(MARKER_KEYS)}; {found}"
            )
    return marker


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each variant; tests that use no machine are left alone."""
    if "gunyah_variant" in metafunc.fixturenames:
        marker = _marker(metafunc.definition)
        found = variants(metafunc.config, {} if marker is None else marker.kwargs)
        if len(found) > 1:
            metafunc.parametrize("gunyah_variant", found, ids=[variant.id for variant in found], indirect=True)


@pytest.fixture
def gunyah_variant(request: pytest.FixtureRequest) -> Variant:
    """With what the test's machines are run."""
    if hasattr(request, "param"):
        chosen: Variant = request.param
        return chosen
    marker = _marker(request.node)
    return variants(request.config, {} if marker is None else marker.kwargs)[0]


@pytest.fixture
def make_machine(request: pytest.FixtureRequest, gunyah_variant: Variant) -> Iterator[MakeMachine]:
    """A function that makes machines, which are closed with the test.

    `make_machine("ring.toml")` takes a machine file; `make_machine(vm=[{...}], doorbell=[{...}])` the tables of one,
    where an image may be `assembly(...)`.
    """
    maker = Maker(request.node, gunyah_variant)
    yield maker
    maker.close()


@pytest.fixture
def machine(request: pytest.FixtureRequest, make_machine: MakeMachine) -> MachineUnderTest:
    """The machine of the marker `machine`, or of the machine file beside the test that is named like it."""
    marker = _marker(request.node)
    if marker is not None and marker.args:
        return make_machine(marker.args[0])
    return make_machine(beside(request.node.path))


def beside(test: Path) -> Path:
    """The machine file of a test file: test_ring.py runs test_ring.toml, ring.toml, or machine.toml."""
    names = dict.fromkeys((test.stem, test.stem.removeprefix("test_"), "machine"))
    candidates = [test.with_name(f"{name}.toml") for name in names]
    found = next((path for path in candidates if path.exists()), None)
    if found is None:
        wanted = ", ".join(path.name for path in candidates)
        pytest.fail(
            "the fixture 'machine' must have a machine file: name it by @pytest.mark.machine(\"FILE.toml\"), or have "
            f"one of these beside {test.name}: {wanted}",
            pytrace=False,
        )
    return found


class Maker:
    """Makes the machines of one test.

    Arguments:
        item: the test.
        variant: with what they are run.
    """

    def __init__(self, item: pytest.Item, variant: Variant) -> None:
        self.item = item
        self.variant = variant
        self.machines = item.stash.setdefault(MACHINES, [])
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def _scratch(self) -> Path:
        """A folder for images that are made in the test; it lasts as long as the test."""
        import tempfile

        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="gunyah_emu-")
        return Path(tempfile.mkdtemp(dir=self._folder.name))

    def __call__(self, file: str | Path | None = None, **tables: object) -> MachineUnderTest:
        """A machine from a machine file, or from the tables of one."""
        __tracebackhide__ = True
        from gunyah_emu.errors import UserError
        from gunyah_emu.testing.make import made, plan
        from gunyah_emu.testing.variants import NoTwinError

        if (file is None) is (not tables):
            raise TypeError("make_machine must get either a machine file or the tables of one")
        try:
            planned = plan(self.item.path.parent, self._scratch, file, tables, self.variant)
            machine = made(planned, self.variant, self._limits(), record=self._records())
        except NoTwinError as error:
            # The test itself may ask for what is not there; the command line asks whoever can.
            if self.item.config.getoption("gunyah_encodings") or self.item.config.getini("gunyah_encodings"):
                pytest.skip(str(error))
            pytest.fail(str(error), pytrace=False)
        except UserError as error:
            pytest.fail(str(error), pytrace=False)
        self.machines.append(machine)
        self.item.ihook.pytest_gunyah_machine(machine=machine, item=self.item)
        return machine

    def _records(self) -> bool:
        """Whether to keep events from the start: where the test says so, and where its code looks at them.

        It is only a guess that saves a second run: whoever asks for events gets them.
        """
        marker = _marker(self.item)
        if marker is not None and "record" in marker.kwargs:
            return bool(marker.kwargs["record"])
        code = getattr(getattr(self.item, "function", None), "__code__", None)
        return code is not None and not LOOKS_AT_EVENTS.isdisjoint(code.co_names)

    def _limits(self) -> Limits:
        from gunyah_emu.testing.under_test import Limits

        marker = _marker(self.item)
        config = self.item.config
        budget = None if marker is None else marker.kwargs.get("max_instructions")
        return Limits(
            budget or count_setting(config, "gunyah_max_instructions"),
            count_setting(config, "gunyah_max_virtual_seconds") * 1_000_000_000,
            count_setting(config, "gunyah_events"),
        )

    def close(self) -> None:
        """Give back all machines."""
        machines, self.machines[:] = list(self.machines), []
        for machine in machines:
            try:
                self.item.ihook.pytest_gunyah_machine_done(machine=machine, item=self.item)
            finally:
                machine.close()
        if self._folder is not None:
            self._folder.cleanup()


def properties_of(machine: MachineUnderTest) -> list[tuple[str, object]]:
    """What JUnit XML and other reports say of a machine."""
    return [
        ("gunyah_machine", machine.origin),
        ("gunyah_instructions", machine.clock.instructions),
        ("gunyah_virtual_ns", machine.clock.now()),
        ("gunyah_seed", machine.chooser.seed),
        ("gunyah_quantum", machine.chooser.quantum),
        ("gunyah_cpus", ",".join(dict.fromkeys(vm.cpu_model for vm in machine.vms))),
        ("gunyah_encoding", (machine.variant and machine.variant.encoding) or "as built"),
    ]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, None]:
    """Fails a test that asked for an encoding which a guest built for it did not use."""
    result = yield
    machines = item.stash.get(MACHINES, None)
    if machines and result.excinfo is None:
        for machine in machines:
            if (wrong := machine.wrong_encoding()) is not None:
                try:
                    pytest.fail(wrong, pytrace=False)
                except BaseException as failure:  # pytest.fail's is none of Exception's
                    result.force_exception(failure)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
    """Notes how a test with machines went, and what they did."""
    machines = item.stash.get(MACHINES, None) if call.when == "call" else None
    if machines:
        for machine in machines:
            item.user_properties += properties_of(machine)
    result = yield
    if machines:
        item.stash[FAILED] = result.get_result().failed
