"""The stepper's screen, driven by keys: what it shows, that it stops, and that no size of terminal breaks it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, RichLog, Static

from gunyah_emu import Machine
from gunyah_emu.debug.stepper.app import Help, Panel, StepperApp

ROOT = Path(__file__).parents[4]

Scene = Callable[[StepperApp, Pilot[int]], Awaitable[None]]


def play(scene: Scene, *, guest: str = "doorbell_irq", size: tuple[int, int] = (150, 44)) -> int | None:
    """Perform a scene on the screen; the app's exit status, if it ended."""

    async def perform() -> int | None:
        with Machine.from_toml(ROOT / "guest_images" / guest / "machine.toml") as machine:
            app = StepperApp(machine)
            async with app.run_test(size=size) as pilot:
                await scene(app, pilot)
            return app.return_value

    return asyncio.run(perform())


async def press(app: StepperApp, pilot: Pilot[int], keys: str) -> None:
    for key in keys.split():
        await pilot.press(key)
        await app.workers.wait_for_complete()
        await pilot.pause()


def shown(app: StepperApp, name: str) -> str:
    """What a frame holds, as text."""
    if name == "log":
        return "\n".join(strip.text.rstrip() for strip in app.query_one("#log", RichLog).lines)
    if name == "status":
        return str(app.query_one("#status", Static).content)
    return str(app.query_one(f"#{name}", Panel).query_one(Static).content)


def test_keys_go_from_the_call_to_its_result_to_the_interrupt_and_back() -> None:
    async def scene(app: StepperApp, pilot: Pilot[int]) -> None:
        await press(app, pilot, "h")
        assert "doorbell_send  by hvc #0x6012" in shown(app, "call")
        assert "doorbell 1 (doorbell, active; rights send)" in shown(app, "call")
        assert "hvc     #0x6012    doorbell_send" in shown(app, "code")
        first = shown(app, "status"), shown(app, "registers")
        await press(app, pilot, "r")
        assert "last: doorbell_send returned OK, 0x0" in shown(app, "call")
        await press(app, pilot, "i")
        assert shown(app, "status").startswith(" receiver/0 ")
        assert "40  active   edge   0xa0  doorbell 1" in shown(app, "gic")
        assert "flags 0x1" in shown(app, "objects")
        assert "because sender/0 calls" in shown(app, "log").replace("\n", " ")
        await press(app, pilot, "s n b b H")
        assert (shown(app, "status"), shown(app, "registers")) == first
        await press(app, pilot, "tab")
        assert shown(app, "status").startswith(" receiver/0 ")

    play(scene)


def test_prompts_ask_for_places_filters_questions_and_verbs() -> None:
    async def scene(app: StepperApp, pilot: Pilot[int]) -> None:
        await press(app, pilot, "t o n _ e d g e enter")
        assert "=>" in shown(app, "code")
        assert "on_edge:" in shown(app, "code")
        await press(app, pilot, "f v m space s e n d e r enter")
        assert "stops for any call of VM sender" in shown(app, "status")
        await press(app, pilot, "w enter")
        assert "> why" in shown(app, "log")
        await press(app, pilot, "colon m e m o r y space m a i n space 1 6 enter")
        assert "ff 03 01 d1 fd 7b" in shown(app, "log")
        await press(app, pilot, "colon f o o enter")
        assert "there is no verb 'foo'" in shown(app, "log")
        await press(app, pilot, "t q escape")
        assert not app.query_one("#prompt", Input).display
        await press(app, pilot, "question_mark")
        assert isinstance(app.screen, Help)
        await press(app, pilot, "escape")
        assert not isinstance(app.screen, Help)
        await press(app, pilot, "q")

    assert play(scene) == 0


def test_escape_stops_a_guest_that_never_calls() -> None:
    async def scene(app: StepperApp, pilot: Pilot[int]) -> None:
        await pilot.press("h")
        await pilot.pause()
        assert "running: Esc stops it" in shown(app, "status")
        await pilot.press("h", "s")  # nothing but Esc is heard
        await pilot.press("escape")
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert "interrupted" in shown(app, "log")
        assert "> step" not in shown(app, "log")
        await press(app, pilot, "s")
        assert "> step" in shown(app, "log")

    play(scene, guest="bad_loop")


def test_leaving_stops_a_guest_first() -> None:
    async def scene(app: StepperApp, pilot: Pilot[int]) -> None:
        await pilot.press("c")
        await pilot.pause()
        await pilot.press("q")
        await app.workers.wait_for_complete()
        await pilot.pause()

    assert play(scene, guest="bad_loop") == 0


@pytest.mark.parametrize("size", [(80, 24), (40, 12), (10, 3), (1, 1), (300, 100)])
def test_any_size_of_terminal_will_do_and_may_change(size: tuple[int, int]) -> None:
    async def scene(app: StepperApp, pilot: Pilot[int]) -> None:
        await press(app, pilot, "h")
        await pilot.resize_terminal(150, 40)
        await press(app, pilot, "r")
        await pilot.resize_terminal(*size)
        await press(app, pilot, "o i o")
        assert "receiver/0" in shown(app, "status")

    play(scene, size=size)


def test_the_pictures_of_the_documentation_are_what_the_stepper_shows() -> None:
    command = [sys.executable, "tools/stepper_screens.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
