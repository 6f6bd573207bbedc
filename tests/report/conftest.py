"""An audit and an evaluation whose every text tries to break out of the page."""

from __future__ import annotations

import pytest

from jaxsynth.audit.result import (
    AuditReport,
    AuditResult,
    DistanceCurve,
    ExcessKind,
    GroupAudit,
    SelfTest,
    VulnerableRecord,
)
from jaxsynth.audit.verdict import Verdict
from jaxsynth.quality.result import ColumnScore, Marginal, PairScore, QualityReport, Utility

EVIL = "</title><script>alert(1)</script>\"' onload=x &amp; <img src=x>"


@pytest.fixture
def evil() -> str:
    return EVIL


def result(name: str, unit: str, verdict: Verdict, kind: ExcessKind = "difference") -> AuditResult:
    return AuditResult(
        name=name, title=f"{name} {EVIL}", question=f"Does it copy? {EVIL}", threat=f"The attacker has {EVIL}.",
        estimate=0.02, low=0.01, high=0.03, baseline=0.015, baseline_low=0.005, baseline_high=0.025, excess=0.005,
        excess_low=-0.02, excess_high=0.03, detectable=0.04, n=1000, n_baseline=500, unit=unit, verdict=verdict,
        seed=7, excess_kind=kind,
    )  # fmt: skip


@pytest.fixture
def audit() -> AuditReport:
    probs = tuple(i / 20 for i in range(21))
    exact, near = result("exact_copies", "share of rows", "pass"), result("near_copies", "share of rows", "fail")
    dcr = result("dcr", "distance", "underpowered", "shortfall")
    return AuditReport(
        results=(
            exact, near, dcr,
            result("membership_density_auc", "AUC", "pass"),
            result("linkability", "share of targets", "pass", "residual"),
        ),
        groups=(
            GroupAudit(by=EVIL, group=f"level {EVIL}", results=(exact, near, dcr)),
            GroupAudit(by=EVIL, group="other", results=(exact,)),
            GroupAudit(by="outlyingness", group="tenth 1", results=(near,)),
            GroupAudit(by="outlyingness", group="tenth 10", results=()),
        ),
        curves=(
            DistanceCurve(name="dcr", probs=probs, synthetic=probs, holdout=tuple(2 * p for p in probs)),
            DistanceCurve(name="nndr", probs=probs, synthetic=(0.0,) * 21, holdout=(0.0,) * 21),
        ),
        self_test=SelfTest(share=0.005, rows=5, results=(exact, near)),
        vulnerable=(
            VulnerableRecord(row=12_345, outlyingness=0.98765, suspicion=99.4),
            VulnerableRecord(row=7, outlyingness=0.5),
        ),
        n_train=2000, n_holdout=500, n_synthetic=1000, seed=7, schema_digest="ab" * 32,
    )  # fmt: skip


@pytest.fixture
def quality() -> QualityReport:
    names = ("age", EVIL, "sex")
    bins = Marginal(
        name="age", kind="integer", labels=("0", "20", "40"), edges=(0.0, 20.0, 40.0),
        train=(0.1, 0.4, 0.4, 0.1), holdout=(0.0, 0.5, 0.4, 0.1), synthetic=(0.2, 0.3, 0.4, 0.1),
    )  # fmt: skip
    levels = Marginal(name=EVIL, kind="category", labels=(EVIL, "", "other"), edges=(), train=(0.5, 0.3, 0.2),
                      holdout=(0.5, 0.3, 0.2), synthetic=(0.0, 0.0, 1.0))  # fmt: skip
    return QualityReport(
        columns=tuple(
            ColumnScore(name=n, kind="category", error=None if n == "sex" else 0.1, floor=0.02, missing=0.01,
                        missing_real=0.0) for n in names
        ),
        pairs=(
            PairScore(left="age", right=EVIL, error=0.2, floor=0.01, strength=0.6, metric="contingency"),
            PairScore(left="age", right="sex", error=None, floor=None, strength=None, metric="correlation"),
            PairScore(left=EVIL, right="sex", error=0.0, floor=0.0, strength=0.0, metric="contingency"),
        ),
        shape_error=0.1, shape_floor=0.02, trend_error=0.1, trend_floor=0.005, detection=0.7, detection_train=None,
        detection_floor=0.5, utility=Utility(target=EVIL, metric="r2", synthetic=0.4, real=0.6),
        violations={f"age <= {EVIL}": (0.25, 0.0)}, marginals=(bins, levels), n_train=2000, n_holdout=500,
        n_synthetic=1000, seed=7, schema_digest="ab" * 32, notes=(f"left out: {EVIL}",),
    )  # fmt: skip
