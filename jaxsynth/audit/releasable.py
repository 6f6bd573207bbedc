"""What of an audit may be shown to others: verdicts and coarse figures, nothing of single records.

Repeated exact answers about distances to training rows were shown to be enough to rebuild outlying ones (Ganev
and De Cristofaro 2023, "ReconSyn", arXiv:2312.05114). A releasable report has no distribution, no row number, no
group of few patients, no seed, and figures rounded so far that one patient more or less seldom shows. That is
care, not a guarantee: figures computed from training rows without a charge to the privacy budget are covered by
no differential privacy, and the report says so.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jaxsynth.atomic import write_bytes
from jaxsynth.audit.result import AuditReport, AuditResult
from jaxsynth.audit.verdict import Verdict

LEAST_ROWS = 100
_FORMAT, _VERSION = "jaxsynth-audit-releasable", 1
_UNCHARGED = (
    "Figures were computed from training rows without a charge to a privacy budget: rounding makes them coarse, "
    "no differential privacy covers them."
)
_CHARGED = "All reads of training rows were charged to the privacy budget."


@dataclass(frozen=True, kw_only=True)
class ReleasableResult:
    """One rounded figure.

    Attributes:
        name: machine name; of a group with its breakdown, as in "exact_copies, sex female".
        title: name for people.
        threat: the threat model.
        unit: of `estimate` and `baseline`.
        estimate: to two significant digits for distances, to a hundredth otherwise.
        baseline: the same of real rows, rounded alike.
        excess_high: the most that the excess may be at `confidence`, rounded up to a hundredth.
        verdict: "pass", "fail" or "underpowered".
        n: rows behind the figure, to one significant digit.
        confidence: of the limit.
    """

    name: str
    title: str
    threat: str
    unit: str
    estimate: float
    baseline: float
    excess_high: float
    verdict: Verdict
    n: int
    confidence: float


@dataclass(frozen=True, kw_only=True)
class ReleasableReport:
    """A rounded audit. Attributes: its results, what is not protected, and who it is for."""

    results: tuple[ReleasableResult, ...]
    caution: str
    audience: str = "releasable"

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {"format": _FORMAT, "version": _VERSION, **asdict(self)}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the report as JSON, atomically.

        Raises:
            OutputError: the file cannot be written.
        """
        text = json.dumps(self.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        write_bytes(Path(path), text.encode())


def releasable(report: AuditReport) -> ReleasableReport:
    """Round an audit for others than the owner of the data; groups of fewer than 100 rows are left out."""
    results = [_rounded(r, r.name) for r in report.results]
    for group in report.groups:
        large = (r for r in group.results if min(r.n, r.n_baseline) >= LEAST_ROWS)
        results += [_rounded(r, f"{r.name}, {group.by} {group.group}") for r in large]
    caution = _UNCHARGED if uncharged(report) else _CHARGED
    return ReleasableReport(results=tuple(results), caution=caution)


def uncharged(report: AuditReport) -> tuple[str, ...]:
    """Names of the results that read training rows without a charge to the privacy budget."""
    return tuple(r.name for r in report.results if r.epsilon is None)


def _rounded(result: AuditResult, name: str) -> ReleasableResult:
    digits = 2 if result.unit != "distance" else None
    return ReleasableResult(
        name=name,
        title=result.title,
        threat=result.threat,
        unit=result.unit,
        estimate=_round(result.estimate, digits),
        baseline=_round(result.baseline, digits),
        excess_high=math.ceil(100 * result.excess_high - 1e-9) / 100,
        verdict=result.verdict,
        n=int(_significant(result.n, 1)),
        confidence=result.confidence,
    )


def _round(x: float, digits: int | None) -> float:
    return _significant(x, 2) if digits is None else round(x, digits)


def _significant(x: float, digits: int) -> float:
    return 0.0 if x == 0 else round(x, digits - 1 - math.floor(math.log10(abs(x))))
