from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jaxsynth.audit import (
    AuditReport,
    AuditResult,
    DistanceCurve,
    GroupAudit,
    Interval,
    Rule,
    SelfTest,
    VulnerableRecord,
)
from jaxsynth.audit.result import Question
from jaxsynth.errors import AuditError, OutputError

RESULT = AuditResult(
    name="exact_copies", title="Exact copies", question="Are there copies?",
    threat="The attacker has the rows.",
    estimate=0.02, low=0.01, high=0.03, baseline=0.0, baseline_low=0.0, baseline_high=0.001,
    excess=0.02, excess_low=0.01, excess_high=0.03, detectable=0.002, n=5000, n_baseline=4000,
    unit="share of rows", verdict="fail", seed=7,
)  # fmt: skip
REPORT = AuditReport(
    results=(
        RESULT,
        replace(RESULT, name="dcr", title="Distance", unit="distance", verdict="pass", excess_kind="shortfall"),
    ),
    curves=(DistanceCurve(name="dcr", probs=(0.0, 1.0), synthetic=(0.1, 0.9), holdout=(0.2, 0.8)),),
    n_train=3000,
    n_holdout=4000,
    n_synthetic=5000,
    seed=7,
    schema_digest="ab",
)
FULL = replace(
    REPORT,
    results=(*REPORT.results, replace(RESULT, name="linkability", excess_kind="residual", epsilon=0.5)),
    groups=(
        GroupAudit(by="sex", group="female", results=(replace(RESULT, confidence=0.975),)),
        GroupAudit(by="outlyingness", group="tenth 1", results=()),
    ),
    self_test=SelfTest(share=0.005, rows=25, results=(RESULT, replace(RESULT, name="dcr", verdict="pass"))),
    vulnerable=(
        VulnerableRecord(row=17, outlyingness=0.75, suspicion=99.5),
        VulnerableRecord(row=3, outlyingness=0.5),
    ),
)


@pytest.mark.parametrize("report", [REPORT, FULL])
def test_json_round_trip(report: AuditReport, tmp_path: Path) -> None:
    path = tmp_path / "new" / "audit.json"
    report.save(path)
    data = json.loads(path.read_text(encoding="utf8"))
    assert AuditReport.from_json(data) == report
    assert AuditReport.from_json(report.to_json()) == report
    assert data == report.to_json()
    assert data["results"][0]["confidence"] == 0.95
    assert (data["version"], data["audience"]) == (2, "internal")


def test_a_report_of_the_first_version_lacks_only_what_it_had_not() -> None:
    data = REPORT.to_json()
    data["version"] = 1
    for name in ("groups", "self_test", "vulnerable", "audience"):
        del data[name]
    assert AuditReport.from_json(data) == REPORT


def test_a_result_is_judged_by_its_question() -> None:
    question = Question(
        name="leak", title="Leak", question="Is there one?", threat="Someone.", unit="share of targets",
        rule=Rule(tolerance=0.01, margin=0.05), excess="residual",
    )  # fmt: skip
    sides: dict[str, Any] = {"estimate": Interval(0.4, 0.3, 0.5), "baseline": Interval(0.2, 0.1, 0.3)}
    rows: dict[str, Any] = {"detectable": 0.2, "n": 100, "n_baseline": 90, "seed": 3}
    found = AuditResult.of(question, **sides, **rows, excess=Interval(0.25, 0.1, 0.4))
    assert (found.name, found.threat, found.excess_kind, found.verdict) == ("leak", "Someone.", "residual", "fail")
    assert (found.estimate, found.low, found.high) == (0.4, 0.3, 0.5)
    assert (found.baseline, found.baseline_low, found.baseline_high) == (0.2, 0.1, 0.3)
    assert (found.excess, found.excess_low, found.excess_high, found.detectable) == (0.25, 0.1, 0.4, 0.2)
    assert (found.n, found.n_baseline, found.seed, found.confidence, found.epsilon) == (100, 90, 3, 0.95, None)
    assert found.is_share
    unsure = AuditResult.of(question, **sides, **rows, excess=Interval(0.25, -0.1, 0.4), confidence=0.99)
    assert (unsure.verdict, unsure.confidence) == ("underpowered", 0.99)


def test_the_self_test_names_the_screens_that_found_the_copies() -> None:
    assert FULL.self_test is not None
    assert FULL.self_test.found == ("exact_copies",)


def test_results_are_found_by_name() -> None:
    assert REPORT["exact_copies"] is RESULT
    with pytest.raises(AuditError, match=r"no result 'copies'; results are \['exact_copies', 'dcr'\]"):
        REPORT["copies"]


def test_failed_names_the_failed_results() -> None:
    assert REPORT.failed == ("exact_copies",)
    assert not replace(REPORT, results=REPORT.results[1:]).failed


def test_text_is_a_table() -> None:
    lines = str(REPORT).split("\n")
    assert len(lines) == 5
    assert lines[1].startswith("Exact copies")
    assert "2.00%" in lines[1]
    assert lines[1].endswith("fail")
    assert lines[2].endswith("pass")
    assert lines[3] == "5000 synthetic, 3000 training, 4000 holdout rows"
    assert lines[4] == "internal: training rows were read; not for release"


def test_text_tells_of_failing_groups_and_of_the_self_test() -> None:
    lines = str(FULL).split("\n")
    assert lines[4:6] == ["sex female: Exact copies fails", "25 planted copies (0.50%): found by exact_copies"]
    missed = replace(FULL, self_test=SelfTest(share=0.001, rows=5, results=()), groups=())
    assert "5 planted copies (0.10%): found by none" in str(missed)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "not a jaxsynth audit report"),
        ({"format": "jaxsynth-schema"}, "not a jaxsynth audit report"),
        ({**REPORT.to_json(), "version": 3}, "report version 3, this release reads up to 2"),
        ({**REPORT.to_json(), "version": None}, "report version None"),
        ({k: v for k, v in REPORT.to_json().items() if k != "results"}, "incomplete audit report"),
        ({k: v for k, v in REPORT.to_json().items() if k != "seed"}, "incomplete audit report"),
        ({**REPORT.to_json(), "results": [1]}, "incomplete audit report"),
        ({**REPORT.to_json(), "curves": [1]}, "incomplete audit report"),
        ({**REPORT.to_json(), "groups": [{"by": "sex"}]}, "incomplete audit report"),
        ({**REPORT.to_json(), "groups": 1}, "incomplete audit report"),
        ({**REPORT.to_json(), "self_test": {"share": 1}}, "incomplete audit report"),
        ({**REPORT.to_json(), "self_test": "yes"}, "incomplete audit report"),
        ({**REPORT.to_json(), "vulnerable": [3]}, "incomplete audit report"),
        ({**REPORT.to_json(), "score": 1}, "incomplete audit report"),
    ],
)
def test_from_json_refuses(data: Any, message: str) -> None:
    with pytest.raises(AuditError, match=message):
        AuditReport.from_json(data)


def test_save_refuses_a_directory(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is a directory"):
        REPORT.save(tmp_path)
