from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from jaxsynth.audit import clusters
from jaxsynth.audit.clusters import Sample, quantile_resamples, share_resamples
from jaxsynth.audit.intervals import percentile, quantile


def _samples(seed: int, rows: int = 60, size: int = 25) -> list[Sample]:
    """Two samples with clusters in common and clusters of their own."""
    rng = np.random.default_rng(seed)
    return [
        Sample(rng.integers(first, first + size, rows), rng.choice([0.0, 0.5, 1.0], rows, p=p))
        for first, p in ((0, (0.4, 0.2, 0.4)), (size // 2, (0.6, 0.3, 0.1)))
    ]


def _explicit(samples: list[Sample], rng: np.random.Generator, resamples: int) -> np.ndarray:
    """Draw clusters with replacement, one by one, and average the rows that come with them."""
    names = np.unique(np.concatenate([s.clusters for s in samples]))
    weights = np.stack(
        [rng.multinomial(len(names), np.full(len(names), 1 / len(names))) for _ in range(resamples)]
    )
    of_rows = [weights[:, np.searchsorted(names, s.clusters)] for s in samples]
    return np.stack([(w @ s.hits) / w.sum(axis=1) for w, s in zip(of_rows, samples, strict=True)])


def test_share_resamples_match_an_explicit_bootstrap_of_clusters() -> None:
    samples = _samples(0)
    explicit = _explicit(samples, np.random.default_rng(1), 20_000)
    found = share_resamples(samples, np.random.default_rng(2), 20_000)
    assert found.shape == (2, 20_000)
    for a, b in zip((*found, found[0] - found[1]), (*explicit, explicit[0] - explicit[1]), strict=True):
        assert np.abs(np.quantile(a, [0.025, 0.5, 0.975]) - np.quantile(b, [0.025, 0.5, 0.975])).max() < 0.008
        assert np.std(a) == pytest.approx(np.std(b), rel=0.03)
    # Clusters in common make the two shares move together, and so they must in both.
    assert np.corrcoef(*found)[0, 1] == pytest.approx(np.corrcoef(*explicit)[0, 1], abs=0.03)


def test_single_rows_give_the_ordinary_bootstrap() -> None:
    hits = np.repeat([1.0, 0.0], [30, 70])
    found = share_resamples([Sample(np.arange(100), hits)], np.random.default_rng(0), 20_000)[0]
    assert stats.ks_2samp(found, np.random.default_rng(1).binomial(100, 0.3, 20_000) / 100).pvalue > 0.01


def test_one_cluster_has_no_spread() -> None:
    found = share_resamples(
        [Sample(np.zeros(4, np.int64), np.array([1.0, 0.0, 0.5, 0.0]))], np.random.default_rng(0)
    )
    assert (found == 0.375).all()


def test_a_sample_that_is_never_drawn_keeps_its_mean() -> None:
    samples = [Sample(np.array([0]), np.array([1.0])), Sample(np.array([1]), np.array([0.5]))]
    found = share_resamples(samples, np.random.default_rng(0), 200)
    assert np.isfinite(found).all()
    assert (found[0] == 1).all()
    assert (found[1] == 0.5).all()


def test_halves_are_counted_exactly() -> None:
    found = share_resamples([Sample(np.arange(3), np.full(3, 0.5))], np.random.default_rng(0), 100)
    assert (found == 0.5).all()


@given(seed=st.integers(0, 1000), shift=st.integers(1, 1000))
def test_names_of_clusters_and_the_order_of_rows_do_not_matter(seed: int, shift: int) -> None:
    samples, rng = _samples(seed, rows=30, size=12), np.random.default_rng(seed)
    named = rng.permutation(100)[: 12 + 12 // 2] + shift
    orders = [rng.permutation(30) for _ in samples]
    other = [Sample(named[s.clusters][o], s.hits[o]) for s, o in zip(samples, orders, strict=True)]
    first, second = (share_resamples(x, np.random.default_rng(3), 50) for x in (samples, other))
    np.testing.assert_array_equal(first, second)


def test_draws_in_portions_are_the_same_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = share_resamples(_samples(4), np.random.default_rng(0), 500)
    monkeypatch.setattr(clusters, "_AT_ONCE", 100)
    np.testing.assert_array_equal(share_resamples(_samples(4), np.random.default_rng(0), 500), whole)


def test_limits_of_a_share_cover_it_where_rows_come_in_crowds() -> None:
    rng, inside, pretended = np.random.default_rng(5), 0, 0
    for _ in range(400):
        crowd = np.arange(300).repeat(rng.geometric(0.3, 300))
        hits = (rng.random(300) < 0.3).astype(float)[crowd]
        for names in (crowd, np.arange(len(crowd))):
            drawn = share_resamples([Sample(names, hits)], rng, 500)[0]
            found = percentile(float(hits.mean()), drawn)
            if names is crowd:
                inside += found.low <= 0.3 <= found.high
            else:
                pretended += found.low <= 0.3 <= found.high
    assert 0.925 <= inside / 400 <= 0.975
    assert pretended / 400 < 0.85


def test_quantile_resamples_of_single_rows_match_actual_resampling() -> None:
    rng = np.random.default_rng(2)
    values = rng.gamma(3, size=200)
    direct = np.sort(rng.choice(values, (20_000, 200)), axis=1)[:, 9]
    quick = quantile_resamples([values], [np.arange(200)], 0.05, rng, 20_000)[0]
    assert set(quick) <= set(values)
    # Read off the sample by the share below, a quantile moves at most two places from the resampled one.
    for q in (0.025, 0.25, 0.5, 0.75, 0.975):
        places = [
            np.searchsorted(np.sort(values), np.quantile(x, q, method="inverted_cdf")) for x in (direct, quick)
        ]
        assert abs(int(places[0]) - int(places[1])) <= 2


@pytest.mark.parametrize(("size", "near"), [(1500, 0.02), (6000, 0.006)])
def test_quantile_resamples_match_an_explicit_bootstrap_of_clusters(size: int, near: float) -> None:
    rng = np.random.default_rng(3)
    crowd = np.arange(size).repeat(rng.geometric(0.4, size))
    values = rng.gamma(9, size=size)[crowd] * rng.uniform(0.98, 1.02, len(crowd))
    order, explicit = np.argsort(values), np.empty(1500)
    for i in range(len(explicit)):
        weights = np.cumsum(np.bincount(rng.integers(0, size, size), minlength=size)[crowd[order]])
        explicit[i] = values[order][np.searchsorted(weights, 0.05 * weights[-1])]
    found = quantile_resamples([values], [crowd], 0.05, rng, 1500)[0]
    assert np.median(found) == pytest.approx(quantile(np.sort(values), 0.05), rel=near)
    for q in (0.025, 0.16, 0.84, 0.975):
        assert np.quantile(found, q) == pytest.approx(np.quantile(explicit, q), rel=near)


def test_the_bootstrap_covers_the_quantile() -> None:
    rng = np.random.default_rng(3)
    truth, inside = stats.gamma(3).ppf(0.05), 0
    for _ in range(600):
        values = rng.gamma(3, size=400)
        drawn = quantile_resamples([values], [np.arange(400)], 0.05, rng, 500)[0]
        found = percentile(quantile(np.sort(values), 0.05), drawn)
        inside += found.low <= truth <= found.high
    assert 0.92 <= inside / 600 <= 0.98


def test_quantiles_of_samples_with_clusters_in_common_move_together() -> None:
    rng = np.random.default_rng(6)
    centres = rng.gamma(9, size=300)
    sides = [centres * rng.uniform(0.99, 1.01, 300) for _ in range(2)]
    common = quantile_resamples(sides, [np.arange(300)] * 2, 0.05, rng)
    apart = quantile_resamples(sides, [np.arange(300), np.arange(300, 600)], 0.05, rng)
    assert np.corrcoef(*common)[0, 1] > 0.8
    assert abs(np.corrcoef(*apart)[0, 1]) < 0.1


@pytest.mark.parametrize("values", [np.zeros(50), np.ones(1)])
def test_equal_values_have_one_quantile(values: np.ndarray) -> None:
    found = quantile_resamples([values], [np.arange(len(values))], 0.05, np.random.default_rng(0), 100)
    assert (found == values[0]).all()


def test_a_million_clusters_cost_no_more_than_their_kinds() -> None:
    samples = [Sample(np.arange(1_000_000), (np.arange(1_000_000) % 3 == 0).astype(float))]
    started = time.process_time()
    found = share_resamples(samples, np.random.default_rng(0))
    assert time.process_time() - started < 5
    assert np.std(found) == pytest.approx(np.sqrt(2 / 9 / 1e6), rel=0.1)
