"""Imports go one way: a module imports only from its own level's package or from levels above it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import jaxsynth

ROOT = Path(jaxsynth.__file__).parent if (Path(jaxsynth.__file__).parent / "cli.py").exists() else Path("jaxsynth")
LEVELS = [
    ["errors", "_core", "devices"],
    ["atomic", "progress"],
    ["schema", "tables"],
    ["streams"],
    ["codec"],
    ["out_of_core"],
    ["affine"],
    ["nets"],
    ["models", "privacy"],
    ["train", "neighbours"],
    ["sample"],
    ["audit", "quality"],
    ["synthesizer", "report"],
    ["fitting_private", "fitting_out_of_core", "ray"],
    ["fitting", "datasets"],
    ["fitting_many"],
    ["shadows", "auditing_private"],
    ["demo", "cli_messages", "cli_signals"],
    ["cli"],
    ["__init__", "__main__"],
]
LEVEL = {name: i for i, names in enumerate(LEVELS) for name in names}
FILES = sorted(ROOT.rglob("*.py"))


def part(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """The parts of jaxsynth that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "jaxsynth":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("jaxsynth."):
            found.add((node.module or "").split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("jaxsynth.")}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_upwards(path: Path) -> None:
    own = part(path)
    for name in imported(path) - {own}:
        assert LEVEL[name] < LEVEL[own] or {name, own} == {"schema", "tables"}, f"{own} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_only_nets_imports_flax_and_nothing_unpickles(path: Path) -> None:
    text = path.read_text(encoding="utf8")
    roots = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""])
    }
    assert "flax" not in roots or path.name == "nets.py"
    assert not roots & {"pickle", "cloudpickle", "dill", "torch", "pandas"}
    if part(path) in {"audit", "quality"}:
        assert not imported(path) & {"models", "codec", "train", "sample", "synthesizer"}


def test_every_file_belongs_to_a_level() -> None:
    assert {part(p) for p in FILES} <= set(LEVEL)


def test_only_bind_includes_pybind11() -> None:
    for path in Path("csrc").rglob("*"):
        if path.suffix in {".cpp", ".hpp", ".h"}:
            assert ("pybind11" in path.read_text()) == path.name.startswith("bind"), path
