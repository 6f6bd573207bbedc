from __future__ import annotations

import numpy as np
import pytest

from jaxsynth.audit.copies import exact_copies, near_copies
from jaxsynth.audit.distance import Nearest, dcr, nndr
from jaxsynth.audit.intervals import Interval
from jaxsynth.audit.verdict import ADVANTAGE, DISTANCE, RESIDUAL, SHARE, Rule


@pytest.mark.parametrize(
    ("excess", "detectable", "verdict"),
    [
        (Interval(0.2, 0.1, 0.3), 0.01, "fail"),
        (Interval(0.2, 0.1, 0.3), 1.0, "fail"),
        (Interval(0.04, 0.01, 0.3), 0.01, "pass"),
        (Interval(0.2, 0.0, 0.3), 0.1, "pass"),
        (Interval(0.2, 0.0, 0.3), 0.11, "underpowered"),
        (Interval(-0.2, -0.3, -0.1), 0.1, "pass"),
    ],
)
def test_rule(excess: Interval, detectable: float, verdict: str) -> None:
    assert Rule(tolerance=0.05, margin=0.1).verdict(excess, detectable) == verdict


def test_tolerances_lie_below_the_margins() -> None:
    for rule in (SHARE, DISTANCE, ADVANTAGE, RESIDUAL):
        assert 0 < rule.tolerance < rule.margin


def _failed(synthetic: np.ndarray, holdout: np.ndarray, seed: int) -> bool:
    nearest = synthetic[:, 0], holdout[:, 0]
    results = [question(*nearest, seed=seed) for question in (exact_copies, near_copies)]
    rows = np.split(np.arange(len(synthetic) + len(holdout)), [len(synthetic)])
    sides = [Nearest(x, at) for x, at in zip((synthetic, holdout), rows, strict=True)]
    results += [question(*sides, seed=seed) for question in (dcr, nndr)]
    return any(r.verdict == "fail" for r in results)


def _continuous(n: int, rng: np.random.Generator) -> np.ndarray:
    first = rng.gamma(9, size=n)
    return np.stack([first, first * (1 + rng.exponential(0.2, n))], axis=1)


def _lattice(n: int, rng: np.random.Generator) -> np.ndarray:
    return np.sort(rng.binomial(8, 0.2, (n, 2)) / 8, axis=1)


@pytest.mark.parametrize("draw", [_continuous, _lattice])
@pytest.mark.parametrize(("n", "real"), [(500, 100), (5000, 1000)])
def test_real_against_real_fails_in_at_most_one_report_of_twenty(draw: object, n: int, real: int) -> None:
    assert callable(draw)
    rng = np.random.default_rng(12)
    alarms = sum(_failed(draw(n, rng), draw(real, rng), seed) for seed in range(200))
    assert alarms <= 10
