"""Bounds from many runs: against the same by others, and against simulated mechanisms whose epsilon is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax_privacy.auditing import CanaryScoreAuditor, Explicit
from scipy import stats

from jaxsynth.errors import PrivacyError
from jaxsynth.privacy.lower_bounds import (
    AttackCounts,
    CountsBound,
    epsilon_from_counts,
    epsilon_from_runs,
    epsilon_from_trade_off,
)
from jaxsynth.privacy.normal_scores import epsilon_from_normal_scores
from jaxsynth.privacy.trade_off import gaussian_epsilon, gaussian_mu

DELTA = 1e-5
BOUNDS = (epsilon_from_counts, epsilon_from_trade_off)


def simulated(mu: float, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.normal(mu, 1, n), rng.normal(0, 1, n)


@pytest.mark.parametrize("delta", [0.0, 1e-5, 0.01])
@pytest.mark.parametrize("threshold", [-1.0, 0.3, 1.0, 9.0])
def test_error_rates_give_what_jax_privacy_gets(threshold: float, delta: float) -> None:
    present, absent = simulated(2.0, 300, np.random.default_rng(0))
    expected = CanaryScoreAuditor(present, absent).epsilon_clopper_pearson(
        0.05, delta, one_sided=False, threshold_strategy=Explicit(threshold)
    )
    counts = AttackCounts.at(present, absent, threshold)
    assert epsilon_from_counts(counts, delta=delta).epsilon == pytest.approx(expected, rel=1e-9)


def test_the_trade_off_is_that_of_clopper_pearson_limits() -> None:
    counts = AttackCounts(true_positives=70, n_present=100, false_positives=20, n_absent=120)
    missed = stats.binomtest(30, 100).proportion_ci(0.95, method="exact").high
    false = stats.binomtest(20, 120).proportion_ci(0.95, method="exact").high
    found = epsilon_from_trade_off(counts, delta=DELTA)
    assert gaussian_mu(found.epsilon, DELTA) == pytest.approx(-stats.norm.ppf(missed) - stats.norm.ppf(false))
    assert (found.delta, found.confidence, found.n) == (DELTA, 0.95, 220)


@pytest.mark.parametrize("bound", BOUNDS)
def test_nothing_is_found_where_nothing_leaks(bound: CountsBound) -> None:
    rng = np.random.default_rng(1)
    for n, most in ((200, 50), (1000, 50)):
        found = [
            bound(AttackCounts.at(*simulated(0.0, n, rng), 0.0), delta=DELTA, confidence=0.95).epsilon
            for _ in range(1000)
        ]
        assert np.count_nonzero(found) <= most


@pytest.mark.parametrize(("mu", "least"), [(0.5, 1.0), (1.0, 3.2), (2.0, 8.0)])
def test_the_trade_off_is_near_the_truth_and_seldom_above(mu: float, least: float) -> None:
    rng = np.random.default_rng(2)
    found = np.array(
        [epsilon_from_runs(*simulated(mu, 1500, rng), delta=DELTA).epsilon for _ in range(100)],
    )
    assert np.mean(found > gaussian_epsilon(mu, DELTA)) <= 0.05
    assert np.median(found) > least


def test_error_rates_are_sound_and_find_randomized_response() -> None:
    rng, epsilon = np.random.default_rng(3), 2.0
    truth = 1 / (1 + math.exp(-epsilon))
    counts = ((rng.binomial(2000, truth), rng.binomial(2000, 1 - truth)) for _ in range(400))
    found = np.array(
        [
            epsilon_from_counts(
                AttackCounts(true_positives=a, n_present=2000, false_positives=b, n_absent=2000), delta=0.0
            ).epsilon
            for a, b in counts
        ]
    )
    assert np.mean(found > epsilon) <= 0.05
    assert np.median(found) > 1.75


@pytest.mark.parametrize("bound", BOUNDS)
def test_a_chosen_threshold_does_not_see_the_runs_it_counts(bound: CountsBound) -> None:
    """With ten runs a side, the best of all thresholds would often find something in nothing."""
    rng = np.random.default_rng(4)
    found = [epsilon_from_runs(*simulated(0.0, 12, rng), delta=DELTA, bound=bound).epsilon for _ in range(400)]
    assert np.count_nonzero(found) <= 20


def test_normal_scores_are_near_the_truth_and_above_it_in_five_percent() -> None:
    rng = np.random.default_rng(5)
    for mu, n, least in ((0.0, 200, 0.0), (1.0, 200, 3.2), (1.0, 1000, 3.8)):
        # What the unit of the scores and where their zero is must not matter.
        scores = ((7 + 3 * a, 7 + 3 * b) for a, b in (simulated(mu, n, rng) for _ in range(300)))
        found = np.array([epsilon_from_normal_scores(a, b, delta=DELTA).epsilon for a, b in scores])
        assert np.mean(found > gaussian_epsilon(mu, DELTA)) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 300)
        assert np.median(found) >= least


def test_normal_scores_cover_in_small_samples() -> None:
    rng = np.random.default_rng(6)
    found = [epsilon_from_normal_scores(*simulated(2.0, 4, rng), delta=DELTA).epsilon for _ in range(1000)]
    assert 0.03 <= np.mean(np.array(found) > gaussian_epsilon(2.0, DELTA)) <= 0.07


@given(data=st.data(), n=st.integers(1, 300), m=st.integers(1, 300), confidence=st.floats(0.5, 0.999))
def test_a_bound_grows_with_success_and_falls_with_confidence(
    data: st.DataObject, n: int, m: int, confidence: float
) -> None:
    a, b = data.draw(st.integers(0, n - 1)), data.draw(st.integers(1, m))
    less = AttackCounts(true_positives=a, n_present=n, false_positives=b, n_absent=m)
    more = AttackCounts(true_positives=a + 1, n_present=n, false_positives=b - 1, n_absent=m)
    for bound in BOUNDS:
        found = bound(less, delta=DELTA, confidence=confidence).epsilon
        assert 0 <= found <= bound(more, delta=DELTA, confidence=confidence).epsilon + 1e-9
        assert bound(less, delta=DELTA, confidence=0.9999).epsilon <= found + 1e-9


def test_a_test_worse_than_chance_shows_nothing() -> None:
    counts = AttackCounts(true_positives=1, n_present=1000, false_positives=999, n_absent=1000)
    assert [bound(counts, delta=DELTA).epsilon for bound in BOUNDS] == [0.0, 0.0]


def test_mistakes_are_told() -> None:
    with pytest.raises(PrivacyError, match="between 0 and"):
        AttackCounts(true_positives=5, n_present=4, false_positives=0, n_absent=4)
    with pytest.raises(PrivacyError, match="with and without"):
        AttackCounts(true_positives=0, n_present=0, false_positives=0, n_absent=4)
    with pytest.raises(PrivacyError, match="confidence"):
        epsilon_from_counts(
            AttackCounts(true_positives=1, n_present=2, false_positives=0, n_absent=2), delta=0.0, confidence=95
        )
    with pytest.raises(PrivacyError, match="delta"):
        epsilon_from_counts(AttackCounts(true_positives=1, n_present=2, false_positives=0, n_absent=2), delta=-0.1)
    with pytest.raises(PrivacyError, match="two runs a side"):
        epsilon_from_runs(np.zeros(1), np.zeros(5), delta=DELTA)
    for present in (np.zeros(1), np.zeros(5), np.full(5, np.nan)):
        with pytest.raises(PrivacyError, match="two a side"):
            epsilon_from_normal_scores(present, np.zeros(5), delta=DELTA)
