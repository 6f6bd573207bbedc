from __future__ import annotations

import numpy as np
import pytest

from jaxsynth.audit.distance import curve, dcr, nndr, ratios


def test_dcr_compares_fifth_percentiles() -> None:
    found = dcr(np.arange(1.0, 101.0), 2 * np.arange(1.0, 101.0), seed=0)
    assert (found.estimate, found.baseline, found.excess) == (5.0, 10.0, 0.5)
    assert found.low <= found.estimate <= found.high
    assert found.baseline_low <= found.baseline <= found.baseline_high
    assert found.excess_low <= found.excess <= found.excess_high
    assert (found.n, found.n_baseline, found.unit) == (100, 100, "distance")


def test_dcr_finds_crowding_and_passes_distance() -> None:
    rng = np.random.default_rng(0)
    real = rng.gamma(9, size=5000)
    assert dcr(0.8 * rng.gamma(9, size=10_000), real, seed=0).verdict == "fail"
    assert dcr(rng.gamma(9, size=10_000), real, seed=0).verdict == "pass"
    farther = dcr(1.2 * rng.gamma(9, size=10_000), real, seed=0)
    assert farther.verdict == "pass"
    assert farther.excess_high < 0


def test_small_samples_are_underpowered() -> None:
    rng = np.random.default_rng(1)
    assert dcr(rng.gamma(9, size=100), rng.gamma(9, size=100), seed=0).verdict == "underpowered"
    assert dcr(np.ones(1), np.ones(2), seed=0).detectable == 1.0


def test_a_baseline_at_0_cannot_be_undercut() -> None:
    found = dcr(np.ones(100), np.zeros(100), seed=0)
    assert (found.excess, found.detectable, found.verdict) == (0.0, 1.0, "underpowered")


def test_practical_tolerance_keeps_tiny_differences_from_failing() -> None:
    real = np.linspace(1, 2, 1_000_000)
    found = dcr(0.99 * real, real, seed=0)
    assert found.excess_low > 0
    assert found.verdict == "pass"


def test_ratios() -> None:
    found = ratios(np.array([[1.0, 2.0], [0.0, 3.0], [0.0, 0.0], [2.0, 2.0]]))
    assert found.tolist() == [0.5, 0.0, 1.0, 1.0]


def test_nndr_finds_rows_that_single_out_one_training_row() -> None:
    rng = np.random.default_rng(2)
    real, mine = rng.beta(9, 1, 2000), rng.beta(9, 1, 10_000)
    mine[:800] *= 0.1
    found = nndr(mine, real, seed=0)
    assert found.verdict == "fail"
    assert found.unit == "ratio"
    assert nndr(rng.beta(9, 1, 10_000), real, seed=0).verdict != "fail"


def test_results_depend_on_the_seed_alone() -> None:
    rng = np.random.default_rng(3)
    mine, real = rng.gamma(9, size=300), rng.gamma(9, size=200)
    assert dcr(mine, real, seed=4) == dcr(mine, real, seed=4)
    assert dcr(mine, real, seed=4).excess_low != dcr(mine, real, seed=5).excess_low


def test_curve_runs_from_the_least_to_the_greatest() -> None:
    mine, real = np.array([3.0, 1.0, 2.0]), np.array([5.0, 4.0])
    found = curve("dcr", mine, real)
    assert len(found.probs) == len(found.synthetic) == len(found.holdout) == 201
    assert (found.synthetic[0], found.synthetic[100], found.synthetic[-1]) == (1.0, 2.0, 3.0)
    assert found.holdout[100] == pytest.approx(4.5)
