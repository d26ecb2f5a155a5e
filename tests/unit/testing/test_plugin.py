"""What a user of the pytest plugin sees: fixtures, variants, machine files as tests, reports, JUnit XML."""

from __future__ import annotations

import re
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

pytest_plugins = "pytester"

GUESTS = Path(__file__).parents[3] / "guest_images"
RING = '''
    from gunyah_emu.testing import assembly

    def ringer(make_machine, flags="0x5", status=0):
        return make_machine(
            vm=[{"name": "ringer", "image": assembly(f"""
                        capability x0, doorbell_source, 1
                        mov     x1, #{flags}
                ring:   hypercall doorbell_send
                        print   "rang\\\\n"
                        exit    {status}
                """)}],
            doorbell=[{"label": 1, "senders": ["ringer"], "receiver": "ringer"}],
        )
'''


@pytest.fixture
def doorbells(pytester: pytest.Pytester) -> pytest.Pytester:
    """A folder with the machine of guest_images/doorbell_irq."""
    for path in (GUESTS / "doorbell_irq").iterdir():
        shutil.copy(path, pytester.path)
    return pytester


def outcome(pytester: pytest.Pytester, *arguments: str, **counts: int) -> list[str]:
    """Runs pytest in this process and holds it to these outcomes; the lines that it wrote."""
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", *arguments)
    result.assert_outcomes(**counts)
    return result.outlines


def test_a_test_names_its_machine_waits_for_texts_and_looks_at_what_is_left(doorbells: pytest.Pytester):
    doorbells.makepyfile("""
        import re
        import pytest

        @pytest.mark.machine("machine.toml")
        def test_doorbells(machine):
            receiver = machine.vm("receiver")
            assert receiver.expect("taken, edge\\n") == "taken, edge\\n"
            found = receiver.expect(re.compile(r"SPI (\\d+) \\(INTID (\\d+)\\)"))
            assert found.groups() == ("8", "40")
            assert len(machine.hypercalls("sender", "doorbell_send")) == 2
            receiver.expect("level")
            machine.expect_exit(0)
            machine.assert_doorbell(1)
            machine.assert_doorbell(2, flags=0x1)
    """)
    outcome(doorbells, passed=1)


@pytest.mark.parametrize("name", ["test_ring.toml", "ring.toml", "machine.toml"])
def test_a_machine_file_beside_the_test_needs_no_marker(doorbells: pytest.Pytester, name: str):
    (doorbells.path / "machine.toml").rename(doorbells.path / name)
    doorbells.makepyfile(test_ring="def test(machine): machine.expect_exit()")
    outcome(doorbells, passed=1)


def test_without_a_machine_file_it_says_which_would_do(pytester: pytest.Pytester):
    pytester.makepyfile(test_ring="def test(machine): pass")
    lines = outcome(pytester, errors=1)
    assert any("beside test_ring.py: test_ring.toml, ring.toml, machine.toml" in line for line in lines)


def test_a_mistake_in_a_machine_file_is_told_with_its_place_and_without_a_traceback(doorbells: pytest.Pytester):
    text = (doorbells.path / "machine.toml").read_text().replace("label = 2", "label = 1")
    (doorbells.path / "machine.toml").write_text(text)
    doorbells.makepyfile("def test(machine): pass")
    lines = outcome(doorbells, errors=1)
    assert "machine.toml:18:9: labels of doorbells must be unique; 1 is that of number 1" in lines
    assert not any("Traceback" in line or "config.py" in line for line in lines)


def test_a_guest_of_assembly_runs_in_both_encodings(pytester: pytest.Pytester):
    pytester.makeconftest(RING)
    pytester.makepyfile("""
        import pytest
        from conftest import ringer

        @pytest.mark.machine(encodings=["native", "smccc"])
        def test_ring(make_machine, gunyah_variant):
            machine = ringer(make_machine, status=3)
            machine.vm("ringer").expect("rang")
            machine.expect_exit(3)
            machine.assert_doorbell(1, flags=0x5)
            code = machine.vm("ringer").threads[0].addrspace.read(0x40100000, 64)
            assert ((0xD4000002).to_bytes(4, "little") in code) == (gunyah_variant.encoding == "smccc")
    """)
    lines = outcome(pytester, "-v", passed=2)
    assert [line.split()[0] for line in lines if "PASSED" in line] == [
        "test_a_guest_of_assembly_runs_in_both_encodings.py::test_ring[native]",
        "test_a_guest_of_assembly_runs_in_both_encodings.py::test_ring[smccc]",
    ]


