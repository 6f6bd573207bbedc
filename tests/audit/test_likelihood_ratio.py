from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from jaxsynth.audit.density import FLOOR, membership_density
from jaxsynth.audit.inputs import AuditTables, read_tables
from jaxsynth.audit.likelihood_ratio import lira, log_ratios, release_signals, rmia, shadow_membership
from jaxsynth.audit.roc import auc
from jaxsynth.errors import AuditError
from jaxsynth.neighbours import Cells, read_cells
from jaxsynth.schema import Schema


def _gaussian_signals(shadows: int, n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Signals that rise by 1 with membership, around a level of each candidate's own."""
    rng = np.random.default_rng(seed)
    level, member = rng.normal(0, 3, n), np.arange(n) < n // 2
    inside = rng.permuted(np.tile(np.arange(shadows) % 2 == 0, (n, 1)), axis=1).T
    signals = level + inside + rng.normal(size=(shadows, n))
    return signals, inside, level + member + rng.normal(size=n), member


def test_online_lira_is_the_closed_form() -> None:
    signals, inside, target, _ = _gaussian_signals(80, 50, 0)
    expected = []
    for s, i, t in zip(signals.T, inside.T, target, strict=True):
        with_it, without = (stats.norm(s[m].mean(), s[m].std(ddof=1)) for m in (i, ~i))
        expected.append(with_it.logpdf(t) - without.logpdf(t))
    np.testing.assert_allclose(lira(signals, inside, target), expected, atol=1e-9)


def test_few_shadows_share_one_spread() -> None:
    signals, inside, target, _ = _gaussian_signals(40, 50, 1)
    means = [np.array([s[m].mean() for s, m in zip(signals.T, mask.T, strict=True)]) for mask in (inside, ~inside)]
    errors = [np.where(m, signals - mean, 0) for m, mean in zip((inside, ~inside), means, strict=True)]
    spreads = [np.sqrt((e**2).sum() / (50 * 19)) for e in errors]
    logs = [stats.norm(m, s).logpdf(target) for m, s in zip(means, spreads, strict=True)]
    np.testing.assert_allclose(lira(signals, inside, target), logs[0] - logs[1], atol=1e-9)


def test_offline_lira_orders_rows_as_its_probabilities_do() -> None:
    signals, inside, target, _ = _gaussian_signals(10, 50, 2)
    mean = np.array([s[~m].mean() for s, m in zip(signals.T, inside.T, strict=True)])
    spread = np.sqrt(np.where(inside, 0, (signals - mean) ** 2).sum() / (50 * 4))
    expected = stats.norm(mean, spread).cdf(target)
    np.testing.assert_allclose(stats.norm.cdf(lira(signals, inside, target)), expected, atol=1e-12)


@pytest.mark.parametrize(("shadows", "least"), [(4, 0.67), (16, 0.73), (64, 0.74), (128, 0.75)])
def test_lira_comes_near_the_best_attack(shadows: int, least: float) -> None:
    # Known means and spreads would give an area of Phi(1 / sqrt 2) = 0.760.
    signals, inside, target, member = _gaussian_signals(shadows, 8000, 3)
    for scores in (lira(signals, inside, target), log_ratios(signals / 3, inside, target / 3)):
        assert least - 0.02 <= auc(scores[member], scores[~member]).estimate <= 0.775


def test_log_ratios_weigh_both_kinds_alike() -> None:
    signals = np.log([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    inside = np.array([[True, False], [False, False], [False, True]])
    expected = np.log([8 / ((1 + 4) / 2), 9 / ((6 + 3) / 2)])
    np.testing.assert_allclose(log_ratios(signals, inside, np.log([8.0, 9.0])), expected, atol=1e-12)


def test_rmia_counts_the_population_rows_dominated() -> None:
    rng = np.random.default_rng(4)
    ratios, population = rng.normal(1, 2, 200), rng.normal(size=99)
    for gamma in (1.0, 2.0):
        share = (np.exp(ratios)[:, None] / np.exp(population) >= gamma).mean(axis=1)
        found = rmia(ratios, population, gamma=gamma)
        np.testing.assert_array_equal(np.floor(found * 100), np.round(99 * share))
    assert np.argsort(rmia(ratios, population)).tolist() == np.argsort(ratios).tolist()


def test_shadows_without_a_candidate_are_no_error() -> None:
    signals, inside, target, _ = _gaussian_signals(4, 30, 5)
    inside[:, 0], inside[:, 1] = True, False
    for scores in (lira(signals, inside, target), log_ratios(signals, inside, target)):
        assert np.isfinite(scores).all()


def test_constant_signals_are_no_error() -> None:
    flat, inside = np.zeros((40, 6)), np.arange(240).reshape(40, 6) % 7 < 4
    assert not lira(flat, inside, np.zeros(6)).any()
    assert np.ptp(rmia(log_ratios(flat, inside, np.zeros(6)), np.zeros(3))) == 0


def _real(n: int, rng: np.random.Generator) -> np.ndarray:
    x = rng.normal(size=(n, 6))
    x[:, 3:] += x[:, :3]
    return x


def _arrow(x: np.ndarray) -> pa.Table:
    return pa.table({f"x{j}": c for j, c in enumerate(x.T)})


def _case(
    n: int, noise: float, shadows: int, seed: int, *, innocent: bool = False
) -> tuple[AuditTables, Sequence[Cells], np.ndarray]:
    """A generator that repeats its training rows with noise, and shadows of it."""
    rng = np.random.default_rng(seed)
    pool = _real(2 * n, rng)
    schema = Schema.infer(_arrow(np.concatenate([pool - 1, pool + 1])))

    def released(rows: np.ndarray) -> pa.Table:
        return _arrow(rows[rng.integers(0, len(rows), n)] + noise * rng.normal(size=(n, 6)))

    tables = read_tables(
        released(_real(n, rng) if innocent else pool[:n]), _arrow(pool[:n]), _arrow(pool[n:]), schema, threads=0
    )
    inside = np.array([rng.permutation(2 * n) < n for _ in range(shadows)])
    return tables, [read_cells(released(pool[i]), schema, what="shadow") for i in inside], inside


@pytest.mark.parametrize("shadows", [4, 16, 40])
def test_shadows_find_more_than_density(shadows: int) -> None:
    tables, releases, inside = _case(1600, 0.2, shadows, 0)
    (density, *_), *found = (
        e.results(seed=0)
        for e in (membership_density(tables, seed=0), *shadow_membership(tables, releases, inside, seed=0))
    )
    for (area, strict, _), name in zip(found, ("membership_lira", "membership_rmia"), strict=True):
        assert (area.name, strict.name) == (f"{name}_auc", f"{name}_tpr_1")
        assert (area.verdict, strict.verdict) == ("fail", "fail")
        assert area.estimate > max(0.6, density.estimate)
        assert (area.baseline, area.baseline_low, area.baseline_high) == (0.5, 0.5, 0.5)


def test_an_innocent_release_fails_in_at_most_one_case_of_twenty() -> None:
    alarms, covered = np.zeros(2), np.zeros(2)
    for seed in range(60):
        tables, releases, inside = _case(300, 0.2, 6, seed, innocent=True)
        for i, evidence in enumerate(shadow_membership(tables, releases, inside, seed=seed)):
            found = evidence.results(seed=seed)
            alarms[i] += any(r.verdict == "fail" for r in found)
            covered[i] += found[0].low <= 0.5 <= found[0].high
    assert (alarms <= 3).all()
    assert (covered >= 53).all()


def test_release_signals_are_mean_log_distances() -> None:
    schema = Schema.infer(pa.table({"x": [0.0, 10.0]}))
    rows = [read_cells(pa.table({"x": [float(v) for v in x]}), schema, what="x") for x in ([1, 4], [3], [1, 3])]
    found = release_signals(rows[:2], rows[2], schema, threads=1)
    expected = -np.array(
        [[(np.log(FLOOR) + np.log(0.3)) / 2, (np.log(0.1) + np.log(0.2)) / 2], [np.log(0.2), np.log(FLOOR)]]
    )
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_longer_releases_are_cut_and_threads_change_nothing() -> None:
    tables, releases, inside = _case(200, 0.2, 4, 1)
    shorter = [tuple(a.slice(0, 90) for a in r) if i else r for i, r in enumerate(releases)]
    one, two = (
        shadow_membership(
            AuditTables(tables.synthetic, tables.train, tables.holdout, tables.schema, threads),
            shorter,
            inside,
            seed=1,
        )
        for threads in (1, 2)
    )
    assert [e.results(seed=0) for e in one] == [e.results(seed=0) for e in two]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r, i: (r[:1], i[:1]), "releases: 1 shadow releases, a likelihood ratio needs 2"),
        (lambda r, i: (r, i[:, 1:]), r"inside: bool of shape \(2, 39\), needs bool of shape \(2, 40\)"),
        (lambda r, i: (r, i.astype(int)), r"inside: int64 of shape"),
        (lambda r, i: ([r[0], tuple(a.slice(0, 0) for a in r[1])], i), "shadow release 1 has no rows"),
    ],
)
def test_refuses(change: Any, message: str) -> None:
    tables, releases, inside = _case(20, 0.2, 2, 2)
    with pytest.raises(AuditError, match=message):
        shadow_membership(tables, *change(releases, inside), seed=0)
