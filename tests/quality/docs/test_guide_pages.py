"""Every code block of the user guide does what the page says; what a page shows is what is printed today."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "tools"))

from guide_pages import PAGES, PageError, Runner, stale  # noqa: E402  (the path comes first)

RECIPES = ("github", "gitlab")


@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_a_page_runs_and_shows_what_is_printed(page: str):
    assert list(stale([page], write=False)) == []


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("\n```console\n$ false\n```\n", r"line 2: \$ false: status 1"),
        ("```python\nassert 1 == 2\n```\n", "line 1: AssertionError"),
        ('```toml\n[[vm]]\nname = "a"\n```\n', "line 1: UserError: .* must have the key 'image'"),
        ("```c\nint main(void) { return x; }\n```\n", "line 1: .*undeclared identifier 'x'"),
        ("```ruby\n1\n```\n", "line 1: a block must be one of"),
    ],
)
def test_a_block_that_fails_is_told_with_its_line(page: str, message: str, tmp_path: Path):
    with pytest.raises(PageError, match=f"(?s){message}"):
        Runner(page, tmp_path).run()


def test_output_is_renewed_unless_dots_stand_for_it(tmp_path: Path):
    page = "```console\n$ echo one; echo two\n{}\n```\n"
    assert Runner(page.format("three"), tmp_path).run() == page.format("one\ntwo")
    shutil.rmtree(tmp_path)
    assert Runner(page.format("..."), tmp_path).run() == page.format("...")


def recipe(name: str) -> tuple[list[str], list[str], str]:
    """The commands of a recipe, the paths that it keeps, and where it looks for JUnit XML."""
    document: dict[str, Any] = yaml.safe_load((ROOT / f"docs/examples/ci/{name}.yml").read_text())
    if name == "gitlab":
        job = document["guests"]
        return job["script"], job["artifacts"]["paths"], job["artifacts"]["reports"]["junit"]
    steps = document["jobs"]["guests"]["steps"]
    upload = next(step["with"] for step in steps if step.get("uses", "").startswith("actions/upload-artifact@"))
    junit = next(step["with"]["report_paths"] for step in steps if "report_paths" in step.get("with", {}))
    return [step["run"] for step in steps if "run" in step], upload["path"].split(), junit


@pytest.fixture(scope="module")
def tested(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Runs a recipe's test command on the sample project, each command once; the folder that it ran in."""
    folders: dict[str, Path] = {}

    def run(command: str) -> Path:
        if command not in folders:
            folder = folders[command] = tmp_path_factory.mktemp("recipe") / "thermostat"
            shutil.copytree(ROOT / "docs/examples/thermostat", folder)
            here = command.replace("pytest -n auto", f"{sys.executable} -m pytest -n 2 -p no:cacheprovider")
            assert here != command
            done = subprocess.run(here, shell=True, cwd=folder, capture_output=True, text=True, check=False)
            assert "1 failed, 7 passed" in done.stdout
        return folders[command]

    return run


@pytest.mark.parametrize("name", RECIPES)
def test_the_commands_of_a_recipe_make_what_it_keeps(name: str, tested: Callable[[str], Path]):
    (install, test), kept, junit = recipe(name)
    folder = tested(test)
    assert all((folder / path).exists() for path in (*kept, junit))
    assert list((folder / "reports").glob("*.html"))
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert "gunyah-emu[assembly]" in install
    assert "assembly" in extras