def test_what_is_sent_reaches_a_guest_that_reads(pytester: pytest.Pytester):
    for path in (GUESTS / "echo").iterdir():
        shutil.copy(path, pytester.path)
    (pytester.path / "machine.toml").write_text('[[vm]]\nname = "echo"\nimage = "semihosting.elf"\n')
    pytester.makepyfile("""
        def test_echo(machine):
            echo = machine.vm("echo")
            echo.expect("> ")
            echo.send("hello\\n")
            echo.expect("you typed: hello\\n")
            echo.expect("> ")
            echo.end_input()
            machine.expect_exit()
    """)
    outcome(pytester, passed=1)


def test_the_command_line_varies_what_a_test_leaves_open(doorbells: pytest.Pytester):
    doorbells.makepyfile("""
        import pytest

        def test_open(machine): machine.expect_exit()

        @pytest.mark.machine(seeds=[7])
        def test_own(machine): assert machine.chooser.seed == 7

        def test_without_a_machine(): pass
    """)
    arguments = ("-v", "--gunyah-seeds=0,1", "--gunyah-quanta=50", "--gunyah-cpus=cortex-a72,max")
    lines = outcome(doorbells, *arguments, passed=4 + 2 + 1)
    names = re.findall(r"::(\S+) PASSED", "\n".join(lines))
    assert names[0] == "test_open[seed=0-quantum=50-cortex-a72]"
    assert names[-2:] == ["test_own[seed=7-quantum=50-max]", "test_without_a_machine"]


def test_a_setting_varies_too_and_a_wrong_one_is_refused(doorbells: pytest.Pytester):
    doorbells.makepyfile("def test(machine): machine.expect_exit()")
    doorbells.makeini("[pytest]\ngunyah_quanta = 10, 20\n")
    outcome(doorbells, passed=2)
    result = doorbells.runpytest_inprocess("--gunyah-quanta=10,x")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(
        ["*--gunyah-quanta must be a list of values, each an integer of 1..10000000; it has 'x'"]
    )


def test_an_encoding_from_the_command_line_skips_a_machine_that_has_no_image_for_it(doorbells: pytest.Pytester):
    doorbells.makepyfile("def test(machine): machine.expect_exit()")
    lines = outcome(doorbells, "-rs", "--gunyah-encodings=native,smccc", passed=1, skipped=1)
    assert any("sender.smccc.elf beside sender.elf" in line for line in lines)


def test_an_encoding_takes_the_image_that_was_built_for_it(doorbells: pytest.Pytester):
    shutil.copy(doorbells.path / "sender.elf", doorbells.path / "sender.smccc.elf")
    doorbells.makepyfile("""
        def test(machine): assert [vm.images[0].path[-9:] for vm in machine.vms] == ["smccc.elf", "eiver.elf"]
    """)
    outcome(doorbells, "--gunyah-encodings=smccc", passed=1)


def test_a_failure_shows_console_events_instructions_and_how_to_see_it_again(pytester: pytest.Pytester):
    pytester.makeconftest(RING)
    pytester.makepyfile("""
        from gunyah_emu.testing import assembly

        def test_hangs(make_machine):
            machine = make_machine(vm=[{"name": "a", "image": assembly('''
                print "before\\\\n"
            spin: nop
                wfi
                b spin
            ''')}])
            machine.vm("a").expect("after")
    """)
    text = "\n".join(outcome(pytester, "--gunyah-seeds=3", failed=1))
    assert "VM 'a' did not print 'after': every vCPU waits and nothing can wake one after" in text
    assert "    | before" in text
    assert re.search(r"vCPU 0 waits at 0x\w+ \(spin\+0x8\)", text)
    assert re.search(r"> 0x\w+  b #0x\w+", text)
    assert re.search(r"\d ns  a/0 wait", text)
    assert "seed 3, quantum 30000: " in text
    assert f"pytest {pytester.path.name[:-1]}" in text.replace("::", " ")
    assert "--gunyah-seeds=3" in text


