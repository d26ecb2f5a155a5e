"""The reference pages say what the declarations say, and the declarations know every error that was ever recorded."""

import importlib.util
from pathlib import Path

import pytest

from gunyah_emu.abi.documentation import implied_errors, parse
from gunyah_emu.abi.errors import ERROR_CODES, OK, error_name
from gunyah_emu.hypervisor.hypervisor import load_declarations
from gunyah_emu.hypervisor.object import OBJECT_TYPES

ROOT = Path(__file__).resolve().parents[3]
LOOKUP_ERRORS = {
    "ARGUMENT_INVALID",
    "CSPACE_CAP_NULL",
    "CSPACE_CAP_REVOKED",
    "CSPACE_WRONG_OBJECT_TYPE",
    "CSPACE_INSUFFICIENT_RIGHTS",
    "OBJECT_STATE",
}


def load_tool():
    spec = importlib.util.spec_from_file_location("hypercall_pages", ROOT / "tools" / "hypercall_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOOL = load_tool()
OBSERVED = TOOL.observe()
DECLARATIONS = [declaration for declaration in load_declarations().values() if not declaration.absent]


def test_pages_are_fresh():
    texts = TOOL.pages()
    assert {path.name for path in TOOL.PAGES.glob("*.md")} == set(texts)
    for name, text in texts.items():
        assert (TOOL.PAGES / name).read_text(encoding="utf-8") == text, "run python tools/hypercall_pages.py"


@pytest.mark.parametrize("declaration", DECLARATIONS, ids=lambda declaration: declaration.name)
def test_a_docstring_is_whole(declaration):
    documentation = parse(declaration.doc)
    assert documentation.summary.endswith((".", ".)"))
    assert documentation.source
    assert set(documentation.arguments) >= set(declaration.argument_names)
    for names, condition in documentation.errors:
        assert condition
        assert all(name.startswith("(") or name in ERROR_CODES for name in names)


@pytest.mark.parametrize(
    "declaration",
    [declaration for declaration in DECLARATIONS if declaration.number in OBSERVED and declaration.error],
    ids=lambda declaration: declaration.name,
)
def test_every_recorded_error_is_documented(declaration):
    known = {"OK"}
    for names, _ in [*implied_errors(declaration, OBJECT_TYPES), *parse(declaration.doc).errors]:
        known.update(LOOKUP_ERRORS if names[0].startswith("(") else names)
    recorded = {error_name(code) for code in OBSERVED[declaration.number].errors | {OK}}
    assert recorded <= known
