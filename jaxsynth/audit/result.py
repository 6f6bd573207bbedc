"""What an audit reports: frozen values, JSON and back, and a table for terminals. No record is in it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from jaxsynth.atomic import write_bytes
from jaxsynth.audit.intervals import CONFIDENCE, Interval
from jaxsynth.audit.verdict import Rule, Verdict
from jaxsynth.errors import AuditError

ExcessKind = Literal["difference", "shortfall", "residual"]

_FORMAT = "jaxsynth-audit"
_VERSION = 2


@dataclass(frozen=True, kw_only=True)
class Question:
    """What an audit asks, the same for every table.

    Attributes:
        name: machine name, such as "exact_copies".
        title: name for people.
        question: one sentence: what the figure speaks of.
        threat: the threat model: what the attacker has, knows and wants, in one sentence.
        unit: of the figure, such as "share of rows".
        rule: which excess matters.
        excess: how the figure is set against its baseline; see `AuditResult.excess_kind`.
    """

    name: str
    title: str
    question: str
    threat: str
    unit: str
    rule: Rule
    excess: ExcessKind = "difference"


@dataclass(frozen=True, kw_only=True)
class AuditResult:
    """One figure, what it is compared with, and what follows.

    Attributes:
        name: machine name, such as "exact_copies".
        title: name for people.
        question: one sentence: what the figure speaks of.
        threat: the threat model: what the attacker has, knows and wants.
        estimate: the figure for the synthetic rows, in `unit`; with limits `low` and `high`.
        baseline: the same figure for holdout rows against the same training rows (real-vs-real), with limits.
        excess: synthetic compared with the baseline, positive = more is given away; with limits.
        detectable: the smallest excess that would have been found with 80 % power at 5 %; 1.0, the largest
            there is, if none would.
        n: synthetic rows behind `estimate`.
        n_baseline: holdout rows behind `baseline`.
        unit: of `estimate` and `baseline`, such as "share of rows", "distance" or "AUC".
        verdict: "pass", "fail" or "underpowered".
        seed: the audit's seed.
        confidence: coverage of the limits. Excess limits of questions of one kind, the four about distances, the
            three of a membership attack or all columns that are inferred, cover these together (Bonferroni).
        excess_kind: "difference" of the two figures; "shortfall", how far the figure lies below the baseline, of
            the baseline; or "residual" risk, the difference of what the baseline left to succeed.
        epsilon: what reading the training rows was charged to the privacy budget; None: nothing was charged.
    """

    name: str
    title: str
    question: str
    threat: str
    estimate: float
    low: float
    high: float
    baseline: float
    baseline_low: float
    baseline_high: float
    excess: float
    excess_low: float
    excess_high: float
    detectable: float
    n: int
    n_baseline: int
    unit: str
    verdict: Verdict
    seed: int
    confidence: float = CONFIDENCE
    excess_kind: ExcessKind = "difference"
    epsilon: float | None = None

    @property
    def is_share(self) -> bool:
        """Whether the figure is a share, to be read as a percentage."""
        return self.unit.startswith("share")

    @classmethod
    def of(
        cls,
        question: Question,
        *,
        estimate: Interval,
        baseline: Interval,
        excess: Interval,
        detectable: float,
        n: int,
        n_baseline: int,
        seed: int,
        confidence: float = CONFIDENCE,
    ) -> AuditResult:
        """Judge an excess by the question's rule."""
        return cls(
            name=question.name, title=question.title, question=question.question, threat=question.threat,
            estimate=estimate.estimate, low=estimate.low, high=estimate.high,
            baseline=baseline.estimate, baseline_low=baseline.low, baseline_high=baseline.high,
            excess=excess.estimate, excess_low=excess.low, excess_high=excess.high,
            detectable=detectable, n=n, n_baseline=n_baseline, unit=question.unit,
            verdict=question.rule.verdict(excess, detectable), seed=seed, confidence=confidence,
            excess_kind=question.excess,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class DistanceCurve:
    """Quantiles of a nearest-neighbour figure, for drawing synthetic against holdout.

    Attributes:
        name: "dcr" or "nndr".
        probs: ascending probabilities from 0 to 1.
        synthetic: the quantile of the synthetic rows at each probability.
        holdout: the same of the holdout rows.
    """

    name: str
    probs: tuple[float, ...]
    synthetic: tuple[float, ...]
    holdout: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class GroupAudit:
    """All figures of one group of patients.

    Attributes:
        by: the column that names the group, or "outlyingness".
        group: the level, or "tenth 1" to "tenth 10", the most outlying.
        results: as for the whole table; limits cover all groups of this breakdown together.
    """

    by: str
    group: str
    results: tuple[AuditResult, ...]


@dataclass(frozen=True, kw_only=True)
class SelfTest:
    """What the audit says of the same table with copies planted in it.

    Attributes:
        share: of the synthetic rows that were replaced by training rows.
        rows: how many these are.
        results: the copying screens of the planted table.
    """

    share: float
    rows: int
    results: tuple[AuditResult, ...]

    @property
    def found(self) -> tuple[str, ...]:
        """Names of the screens that fail, as they should."""
        return tuple(r.name for r in self.results if r.verdict == "fail")


@dataclass(frozen=True, kw_only=True)
class VulnerableRecord:
    """A training row that an attacker would single out first.

    Attributes:
        row: its position in the training table, from 0.
        outlyingness: mean distance to its five nearest other training rows.
        suspicion: the percentile, 0 to 100, of its membership score among those of unseen rows; None where the
            row was not attacked.
    """

    row: int
    outlyingness: float
    suspicion: float | None = None


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    """All results of one audit, for the owner of the data. There is no overall score.

    An internal report: it says where training rows lie and which of them stand out, and none of it was charged
    to a privacy budget. `releasable` gives what may be shown to others.

    Attributes:
        results: one for each figure.
        groups: the same figures by subgroup and by outlyingness.
        curves: the distributions behind the distance figures.
        self_test: what the audit says with planted copies; None where none were planted.
        vulnerable: the most outlying training rows, most outlying first.
        n_train: training rows.
        n_holdout: holdout rows.
        n_synthetic: synthetic rows.
        seed: what splits, targets and resamples were drawn from.
        schema_digest: SHA-256 of the schema that decided which columns were compared, and how.
        audience: "internal".
    """

    results: tuple[AuditResult, ...]
    curves: tuple[DistanceCurve, ...]
    n_train: int
    n_holdout: int
    n_synthetic: int
    seed: int
    schema_digest: str
    groups: tuple[GroupAudit, ...] = ()
    self_test: SelfTest | None = None
    vulnerable: tuple[VulnerableRecord, ...] = ()
    audience: str = "internal"

    def __getitem__(self, name: str) -> AuditResult:
        for result in self.results:
            if result.name == name:
                return result
        raise AuditError(f"audit: no result {name!r}; results are {[r.name for r in self.results]}")

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the results with verdict "fail", in order; empty if none failed."""
        return tuple(r.name for r in self.results if r.verdict == "fail")

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values: counts, estimates, quantiles and row numbers, no cell of any table."""
        return {"format": _FORMAT, "version": _VERSION, **_listed(asdict(self))}

    @classmethod
    def from_json(cls, data: Any, *, what: str = "audit") -> AuditReport:
        """Rebuild the report that `to_json` wrote.

        Raises:
            AuditError: not an audit report, of a newer version, or not complete.
        """
        if not isinstance(data, dict) or data.get("format") != _FORMAT:
            raise AuditError(f"{what}: not a jaxsynth audit report; write one with `jaxsynth audit -o FILE`")
        version = data.get("version")
        if not isinstance(version, int) or version > _VERSION:
            raise AuditError(f"{what}: report version {version!r}, this release reads up to {_VERSION}; upgrade")
        values = {k: v for k, v in data.items() if k not in {"format", "version"}}
        try:
            return cls(**{name: _READ.get(name, _as_is)(value) for name, value in values.items()})
        except (AttributeError, KeyError, TypeError) as error:
            raise AuditError(f"{what}: an incomplete audit report ({error}); write it anew") from error

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the report as JSON, atomically.

        Raises:
            OutputError: the file cannot be written.
        """
        text = json.dumps(self.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        write_bytes(Path(path), text.encode())

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [("", "synthetic", "real", "excess [95 %]", "detectable", "verdict")]
        rows += [_row(r) for r in self.results]
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        counts = f"{self.n_synthetic} synthetic, {self.n_train} training, {self.n_holdout} holdout rows"
        return "\n".join([*lines, *self._notes(), counts, "internal: training rows were read; not for release"])

    def _notes(self) -> list[str]:
        """What stands out in the groups, and the self-test."""
        failed = [
            f"{g.by} {g.group}: {r.title} fails" for g in self.groups for r in g.results if r.verdict == "fail"
        ]
        if self.self_test is not None:
            test = self.self_test
            failed.append(
                f"{test.rows} planted copies ({test.share:.2%}): found by {', '.join(test.found) or 'none'}"
            )
        return failed


def _row(result: AuditResult) -> tuple[str, ...]:
    show = "{:.2%}".format if result.is_share else "{:.4g}".format
    excess = f"{result.excess:+.2%} [{result.excess_low:+.2%}, {result.excess_high:+.2%}]"
    return (
        result.title,
        show(result.estimate),
        show(result.baseline),
        excess,
        f"{result.detectable:.2%}",
        result.verdict,
    )


def _listed(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _listed(v) for k, v in value.items()}
    return [_listed(v) for v in value] if isinstance(value, list | tuple) else value


def _as_is(value: Any) -> Any:
    return value


def _results(values: Any) -> tuple[AuditResult, ...]:
    return tuple(AuditResult(**r) for r in values)


def _curve(value: Any) -> DistanceCurve:
    points: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in dict(value).items()}
    return DistanceCurve(**points)


_READ: dict[str, Callable[[Any], Any]] = {
    "results": _results,
    "curves": lambda values: tuple(_curve(c) for c in values),
    "groups": lambda values: tuple(GroupAudit(**{**g, "results": _results(g["results"])}) for g in values),
    "self_test": lambda v: None if v is None else SelfTest(**{**v, "results": _results(v["results"])}),
    "vulnerable": lambda values: tuple(VulnerableRecord(**v) for v in values),
}