def test_a_guest_that_only_ticks_spends_virtual_time(pytester: pytest.Pytester):
    pytester.makeini("[pytest]\ngunyah_max_virtual_seconds = 2\n")
    shutil.copy(GUESTS / "echo" / "semihosting.elf", pytester.path)  # it sets a timer while it waits for input
    pytester.makepyfile("""
        def test_ticks(make_machine):
            make_machine(vm=[{"name": "a", "image": "semihosting.elf"}]).vm("a").expect("never")
    """)
    text = "\n".join(outcome(pytester, failed=1))
    assert "the budget of virtual time is spent" in text
    assert "having read the console, where nothing is" in text


def test_junit_xml_has_instructions_and_seed(doorbells: pytest.Pytester):
    doorbells.makepyfile("def test(machine): machine.expect_exit()")
    outcome(doorbells, "--junit-xml=junit.xml", "--gunyah-seeds=5", passed=1)
    case = ElementTree.parse(doorbells.path / "junit.xml").find(".//testcase")
    assert case is not None
    properties = {each.get("name"): each.get("value") for each in case.iter("property")}
    assert properties["gunyah_instructions"] == "142818"
    assert properties["gunyah_seed"] == "5"
    assert properties["gunyah_cpus"] == "cortex-a72"


def test_a_failed_test_leaves_a_page_for_a_browser(doorbells: pytest.Pytester):
    doorbells.makepyfile(
        test_ring="""
        def test_passes(machine): machine.expect_exit(0)
        def test_fails(machine): machine.expect_exit(1)
        """
    )
    lines = outcome(doorbells, "--gunyah-reports=pages", "--junit-xml=junit.xml", passed=1, failed=1)
    assert [path.name for path in (doorbells.path / "pages").iterdir()] == ["test_ring.py-test_fails.html"]
    assert "pages/test_ring.py-test_fails.html" in lines
    assert "pages/test_ring.py-test_fails.html" in (doorbells.path / "junit.xml").read_text()
    (doorbells.path / "file").touch()
    lines = outcome(doorbells, "--gunyah-reports=file", passed=1, failed=1)
    assert any(line.startswith("no page: ") for line in lines)


def test_under_xdist_it_says_the_same(doorbells: pytest.Pytester):
    doorbells.makepyfile("def test(machine): machine.expect_exit()")
    result = doorbells.runpytest_subprocess("-p", "xdist", "-n", "2", "--junit-xml=junit.xml", "--gunyah-seeds=0,1")
    result.assert_outcomes(passed=2)
    cases = ElementTree.parse(doorbells.path / "junit.xml").iter("testcase")
    found = {
        case.get("name"): {each.get("name"): each.get("value") for each in case.iter("property")} for case in cases
    }
    assert found["test[seed=1]"]["gunyah_seed"] == "1"
    assert found["test[seed=0]"]["gunyah_instructions"] == "142818"


def test_a_conftest_meets_every_machine(doorbells: pytest.Pytester):
    doorbells.makeconftest("""
        from gunyah_emu.testing.options import FAILED

        def pytest_gunyah_machine(machine, item):
            print("made", len(machine.vms), machine.clock.instructions)

        def pytest_gunyah_machine_done(machine, item):
            print("done", item.stash[FAILED], machine.clock.instructions)
    """)
    doorbells.makepyfile("def test(machine): machine.expect_exit(9)")
    lines = outcome(doorbells, failed=1)
    assert "made 2 0" in lines
    assert "done True 142818" in lines


def test_the_plugin_imports_no_emulator_for_a_test_run_without_machines(pytester: pytest.Pytester):
    pytester.makepyfile("""
        import sys

        def test_nothing_is_there():
            heavy = ("machine", "cpu", "hypervisor", "gic", "boot", "events")
            assert not {f"gunyah_emu.{name}" for name in heavy} & set(sys.modules)
            assert not {"capstone", "keystone", "elftools", "libfdt"} & set(sys.modules)
    """)
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_pip_install_is_enough(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    monkeypatch.delenv("PYTEST_PLUGINS")
    result = pytester.runpytest_subprocess("--markers", "-W", "error")
    result.stdout.fnmatch_lines(["@pytest.mark.machine(file, *"])
