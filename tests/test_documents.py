"""The examples that users copy run: docstrings, and the Python of the README."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import jaxsynth
from tests.conftest import TINY, make_table

MODULES = sorted(m.name for m in pkgutil.walk_packages(jaxsynth.__path__, "jaxsynth.") if "__main__" not in m.name)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name: str) -> None:
    if name.endswith("_core"):
        return
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert failed == 0


def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"```python\n(.*?)```", Path("README.md").read_text(encoding="utf8"), re.DOTALL)
    assert blocks
    pq.write_table(make_table(600), tmp_path / "cohort.parquet")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(jaxsynth, "Autoregressive", lambda: TINY)
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
    assert (tmp_path / "report.html").exists()


def test_the_readme_names_the_two_commands() -> None:
    text = Path("README.md").read_text(encoding="utf8")
    assert "make demo" in text
    assert "make test" in text
