from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from jaxsynth.audit.copies import COPIER
from jaxsynth.audit.distance import Nearest, curve, dcr, nndr
from jaxsynth.audit.intervals import quantile
from jaxsynth.audit.result import AuditResult

MINE, REAL = 0, 1


def _apart(values: np.ndarray, side: int) -> Nearest:
    """Rows at these distances, no two of them nearest the same training row, nor one of the other side's."""
    return Nearest(np.column_stack([values, np.ones(len(values))]), 2 * np.arange(len(values)) + side)


def _dcr(mine: np.ndarray, real: np.ndarray, seed: int = 0) -> AuditResult:
    return dcr(_apart(mine, MINE), _apart(real, REAL), seed=seed)


def test_dcr_compares_fifth_percentiles() -> None:
    found = _dcr(np.arange(1.0, 101.0), 2 * np.arange(1.0, 101.0))
    assert (found.estimate, found.baseline, found.excess) == (5.0, 10.0, 0.5)
    assert found.low <= found.estimate <= found.high
    assert found.baseline_low <= found.baseline <= found.baseline_high
    assert found.excess_low <= found.excess <= found.excess_high
    assert (found.n, found.n_baseline, found.unit) == (100, 100, "distance")
    assert (found.excess_kind, found.threat, found.epsilon) == ("shortfall", COPIER, None)


def test_dcr_finds_crowding_and_passes_distance() -> None:
    rng = np.random.default_rng(0)
    real = rng.gamma(9, size=5000)
    assert _dcr(0.8 * rng.gamma(9, size=10_000), real).verdict == "fail"
    assert _dcr(rng.gamma(9, size=10_000), real).verdict == "pass"
    farther = _dcr(1.2 * rng.gamma(9, size=10_000), real)
    assert farther.verdict == "pass"
    assert farther.excess_high < 0


def test_small_samples_are_underpowered() -> None:
    rng = np.random.default_rng(1)
    assert _dcr(rng.gamma(9, size=100), rng.gamma(9, size=100)).verdict == "underpowered"
    assert _dcr(np.ones(1), np.ones(2)).detectable == 1.0


def test_a_baseline_at_0_cannot_be_undercut() -> None:
    found = _dcr(np.ones(100), np.zeros(100))
    assert (found.excess, found.detectable, found.verdict) == (0.0, 1.0, "underpowered")


def test_practical_tolerance_keeps_tiny_differences_from_failing() -> None:
    real = np.linspace(1, 2, 1_000_000)
    found = _dcr(0.99 * real, real)
    assert found.excess_low > 0
    assert found.verdict == "pass"


def test_limits_widen_with_the_confidence() -> None:
    rng = np.random.default_rng(4)
    sides = _apart(rng.gamma(9, size=2000), MINE), _apart(rng.gamma(9, size=1000), REAL)
    narrow, wide = (dcr(*sides, seed=0, confidence=c) for c in (0.95, 0.995))
    assert (narrow.confidence, wide.confidence) == (0.95, 0.995)
    for low, high in (("low", "high"), ("baseline_low", "baseline_high"), ("excess_low", "excess_high")):
        assert getattr(wide, low) < getattr(narrow, low)
        assert getattr(wide, high) > getattr(narrow, high)
    assert wide.detectable > narrow.detectable
    assert (wide.estimate, wide.excess) == (narrow.estimate, narrow.excess)


def test_rows_nearest_one_training_row_count_as_one() -> None:
    rng = np.random.default_rng(5)
    once, real = rng.gamma(9, size=400), _apart(rng.gamma(9, size=4000), REAL)
    many = Nearest(np.column_stack([np.repeat(once, 25), np.ones(10_000)]), np.repeat(2 * np.arange(400), 25))
    alone, together, pretended = (
        dcr(mine, real, seed=0) for mine in (_apart(once, MINE), many, _apart(np.repeat(once, 25), MINE))
    )
    width = alone.excess_high - alone.excess_low
    assert together.excess_high - together.excess_low == pytest.approx(width, rel=0.15)
    assert pretended.excess_high - pretended.excess_low < 0.6 * width
    assert together.excess == alone.excess


def test_limits_cover_the_shortfall_of_crowds() -> None:
    # The limits of an excess are those of two questions together, so at 95 % each covers 97.5 %.
    rng, truth, inside = np.random.default_rng(6), 0.1, 0
    for _ in range(300):
        centres = rng.gamma(9, size=(2, 600))
        crowds = [np.arange(600).repeat(rng.geometric(0.4, 600)) for _ in range(2)]
        sides = [scale * c[at] for scale, c, at in zip((1 - truth, 1), centres, crowds, strict=True)]
        near = [
            Nearest(np.column_stack([x, x]), 2 * at + i)
            for i, (x, at) in enumerate(zip(sides, crowds, strict=True))
        ]
        found = dcr(near[0], near[1], seed=0)
        inside += found.excess_low <= truth <= found.excess_high
    assert 0.95 <= inside / 300 <= 0.998


def test_ratios() -> None:
    found = Nearest(np.array([[1.0, 2.0], [0.0, 3.0], [0.0, 0.0], [2.0, 2.0]]), np.arange(4)).ratios
    assert found.tolist() == [0.5, 0.0, 1.0, 1.0]


def test_some_of_the_rows() -> None:
    near = Nearest(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), np.array([7, 8, 9]))
    found = near.among(np.array([True, False, True]))
    assert found.distances.tolist() == [[1.0, 2.0], [5.0, 6.0]]
    assert found.rows.tolist() == [7, 9]


def test_nndr_finds_rows_that_single_out_one_training_row() -> None:
    rng = np.random.default_rng(2)
    real, mine = rng.beta(9, 1, 2000), rng.beta(9, 1, 10_000)
    mine[:800] *= 0.1
    found = nndr(_apart(mine, MINE), _apart(real, REAL), seed=0)
    assert found.verdict == "fail"
    assert (found.unit, found.excess_kind) == ("ratio", "shortfall")
    assert found.estimate == quantile(np.sort(mine), 0.05)
    honest = nndr(_apart(rng.beta(9, 1, 10_000), MINE), _apart(real, REAL), seed=0)
    assert honest.verdict != "fail"
    assert honest.baseline == pytest.approx(stats.beta(9, 1).ppf(0.05), abs=0.02)


def test_results_depend_on_the_seed_alone() -> None:
    rng = np.random.default_rng(3)
    mine, real = rng.gamma(9, size=300), rng.gamma(9, size=200)
    assert _dcr(mine, real, seed=4) == _dcr(mine, real, seed=4)
    assert _dcr(mine, real, seed=4).excess_low != _dcr(mine, real, seed=5).excess_low


def test_curve_runs_from_the_least_to_the_greatest() -> None:
    mine, real = np.array([3.0, 1.0, 2.0]), np.array([5.0, 4.0])
    found = curve("dcr", mine, real)
    assert len(found.probs) == len(found.synthetic) == len(found.holdout) == 201
    assert (found.synthetic[0], found.synthetic[100], found.synthetic[-1]) == (1.0, 2.0, 3.0)
    assert found.holdout[100] == pytest.approx(4.5)
