"""A script in a machine file talks to the guest, and whoever ran it learns where the dialogue ended."""

from __future__ import annotations

from pathlib import Path

from gunyah_emu import Machine

HELLO = Path(__file__).resolve().parents[2] / "guest_images/hello/hello.elf"


def run(folder: Path, *steps: str) -> tuple[str, ...]:
    path = folder / "machine.toml"
    lines = "\n".join(f"[[vm.script]]\n{step}" for step in steps)
    path.write_text(f"[[vm]]\nname = 'hello'\nimage = '{HELLO}'\n{lines}\n")
    with Machine.from_toml(path) as machine:
        outcome = machine.run(max_instructions=10_000_000)
        assert outcome.exit_status == 0
        return outcome.messages


def test_a_dialogue_that_ends_is_not_mentioned(tmp_path: Path) -> None:
    assert run(tmp_path, "expect = 'ello'") == ()


def test_a_text_that_never_came_is_named(tmp_path: Path) -> None:
    messages = run(tmp_path, "expect = 'ello'", "expect = 'login: '\nsend = \"root\\n\"")
    assert messages == ("VM 'hello': its script still waits for 'login: '",)
