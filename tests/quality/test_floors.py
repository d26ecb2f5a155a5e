"""A room uses only rooms on lower floors: the import graph of the package is walked, not the documentation."""

import ast
import re
from pathlib import Path

import gunyah_emu

PACKAGE = Path(gunyah_emu.__file__).parent
FLOORS = {
    "cli": 7,
    "debug": 6,
    "testing": 6,
    "machine": 5,
    "smccc": 4,
    "resource_manager": 4,
    "hypervisor": 3,
    "gic": 2,
    "abi": 1,
    "events": 1,
    "cpu": 1,
    "boot": 1,
    "devices": 1,
}
GROUND = {"errors", "__version__"}  # what every room may use


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0]


def imported_rooms(path: Path):
    """(line, room) for every import of the package in one file, wherever in the file it stands."""
    module = ("gunyah_emu", *path.relative_to(PACKAGE).with_suffix("").parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(module[: -node.level]) if node.level else ""
            stem = ".".join(part for part in (base, node.module) if part)
            names = [stem] if stem != "gunyah_emu" else [f"gunyah_emu.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "gunyah_emu" and len(parts) > 1 and parts[1] not in GROUND:
                yield node.lineno, parts[1]


def arrows():
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.parent != PACKAGE:
            for line, room in imported_rooms(path):
                yield path, line, room_of(path), room


def test_no_arrow_runs_up_or_sideways():
    wrong = [
        f"{path.relative_to(PACKAGE)}:{line}: {source} (floor {FLOORS[source]}) uses {target}"
        for path, line, source, target in arrows()
        if source != target and FLOORS.get(target, 99) >= FLOORS[source]
    ]
    assert not wrong, "\n".join(wrong)


def test_every_room_has_a_floor_and_the_walk_sees_arrows():
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and any(path.rglob("*.py"))}
    assert rooms <= FLOORS.keys(), rooms - FLOORS.keys()
    assert any(source == "machine" and target == "hypervisor" for _, _, source, target in arrows())


def test_only_the_cpu_room_knows_unicorn():
    offenders = [
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if room_of(path) != "cpu" and re.search(r"^\s*(import|from)\s+unicorn\b", path.read_text(), re.MULTILINE)
    ]
    assert not offenders
