from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jaxsynth as js
from jaxsynth.audit import AuditReport, AuditResult, GroupAudit, audit, releasable
from jaxsynth.audit.releasable import LEAST_ROWS, uncharged
from jaxsynth.errors import OutputError

RESULT = AuditResult(
    name="exact_copies", title="Exact copies", question="Are there copies?", threat="The attacker has the rows.",
    estimate=0.01234, low=0.01, high=0.03, baseline=0.005678, baseline_low=0.0, baseline_high=0.001,
    excess=0.0066, excess_low=0.001, excess_high=0.03111, detectable=0.002, n=5432, n_baseline=4000,
    unit="share of rows", verdict="fail", seed=7,
)  # fmt: skip
DISTANCE = replace(RESULT, name="dcr", title="Distance", unit="distance", estimate=0.0012345, baseline=123.456)
REPORT = AuditReport(
    results=(RESULT, DISTANCE),
    curves=(),
    n_train=3000,
    n_holdout=4000,
    n_synthetic=5432,
    seed=7,
    schema_digest="ab",
)
TOP = {"format", "version", "audience", "results", "caution"}
FIGURE = {
    "name", "title", "threat", "unit", "estimate", "baseline", "excess_high", "verdict", "n", "confidence",
}  # fmt: skip


def _group(n: int, n_baseline: int, name: str = "female") -> GroupAudit:
    return GroupAudit(
        by="sex", group=name, results=(replace(RESULT, n=n, n_baseline=n_baseline, confidence=0.975),)
    )


def test_figures_are_rounded() -> None:
    share, distance = releasable(REPORT).results
    assert (share.estimate, share.baseline, share.excess_high) == (0.01, 0.01, 0.04)
    assert (distance.estimate, distance.baseline) == (0.0012, 120.0)
    assert (share.n, share.confidence, share.verdict) == (5000, 0.95, "fail")
    assert (share.name, share.title, share.threat, share.unit) == (
        "exact_copies", "Exact copies", "The attacker has the rows.", "share of rows",
    )  # fmt: skip


@given(excess=st.floats(-1, 1), estimate=st.floats(0, 1), n=st.integers(1, 10**9))
def test_limits_are_rounded_up_and_figures_to_the_nearest(excess: float, estimate: float, n: int) -> None:
    result = replace(RESULT, excess_high=excess, estimate=estimate, n=n)
    found = releasable(replace(REPORT, results=(result,))).results[0]
    assert excess - 1e-8 <= found.excess_high < excess + 0.01 + 1e-9
    assert abs(found.estimate - estimate) <= 0.005 + 1e-9
    for value in (found.excess_high, found.estimate):
        assert value == pytest.approx(round(100 * value) / 100)
    assert abs(found.n - n) <= 0.5 * 10 ** math.floor(math.log10(n)) + 1e-9
    assert len(str(found.n).rstrip("0")) == 1


def test_groups_of_few_patients_are_left_out() -> None:
    few = LEAST_ROWS - 1
    for group in (_group(few, 5000), _group(5000, few)):
        assert len(releasable(replace(REPORT, groups=(group,))).results) == 2
    kept = releasable(replace(REPORT, groups=(_group(100, 100), _group(99, 99, "male")))).results
    assert [r.name for r in kept] == ["exact_copies", "dcr", "exact_copies, sex female"]
    assert (kept[2].confidence, kept[2].n) == (0.975, 100)


def test_the_caution_says_what_was_charged() -> None:
    assert uncharged(REPORT) == ("exact_copies", "dcr")
    assert "without a charge to a privacy budget" in releasable(REPORT).caution
    half = replace(REPORT, results=(replace(RESULT, epsilon=0.5), DISTANCE))
    assert uncharged(half) == ("dcr",)
    assert "without a charge" in releasable(half).caution
    charged = replace(REPORT, results=(replace(RESULT, epsilon=0.5), replace(DISTANCE, epsilon=0.5)))
    assert uncharged(charged) == ()
    assert "All reads of training rows were charged" in releasable(charged).caution


def test_it_is_for_others_and_saved_as_json(tmp_path: Path) -> None:
    report = releasable(REPORT)
    report.save(tmp_path / "new" / "out.json")
    data = json.loads((tmp_path / "new" / "out.json").read_text(encoding="utf8"))
    assert data == json.loads(json.dumps(report.to_json()))
    assert (data["format"], data["version"], data["audience"]) == ("jaxsynth-audit-releasable", 1, "releasable")
    assert set(data) == TOP
    assert set(data["results"][0]) == FIGURE
    with pytest.raises(OutputError, match="is a directory"):
        report.save(tmp_path)


def _numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [x for v in value.values() for x in _numbers(v)]
    if isinstance(value, list | tuple):
        return [x for v in value for x in _numbers(v)]
    return [float(value)] if isinstance(value, int | float) and not isinstance(value, bool) else []


def test_a_whole_audit_leaves_no_trace_of_single_records() -> None:
    rng = np.random.default_rng(0)

    def rows(n: int) -> pa.Table:
        return pa.table({"x": rng.normal(size=n), "y": rng.normal(size=n), "sex": rng.choice(["f", "m"], n)})

    report = audit(
        rows(500),
        train=rows(400),
        holdout=rows(400),
        audits=["copies", "membership"],
        subgroups=["sex"],
        planted=0.01,
        seed=123_457,
    )
    assert report.curves
    assert report.vulnerable
    data = releasable(report).to_json()
    assert set(data) == TOP
    assert all(set(r) == FIGURE for r in data["results"])
    assert len(data["results"]) > len(report.results)
    assert "123457" not in json.dumps(data)
    exact = {x for x in _numbers(report.to_json()) if x != round(x, 3)} - {r.confidence for r in _judged(report)}
    assert len(exact) > 500
    assert not exact & set(_numbers(data))


def _judged(report: AuditReport) -> list[AuditResult]:
    return [*report.results, *(r for g in report.groups for r in g.results)]


def test_it_is_part_of_the_library() -> None:
    assert js.releasable(REPORT) == releasable(REPORT)
