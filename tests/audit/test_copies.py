from __future__ import annotations

import numpy as np
import pytest

from jaxsynth.audit.copies import COPIER, exact_copies, near_copies
from jaxsynth.audit.intervals import newcombe, wilson, z_two_sided


def test_exact_copies_are_rows_at_distance_0() -> None:
    synthetic, holdout = np.array([0.0, 0.0, 1e-12, 2.0]), np.array([0.0, 1.0, 1.0, 1.0, 1.0])
    found = exact_copies(synthetic, holdout, seed=3)
    assert (found.estimate, found.low, found.high) == wilson(2, 4)
    assert (found.baseline, found.baseline_low, found.baseline_high) == wilson(1, 5)
    assert (found.excess, found.excess_low, found.excess_high) == newcombe(2, 4, 1, 5)
    assert (found.n, found.n_baseline, found.seed, found.unit) == (4, 5, 3, "share of rows")
    assert found.verdict == "underpowered"
    assert (found.excess_kind, found.threat, found.epsilon, found.confidence) == ("difference", COPIER, None, 0.95)


def test_limits_have_the_confidence_that_was_asked_for() -> None:
    synthetic, holdout, z = (
        np.array([0.0, 0.0, 1e-12, 2.0]),
        np.array([0.0, 1.0, 1.0, 1.0, 1.0]),
        z_two_sided(0.99),
    )
    found = exact_copies(synthetic, holdout, seed=3, confidence=0.99)
    assert (found.estimate, found.low, found.high) == wilson(2, 4, z=z)
    assert (found.baseline, found.baseline_low, found.baseline_high) == wilson(1, 5, z=z)
    assert (found.excess, found.excess_low, found.excess_high) == newcombe(2, 4, 1, 5, z=z)
    assert found.confidence == 0.99
    rng = np.random.default_rng(7)
    distances = rng.gamma(9, size=3000), rng.gamma(9, size=1000)
    for screen in (exact_copies, near_copies):
        narrow, wide = (screen(*distances, seed=0, confidence=c) for c in (0.95, 0.995))
        assert wide.detectable > narrow.detectable
        assert wide.excess_low < narrow.excess_low
        assert wide.estimate == narrow.estimate


def test_one_row_a_side_is_enough_to_say_nothing() -> None:
    for screen in (exact_copies, near_copies):
        found = screen(np.zeros(1), np.zeros(1), seed=0)
        assert (found.n, found.n_baseline, found.verdict) == (1, 1, "underpowered")


@pytest.mark.parametrize("holdout_rows", [500, 1000, 5000])
def test_one_percent_of_exact_copies_in_5000_rows_is_found(holdout_rows: int) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        synthetic, holdout = rng.gamma(9, size=5000), rng.gamma(9, size=holdout_rows)
        synthetic[rng.permutation(5000)[:50]] = 0
        assert exact_copies(synthetic, holdout, seed=seed).verdict == "fail"


def test_chance_repetitions_are_no_copies() -> None:
    rng = np.random.default_rng(0)
    synthetic, holdout = (rng.integers(0, 4, n).astype(float) for n in (20_000, 20_000))
    found = exact_copies(synthetic, holdout, seed=0)
    assert found.estimate == pytest.approx(0.25, abs=0.02)
    assert found.verdict != "fail"


def test_near_copies_expect_one_percent_of_real_rows() -> None:
    shares = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        found = near_copies(rng.gamma(9, size=2000), rng.gamma(9, size=1000), seed=seed)
        shares.append((found.estimate, found.baseline))
    # The first percentile of 500 rows is the fifth smallest: 5 / 501 of new rows lie below it on average.
    np.testing.assert_allclose(np.mean(shares, axis=0), 5 / 501, atol=0.001)


def test_near_copies_are_found_where_no_exact_copy_is() -> None:
    rng = np.random.default_rng(5)
    synthetic, holdout = rng.gamma(9, size=10_000), rng.gamma(9, size=2000)
    synthetic[:200] *= 0.01
    assert near_copies(synthetic, holdout, seed=0).verdict == "fail"
    assert exact_copies(synthetic, holdout, seed=0).verdict == "pass"


def test_near_copies_depend_on_the_seed_alone() -> None:
    rng = np.random.default_rng(6)
    synthetic, holdout = rng.gamma(9, size=500), rng.gamma(9, size=301)
    first = near_copies(synthetic, holdout, seed=1)
    assert first == near_copies(synthetic, holdout, seed=1)
    assert first.n_baseline == 301
    assert {near_copies(synthetic, holdout, seed=s).baseline for s in range(20)} != {first.baseline}


def test_near_copies_of_a_constant_table_are_all_rows() -> None:
    found = near_copies(np.zeros(10), np.zeros(2), seed=0)
    assert (found.estimate, found.baseline, found.excess) == (1.0, 1.0, 0.0)
    assert found.verdict == "underpowered"
