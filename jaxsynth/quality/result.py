"""What an evaluation found: plain frozen values, JSON on disk, a short table as text.

Errors and shares are fractions in [0, 1]; `None` stands for a figure that is not defined, never NaN.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from jaxsynth.atomic import write_bytes
from jaxsynth.errors import AuditError

_FORMAT = "jaxsynth-quality"
_VERSION = 1

# Association of a pair in the training table above which sdmetrics' quality report counts the pair.
STRONG_CORRELATION = 0.5
STRONG_ASSOCIATION = 0.3


@dataclass(frozen=True, kw_only=True)
class ColumnScore:
    """One column's distribution in the synthetic table against the training table.

    Attributes:
        name: the column.
        kind: its kind in the schema.
        error: Kolmogorov-Smirnov distance (numbers, times) or total variation distance (levels) over the
            non-null cells; None where one table has no value.
        floor: the same of the holdout against the training table.
        missing: share of null cells in the synthetic table minus the share in the training table.
        missing_real: the same of the holdout.
    """

    name: str
    kind: str
    error: float | None
    floor: float | None
    missing: float
    missing_real: float


@dataclass(frozen=True, kw_only=True)
class PairScore:
    """How far the association of two columns is off.

    Attributes:
        left, right: the two columns.
        error: half the difference of Pearson correlations (two numeric columns) or the total variation
            distance of the contingency tables; None where it is not defined, as for a constant column.
        floor: the same of the holdout against the training table.
        strength: |Pearson correlation| or Cramer's V in the training table.
        metric: which of the two was used.
    """

    left: str
    right: str
    error: float | None
    floor: float | None
    strength: float | None
    metric: Literal["correlation", "contingency"]

    @property
    def strong(self) -> bool:
        """Whether the columns are clearly associated in the training table."""
        limit = STRONG_CORRELATION if self.metric == "correlation" else STRONG_ASSOCIATION
        return self.strength is not None and self.strength > limit


@dataclass(frozen=True, kw_only=True)
class Utility:
    """How well a model trained on synthetic rows predicts real holdout rows, beside one trained on real rows.

    Attributes:
        target: the column predicted from all others.
        metric: "auc" (macro one-vs-rest beyond two classes; 0.5 is no skill) or "r2" (0 is no skill).
        synthetic: figure of the model trained on the synthetic table.
        real: figure of the model trained on the training table.
    """

    target: str
    metric: Literal["auc", "r2"]
    synthetic: float
    real: float


@dataclass(frozen=True, kw_only=True)
class Marginal:
    """One column's distribution in the three tables, coarse enough to print.

    Attributes:
        name: the column.
        kind: its kind in the schema.
        labels: level names (the last may be "other"), or for numbers and times the text of each edge.
        edges: inner bin edges, increasing; bins are [edge, next), the two outer ones open-ended. Empty for
            levels.
        train, holdout, synthetic: share of each table's non-null cells in each bin or level; one more than
            `edges` for numbers.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    edges: tuple[float, ...]
    train: tuple[float, ...]
    holdout: tuple[float, ...]
    synthetic: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class QualityReport:
    """Every quality figure beside its real-vs-real floor (holdout against training table).

    Attributes:
        columns: one score a column, in schema order.
        pairs: one score a pair of columns.
        shape_error: mean of the column errors.
        shape_floor: mean of the column floors.
        trend_error: mean of the pair errors, over all pairs.
        trend_floor: mean of the pair floors.
        detection: ROC AUC of boosted trees that tell synthetic from holdout rows; 0.5 is ideal.
        detection_train: the same for synthetic and training rows; well below 0.5 hints at copied rows.
        detection_floor: the same for training and holdout rows.
        utility: None when no target was given or it cannot be scored (`notes` says why).
        violations: constraint -> (share of synthetic rows, share of training rows) that break it.
        marginals: distributions for charts.
        n_train, n_holdout, n_synthetic: rows of each table.
        seed: of subsampling, folds and learners.
        schema_digest: SHA-256 of the schema the columns were read under.
        notes: what could not be computed or was left out, for people.
    """

    columns: tuple[ColumnScore, ...]
    pairs: tuple[PairScore, ...]
    shape_error: float | None
    shape_floor: float | None
    trend_error: float | None
    trend_floor: float | None
    detection: float | None
    detection_train: float | None
    detection_floor: float | None
    utility: Utility | None
    violations: Mapping[str, tuple[float, float]]
    marginals: tuple[Marginal, ...]
    n_train: int
    n_holdout: int
    n_synthetic: int
    seed: int
    schema_digest: str
    notes: tuple[str, ...] = ()

    @property
    def strong_trend_error(self) -> float | None:
        """Mean error of the pairs that are clearly associated in the training table (sdmetrics' default)."""
        return average([p.error for p in self.pairs if p.strong])

    @property
    def strong_trend_floor(self) -> float | None:
        """Mean floor of the same pairs."""
        return average([p.floor for p in self.pairs if p.strong])

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        plain: dict[str, Any] = _plain(asdict(self))
        return {"format": _FORMAT, "version": _VERSION, **plain}

    @classmethod
    def from_json(cls, data: Any, *, what: str = "quality report") -> QualityReport:
        """Rebuild the report that `to_json` wrote.

        Raises:
            AuditError: not a quality report, of a newer version, or not well formed.
        """
        if not isinstance(data, dict) or data.get("format") != _FORMAT:
            raise AuditError(f"{what}: not a jaxsynth quality report; write one with `jaxsynth evaluate -o FILE`")
        version = data.get("version")
        if not isinstance(version, int) or version > _VERSION:
            raise AuditError(f"{what}: version {version!r}, this release reads up to {_VERSION}; upgrade jaxsynth")
        try:
            return cls(**_fields(data))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise AuditError(f"{what}: not well formed ({error}); evaluate anew") from error

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the report as JSON, atomically.

        Raises:
            OutputError: the file cannot be written.
        """
        text = json.dumps(self.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        write_bytes(Path(path), text.encode())

    def __str__(self) -> str:
        return "\n".join([_headline(self), *_table(self), *(f"note: {n}" for n in self.notes)])


def average(values: list[float | None]) -> float | None:
    """Mean of the defined values; None if there is none."""
    defined = [v for v in values if v is not None]
    return sum(defined) / len(defined) if defined else None


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, (list, tuple)) else value


def _fields(data: dict[str, Any]) -> dict[str, Any]:
    values = {k: v for k, v in data.items() if k not in ("format", "version")}
    utility = values["utility"]
    return values | {
        "columns": tuple(ColumnScore(**c) for c in values["columns"]),
        "pairs": tuple(PairScore(**p) for p in values["pairs"]),
        "marginals": tuple(_marginal(m) for m in values["marginals"]),
        "utility": None if utility is None else Utility(**utility),
        "violations": {k: (float(a), float(b)) for k, (a, b) in values["violations"].items()},
        "notes": tuple(values["notes"]),
    }


def _marginal(data: dict[str, Any]) -> Marginal:
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
    return Marginal(**values)


def _headline(report: QualityReport) -> str:
    return (
        f"Quality of {report.n_synthetic:,} synthetic rows, {report.n_train:,} training and "
        f"{report.n_holdout:,} holdout rows (seed {report.seed})"
    )


def _table(report: QualityReport) -> list[str]:
    rows = [
        ("column shapes, mean error", report.shape_error, report.shape_floor),
        ("pair trends, mean error", report.trend_error, report.trend_floor),
        ("pair trends, associated pairs", report.strong_trend_error, report.strong_trend_floor),
        ("detection from holdout, ROC AUC", report.detection, report.detection_floor),
        ("detection from training, ROC AUC", report.detection_train, report.detection_floor),
    ]
    if report.utility is not None:
        u = report.utility
        rows.append((f"utility for {u.target}, {'ROC AUC' if u.metric == 'auc' else 'R2'}", u.synthetic, u.real))
    rows += [(f"breaks {rule}", *shares) for rule, shares in report.violations.items()]
    width = max(len(label) for label, _, _ in rows)
    lines = [f"{'':{width}}  synthetic       real"]
    return lines + [f"{label:{width}}  {_cell(a):>9}  {_cell(b):>9}" for label, a, b in rows]


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
