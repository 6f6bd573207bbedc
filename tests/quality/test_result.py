from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jaxsynth.errors import AuditError
from jaxsynth.quality import ColumnScore, PairScore, QualityReport, evaluate
from jaxsynth.quality.result import average


@pytest.fixture(scope="module")
def found(three: Any) -> QualityReport:
    columns = ["x", "skewed", "flag", "level", "constant"]
    tables = [t.select(columns).slice(0, 120) for t in (three.synthetic, three.train, three.holdout)]
    return evaluate(tables[0], train=tables[1], holdout=tables[2], target="flag")


def test_json_round_trip(found: QualityReport, tmp_path: Path) -> None:
    found.save(tmp_path / "q.json")
    data = json.loads((tmp_path / "q.json").read_text())
    assert data == found.to_json()
    assert QualityReport.from_json(data) == found


def test_round_trip_without_utility(found: QualityReport) -> None:
    bare = replace(found, utility=None, detection=None, notes=("n",), violations={"a <= b": (0.5, 0.0)})
    assert QualityReport.from_json(json.loads(json.dumps(bare.to_json()))) == bare


@pytest.mark.parametrize("data", [None, [], {}, {"format": "jaxsynth-schema"}])
def test_foreign_json_is_refused(data: object) -> None:
    with pytest.raises(AuditError, match="not a jaxsynth quality report"):
        QualityReport.from_json(data)


def test_newer_versions_are_refused(found: QualityReport) -> None:
    with pytest.raises(AuditError, match="version 99"):
        QualityReport.from_json(found.to_json() | {"version": 99})


@pytest.mark.parametrize(
    "change", [{"columns": [{"name": "x"}]}, {"columns": 3}, {"violations": {"r": 1}}, {"new": 1}]
)
def test_malformed_json_is_refused(found: QualityReport, change: dict[str, Any]) -> None:
    with pytest.raises(AuditError, match="not well formed"):
        QualityReport.from_json(found.to_json() | change)


def test_missing_fields_are_refused(found: QualityReport) -> None:
    data = found.to_json()
    del data["pairs"]
    with pytest.raises(AuditError, match="not well formed"):
        QualityReport.from_json(data)


def test_text_lists_every_figure_beside_its_floor(found: QualityReport) -> None:
    text = str(replace(found, notes=("careful",), violations={"a <= b": (0.25, 0.0)}, detection=None))
    assert "120 synthetic rows" in text
    assert "utility for flag, ROC AUC" in text
    assert "breaks a <= b" in text
    assert "0.2500" in text
    assert text.endswith("note: careful")
    assert len({len(line) for line in text.splitlines()[1:-1]}) == 1


def test_average_skips_what_is_not_defined() -> None:
    assert average([None, 1.0, 0.0]) == 0.5
    assert average([None]) is None


def test_results_are_frozen() -> None:
    score = ColumnScore(name="x", kind="continuous", error=None, floor=0.0, missing=0.0, missing_real=0.0)
    attribute = "error"
    with pytest.raises(AttributeError):
        setattr(score, attribute, 1.0)


def test_strength_decides_by_metric() -> None:
    pair = PairScore(left="a", right="b", error=0.0, floor=0.0, strength=0.4, metric="contingency")
    assert pair.strong
    assert not replace(pair, metric="correlation").strong
    assert not replace(pair, strength=None).strong
