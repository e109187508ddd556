"""The rules of the house that no tool checks: sizes, opening docstrings, a sentence per test."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))  # empty where the installed wheel is tested
TESTS = sorted((ROOT / "tests").glob("test_*.py"))


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_states_its_invariant_and_stays_small(path: Path) -> None:
    """A module opens with a docstring, has at most 500 lines, and its functions have at most 60."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree)
    assert len(text.splitlines()) <= 500
    assert [f"{node.name} ({node.end_lineno - node.lineno + 1} lines)" for node in _functions(tree)
            if node.end_lineno and node.end_lineno - node.lineno >= 60] == []  # fmt: skip


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_every_test_says_what_it_proves(path: Path) -> None:
    """A test has a docstring; two tests of one file never share a name, or the first would not run."""
    tests = [node for node in _functions(ast.parse(path.read_text(encoding="utf-8"))) if node.name.startswith("test_")]
    assert [node.name for node in tests if not ast.get_docstring(node)] == []
    names = [node.name for node in tests]
    assert [name for name in names if names.count(name) > 1] == []
