from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from jaxsynth.audit.roc import auc, auc_difference, clopper_pearson, placements, threshold_at

SCORES = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=40).map(np.array)


@given(SCORES, SCORES)
def test_area_matches_scikit_learn_and_mann_whitney(positives: np.ndarray, negatives: np.ndarray) -> None:
    labels = np.repeat([1, 0], [len(positives), len(negatives)])
    found = auc(positives, negatives)
    assert found.estimate == pytest.approx(roc_auc_score(labels, np.concatenate([positives, negatives])))
    pairs = stats.mannwhitneyu(positives, negatives, method="asymptotic").statistic
    assert found.estimate == pytest.approx(pairs / (len(positives) * len(negatives)))
    assert 0 <= found.low <= found.estimate <= found.high <= 1
    assert found.low < found.high


@given(SCORES, SCORES)
def test_placements_match_all_pairs(positives: np.ndarray, negatives: np.ndarray) -> None:
    wins = (positives[:, None] > negatives) + 0.5 * (positives[:, None] == negatives)
    below, above = placements(positives, negatives)
    np.testing.assert_allclose(below, wins.mean(axis=1), atol=1e-12)
    np.testing.assert_allclose(above, wins.mean(axis=0), atol=1e-12)


def test_limits_match_delong_in_large_samples() -> None:
    rng = np.random.default_rng(0)
    positives, negatives = rng.normal(1, 1, 4000), rng.normal(0, 1, 3000)
    wins = positives[:, None] > negatives
    error = math.sqrt(wins.mean(axis=1).var(ddof=1) / 4000 + wins.mean(axis=0).var(ddof=1) / 3000)
    found = auc(positives, negatives)
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.01)


def _normal(n: int, shift: float, rng: np.random.Generator) -> np.ndarray:
    return rng.normal(shift, 1, n)


def _rounded(n: int, shift: float, rng: np.random.Generator) -> np.ndarray:
    return np.round(rng.normal(shift, 1, n))


def _mostly_tied(n: int, shift: float, rng: np.random.Generator) -> np.ndarray:
    return np.where(rng.random(n) < 0.3, rng.normal(shift, 1, n), 0.0)


@pytest.mark.parametrize("draw", [_normal, _rounded, _mostly_tied])
@pytest.mark.parametrize("shift", [0.0, math.sqrt(2) * 1.2816])
@pytest.mark.parametrize(("m", "n", "runs"), [(25, 25, 1500), (60, 200, 1500), (2500, 2500, 500)])
def test_limits_cover_the_area(draw: object, shift: float, m: int, n: int, runs: int) -> None:
    assert callable(draw)
    rng = np.random.default_rng([m, n, 1])
    truth = auc(draw(300_000, shift, rng), draw(300_000, 0.0, rng)).estimate
    found = [auc(draw(m, shift, rng), draw(n, 0.0, rng)) for _ in range(runs)]
    covered = np.mean([f.low <= truth <= f.high for f in found])
    spare = 2.5 * math.sqrt(0.05 * 0.95 / runs)
    assert 0.945 - spare <= covered <= 0.97 + spare


@pytest.mark.parametrize(("m", "n"), [(1, 1), (1, 500), (2, 3), (3, 500), (500, 2)])
@pytest.mark.parametrize("draw", [_normal, _rounded, _mostly_tied])
def test_a_handful_of_rows_never_claims_much(m: int, n: int, draw: object) -> None:
    assert callable(draw)
    rng = np.random.default_rng(2)
    found = [auc(draw(m, 0.0, rng), draw(n, 0.0, rng)) for _ in range(400)]
    assert np.mean([f.low > 0.5 for f in found]) <= 0.04


def test_a_higher_confidence_widens() -> None:
    rng = np.random.default_rng(3)
    positives, negatives = rng.normal(1, 1, 50), rng.normal(0, 1, 50)
    narrow, wide = (auc(positives, negatives, confidence=c) for c in (0.95, 0.999))
    assert wide.low < narrow.low < narrow.high < wide.high


def _paired(n: int, shift: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    common = rng.normal(0, 1, n)
    return common + rng.normal(shift, 0.7, n), common + rng.normal(shift / 2, 0.7, n)


@pytest.mark.parametrize(("n", "shift"), [(50, 0.0), (400, 0.0), (400, 1.5)])
def test_the_difference_of_paired_areas_is_covered(n: int, shift: float) -> None:
    rng = np.random.default_rng(4)
    large = _paired(300_000, shift, rng), _paired(300_000, 0.0, rng)
    truth = auc_difference(*large).estimate
    found = [auc_difference(_paired(n, shift, rng), _paired(n, 0.0, rng)) for _ in range(1000)]
    assert 0.93 <= np.mean([f.low <= truth <= f.high for f in found]) <= 0.97


def test_pairing_narrows_and_a_score_does_not_differ_from_itself() -> None:
    rng = np.random.default_rng(5)
    (a, b), (c, d) = _paired(300, 1.0, rng), _paired(300, 0.0, rng)
    paired, unpaired = auc_difference((a, b), (c, d)), auc_difference((a, b[::-1]), (c, d[::-1]))
    assert paired.estimate == pytest.approx(unpaired.estimate)
    assert paired.high - paired.low < 0.8 * (unpaired.high - unpaired.low)
    same, unlike = auc_difference((a, a), (c, c)), auc(a, c)
    assert same.estimate == 0
    assert same.high - same.low < 0.2 * (unlike.high - unlike.low)


def test_the_difference_matches_the_bootstrap() -> None:
    rng = np.random.default_rng(6)
    positives, negatives = np.stack(_paired(400, 1.0, rng)), np.stack(_paired(300, 0.0, rng))
    drawn = []
    for _ in range(1000):
        p, n = positives[:, rng.integers(0, 400, 400)], negatives[:, rng.integers(0, 300, 300)]
        drawn.append(placements(p[0], n[0])[0].mean() - placements(p[1], n[1])[0].mean())
    found = auc_difference((positives[0], positives[1]), (negatives[0], negatives[1]))
    np.testing.assert_allclose(found[1:], np.quantile(drawn, [0.025, 0.975]), atol=0.006)


@pytest.mark.parametrize(("count", "n"), [(0, 1), (1, 1), (0, 10), (3, 10), (10, 10), (81, 263)])
@pytest.mark.parametrize("confidence", [0.95, 0.999])
def test_clopper_pearson_matches_scipy(count: int, n: int, confidence: float) -> None:
    expected = stats.binomtest(count, n).proportion_ci(confidence, method="exact")
    np.testing.assert_allclose(clopper_pearson(count, n, confidence=confidence)[1:], expected, atol=1e-10)


@given(st.lists(st.integers(0, 20).map(float), min_size=1, max_size=400).map(np.array), st.floats(0, 1))
def test_no_lower_threshold_keeps_the_rate(negatives: np.ndarray, rate: float) -> None:
    found = threshold_at(negatives, rate)
    assert np.mean(negatives > found) <= rate + 1e-9
    lower = negatives[negatives < found]
    assert len(lower) == 0 or np.mean(negatives > lower.max()) > rate


def test_thresholds_at_round_rates() -> None:
    assert threshold_at(np.arange(300.0), 0.01) == 296.0
    assert threshold_at(np.arange(50.0), 0.01) == 49.0
    assert threshold_at(np.array([]), 0.01) == math.inf
