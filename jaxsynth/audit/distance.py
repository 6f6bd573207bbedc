"""Copying screens on distances: distance to the closest record (DCR) and nearest-neighbour distance ratio.

These are screens for copying, not measures of privacy: tables that pass them were shown to remain open to
membership inference (Yao et al. 2025, "The DCR delusion", arXiv:2505.01524). Both look at the 5th percentile,
the part of the distribution where copies are, as Zhao et al. (2021, CTAB-GAN, arXiv:2102.08369) do.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jaxsynth.audit.intervals import (
    CONFIDENCE,
    RESAMPLES,
    detectable_shortfall,
    percentile,
    quantile,
    quantile_resamples,
    shortfall,
)
from jaxsynth.audit.result import AuditResult, DistanceCurve
from jaxsynth.audit.verdict import DISTANCE

PROBABILITY = 0.05
JOINT_CONFIDENCE = 1 - (1 - CONFIDENCE) / 2
"""Of each excess: DCR and NNDR put two questions to the same distances, and 95 % is for both (Bonferroni)."""
_GRID = np.linspace(0, 1, 201)


def dcr(synthetic: NDArray[np.float64], holdout: NDArray[np.float64], *, seed: int) -> AuditResult:
    """5th percentile of the distance to the closest training record.

    Args:
        synthetic: distance of each synthetic row to its nearest training row. Shape (s,).
        holdout: the same for each holdout row. Shape (h,).
        seed: decides the bootstrap resamples.
    """
    return _compare(
        "dcr",
        "Distance to closest record (copying screen)",
        "Do the closest synthetic rows crowd training rows more than the closest unseen real rows do?",
        "distance",
        synthetic,
        holdout,
        seed,
    )


def nndr(synthetic: NDArray[np.float64], holdout: NDArray[np.float64], *, seed: int) -> AuditResult:
    """5th percentile of the ratio of the distances to the nearest and second nearest training rows.

    Args:
        synthetic: the ratio of each synthetic row, see `ratios`. Shape (s,).
        holdout: the same for each holdout row. Shape (h,).
        seed: decides the bootstrap resamples.
    """
    return _compare(
        "nndr",
        "Nearest-neighbour distance ratio (copying screen)",
        "Do synthetic rows single out one training row more than unseen real rows do?",
        "ratio",
        synthetic,
        holdout,
        seed,
    )


def ratios(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Nearest over second-nearest distance, in [0, 1].

    1 where both are 0: the row repeats a training row that is itself repeated, so none is singled out.

    Args:
        distances: ascending along each row. Shape (n, k), k >= 2.

    Returns:
        Shape (n,).
    """
    first, second = distances[:, 0], distances[:, 1]
    return np.divide(first, second, out=np.ones(len(first)), where=second > 0)


def curve(name: str, synthetic: NDArray[np.float64], holdout: NDArray[np.float64]) -> DistanceCurve:
    """Both distributions as 201 quantiles."""
    points = [tuple(np.quantile(x, _GRID).tolist()) for x in (synthetic, holdout)]
    return DistanceCurve(name=name, probs=tuple(_GRID.tolist()), synthetic=points[0], holdout=points[1])


def _compare(
    name: str,
    title: str,
    question: str,
    unit: str,
    synthetic: NDArray[np.float64],
    holdout: NDArray[np.float64],
    seed: int,
) -> AuditResult:
    rng = np.random.default_rng([seed, 2])
    ordered = np.sort(synthetic), np.sort(holdout)
    values = [quantile(x, PROBABILITY) for x in ordered]
    drawn = [quantile_resamples(x, PROBABILITY, len(x), rng, RESAMPLES) for x in ordered]
    mine, real = (percentile(v, d) for v, d in zip(values, drawn, strict=True))
    excess = percentile(float(shortfall(*values)), shortfall(*drawn), JOINT_CONFIDENCE)
    detectable = detectable_shortfall(ordered[1], PROBABILITY, len(synthetic), rng, JOINT_CONFIDENCE)
    return AuditResult(
        name=name, title=title, question=question,
        estimate=mine.estimate, low=mine.low, high=mine.high,
        baseline=real.estimate, baseline_low=real.low, baseline_high=real.high,
        excess=excess.estimate, excess_low=excess.low, excess_high=excess.high,
        detectable=detectable, n=len(synthetic), n_baseline=len(holdout), unit=unit,
        verdict=DISTANCE.verdict(excess, detectable), seed=seed,
    )  # fmt: skip
