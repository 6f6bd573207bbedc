from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jaxsynth.audit import AuditReport, AuditResult, DistanceCurve
from jaxsynth.errors import AuditError, OutputError

RESULT = AuditResult(
    name="exact_copies", title="Exact copies", question="Are there copies?",
    estimate=0.02, low=0.01, high=0.03, baseline=0.0, baseline_low=0.0, baseline_high=0.001,
    excess=0.02, excess_low=0.01, excess_high=0.03, detectable=0.002, n=5000, n_baseline=4000,
    unit="share of rows", verdict="fail", seed=7,
)  # fmt: skip
REPORT = AuditReport(
    results=(RESULT, replace(RESULT, name="dcr", title="Distance", unit="distance", verdict="pass")),
    curves=(DistanceCurve(name="dcr", probs=(0.0, 1.0), synthetic=(0.1, 0.9), holdout=(0.2, 0.8)),),
    n_train=3000,
    n_holdout=4000,
    n_synthetic=5000,
    seed=7,
    schema_digest="ab",
)


def test_json_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "new" / "audit.json"
    REPORT.save(path)
    data = json.loads(path.read_text(encoding="utf8"))
    assert AuditReport.from_json(data) == REPORT
    assert AuditReport.from_json(REPORT.to_json()) == REPORT
    assert data["results"][0]["confidence"] == 0.95


def test_results_are_found_by_name() -> None:
    assert REPORT["exact_copies"] is RESULT
    with pytest.raises(AuditError, match=r"no result 'copies'; results are \['exact_copies', 'dcr'\]"):
        REPORT["copies"]


def test_failed_names_the_failed_results() -> None:
    assert REPORT.failed == ("exact_copies",)
    assert not replace(REPORT, results=REPORT.results[1:]).failed


def test_text_is_a_table() -> None:
    lines = str(REPORT).split("\n")
    assert len(lines) == 4
    assert lines[1].startswith("Exact copies")
    assert "2.00%" in lines[1]
    assert lines[1].endswith("fail")
    assert lines[2].endswith("pass")
    assert lines[3] == "5000 synthetic, 3000 training, 4000 holdout rows"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "not a jaxsynth audit report"),
        ({"format": "jaxsynth-schema"}, "not a jaxsynth audit report"),
        ({**REPORT.to_json(), "version": 2}, "report version 2, this release reads up to 1"),
        ({**REPORT.to_json(), "version": None}, "report version None"),
        ({k: v for k, v in REPORT.to_json().items() if k != "results"}, "incomplete audit report"),
        ({k: v for k, v in REPORT.to_json().items() if k != "seed"}, "incomplete audit report"),
        ({**REPORT.to_json(), "results": [1]}, "incomplete audit report"),
        ({**REPORT.to_json(), "curves": [1]}, "incomplete audit report"),
    ],
)
def test_from_json_refuses(data: Any, message: str) -> None:
    with pytest.raises(AuditError, match=message):
        AuditReport.from_json(data)


def test_save_refuses_a_directory(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is a directory"):
        REPORT.save(tmp_path)
