"""What an audit reports: frozen values, JSON and back, and a table for terminals. No record is in it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from jaxsynth.atomic import write_bytes
from jaxsynth.audit.verdict import Verdict
from jaxsynth.errors import AuditError

_FORMAT = "jaxsynth-audit"
_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class AuditResult:
    """One figure, what it is compared with, and what follows.

    Attributes:
        name: machine name: "exact_copies", "near_copies", "dcr" or "nndr".
        title: name for people.
        question: one sentence: which threat the figure speaks of.
        estimate: the figure for the synthetic rows, in `unit`; with limits `low` and `high`.
        baseline: the same figure for holdout rows against the same training rows (real-vs-real), with limits.
        excess: synthetic compared with the baseline, positive = closer to the training rows: a difference
            for shares, a relative shortfall for distances and ratios; with limits.
        detectable: the smallest excess that would have been found with 80 % power at 5 %; 1.0, the largest
            there is, if none would.
        n: synthetic rows behind `estimate`.
        n_baseline: holdout rows behind `baseline`.
        unit: "share of rows", "distance" or "ratio".
        verdict: "pass", "fail" or "underpowered".
        seed: the audit's seed.
        confidence: coverage of the limits, rows taken as independent. The excess limits of "dcr" and "nndr",
            two questions put to the same distances, cover both at once (each is a 97.5 % interval).
    """

    name: str
    title: str
    question: str
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
    confidence: float = 0.95


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
class AuditReport:
    """All results of one audit. There is no overall score: each result answers its own question.

    Attributes:
        results: one for each figure.
        curves: the distributions behind the distance figures.
        n_train: training rows.
        n_holdout: holdout rows.
        n_synthetic: synthetic rows.
        seed: what the split of the holdout and the resamples were drawn from.
        schema_digest: SHA-256 of the schema that decided which columns were compared, and how.
    """

    results: tuple[AuditResult, ...]
    curves: tuple[DistanceCurve, ...]
    n_train: int
    n_holdout: int
    n_synthetic: int
    seed: int
    schema_digest: str

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
        """Return the report as JSON values: counts, estimates and quantiles, no cell of any table."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        values["results"] = [asdict(r) for r in self.results]
        values["curves"] = [{k: _listed(v) for k, v in asdict(c).items()} for c in self.curves]
        return {"format": _FORMAT, "version": _VERSION, **values}

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
            results = tuple(AuditResult(**r) for r in values.pop("results"))
            curves = tuple(DistanceCurve(**{k: _tupled(v) for k, v in c.items()}) for c in values.pop("curves"))
            return cls(results=results, curves=curves, **values)
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
        return "\n".join([*lines, counts])


def _row(result: AuditResult) -> tuple[str, ...]:
    show = "{:.2%}".format if result.unit == "share of rows" else "{:.4g}".format
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
    return list(value) if isinstance(value, tuple) else value


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
