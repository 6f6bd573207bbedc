"""Copying screens on distances: distance to the closest record (DCR) and nearest-neighbour distance ratio.

These are screens for copying, not measures of privacy: tables that pass them were shown to remain open to
membership inference (Yao et al. 2025, "The DCR delusion", arXiv:2505.01524). Both look at the 5th percentile,
the part of the distribution where copies are, as Zhao et al. (2021, CTAB-GAN, arXiv:2102.08369) do. Rows that
lie nearest one training row are resampled together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jaxsynth.audit.clusters import quantile_resamples
from jaxsynth.audit.copies import COPIER
from jaxsynth.audit.intervals import (
    CONFIDENCE,
    Floats,
    detectable_shortfall,
    joint_confidence,
    percentile,
    quantile,
    shortfall,
    unknown,
)
from jaxsynth.audit.result import AuditResult, DistanceCurve, Question
from jaxsynth.audit.verdict import DISTANCE

PROBABILITY = 0.05
LEAST_ROWS = 100  # of fewer on either side, five or less make the quantile, and a bootstrap has no width
DCR = Question(
    name="dcr",
    title="Distance to closest record (copying screen)",
    question="Do the closest synthetic rows crowd training rows more than the closest unseen real rows do?",
    threat=COPIER,
    unit="distance",
    rule=DISTANCE,
    excess="shortfall",
)
NNDR = Question(
    name="nndr",
    title="Nearest-neighbour distance ratio (copying screen)",
    question="Do synthetic rows single out one training row more than unseen real rows do?",
    threat=COPIER,
    unit="ratio",
    rule=DISTANCE,
    excess="shortfall",
)
_GRID = np.linspace(0, 1, 201)


@dataclass(frozen=True, eq=False)
class Nearest:
    """What lies nearest each of n rows among the training rows.

    Attributes:
        distances: to the two nearest training rows, ascending. Float64 of shape (n, 2).
        rows: the nearest one. Int64 of shape (n,).
    """

    distances: Floats
    rows: NDArray[np.int64]

    def among(self, chosen: NDArray[np.bool_]) -> Nearest:
        """Those of the rows that `chosen` marks."""
        return Nearest(self.distances[chosen], self.rows[chosen])

    @property
    def ratios(self) -> Floats:
        """Nearest over second-nearest distance, in [0, 1]. Shape (n,).

        1 where both are 0: the row repeats a training row that is itself repeated, so none is singled out.
        """
        first, second = self.distances[:, 0], self.distances[:, 1]
        return np.divide(first, second, out=np.ones(len(first)), where=second > 0)


def dcr(synthetic: Nearest, holdout: Nearest, *, seed: int, confidence: float = CONFIDENCE) -> AuditResult:
    """5th percentile of the distance to the closest training record.

    Args:
        synthetic: of s synthetic rows.
        holdout: of h holdout rows.
        seed: decides the bootstrap resamples.
        confidence: of the limits.
    """
    values = synthetic.distances[:, 0], holdout.distances[:, 0]
    return _compare(DCR, values, (synthetic.rows, holdout.rows), seed=seed, confidence=confidence)


def nndr(synthetic: Nearest, holdout: Nearest, *, seed: int, confidence: float = CONFIDENCE) -> AuditResult:
    """5th percentile of the ratio of the distances to the nearest and second nearest training rows.

    Arguments as of `dcr`.
    """
    values = synthetic.ratios, holdout.ratios
    return _compare(NNDR, values, (synthetic.rows, holdout.rows), seed=seed, confidence=confidence)


def curve(name: str, synthetic: Floats, holdout: Floats) -> DistanceCurve:
    """Both distributions as 201 quantiles."""
    points = [tuple(np.quantile(x, _GRID).tolist()) for x in (synthetic, holdout)]
    return DistanceCurve(name=name, probs=tuple(_GRID.tolist()), synthetic=points[0], holdout=points[1])


def _compare(
    question: Question,
    values: tuple[Floats, Floats],
    clusters: tuple[NDArray[np.int64], NDArray[np.int64]],
    *,
    seed: int,
    confidence: float,
) -> AuditResult:
    found = [quantile(np.sort(x), PROBABILITY) for x in values]
    drawn = quantile_resamples(values, clusters, PROBABILITY, np.random.default_rng([seed, 2]))
    joint = joint_confidence(confidence)
    excess = percentile(float(shortfall(*found)), shortfall(*drawn), joint)
    known = min(map(len, values)) >= LEAST_ROWS
    return AuditResult.of(
        question,
        estimate=percentile(found[0], drawn[0], confidence),
        baseline=percentile(found[1], drawn[1], confidence),
        excess=excess if known else unknown(excess),
        detectable=detectable_shortfall(np.sort(values[1]), PROBABILITY, shortfall(*drawn), joint)
        if known
        else 1.0,
        n=len(values[0]),
        n_baseline=len(values[1]),
        seed=seed,
        confidence=confidence,
    )
