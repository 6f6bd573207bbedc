from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear

from jaxsynth.privacy import consistency
from jaxsynth.privacy.consistency import consistent
from jaxsynth.privacy.tree import Ask, Layer, Shape, Tree, measure_tree
from tests.privacy.fake_ledger import FakeLedger


def ask(apart: int = 1) -> Ask:
    return Ask(name="x", places=lambda table: table["leaf"].to_numpy(), apart=apart, stage="marginals", part=1.0)


def leaves_of(places: list[int] | np.ndarray) -> pa.Table:
    return pa.table({"leaf": np.asarray(places, np.int64)})


@given(st.integers(1, 1 << 20), st.integers(2, 64))
def test_shapes_hold_all_leaves(leaves: int, branching: int) -> None:
    shape = Shape.of(leaves, branching)
    assert shape.width(0) >= leaves
    assert shape.width(shape.depth) == 1
    assert shape.branching <= branching**1.5 + 1


@given(st.lists(st.integers(-2, 99), min_size=1, max_size=400), st.integers(2, 20))
@settings(deadline=None, max_examples=50)
def test_without_noise_the_tree_is_the_histogram(places: list[int], branching: int) -> None:
    ledger = FakeLedger(leaves_of(places), mu=1e9, scale=0.0)
    tree = measure_tree(ledger, Shape.of(100, branching), ask(2))
    apart, histogram = consistent(tree, float(len(places)))
    at = np.array(places)
    np.testing.assert_allclose(apart, [(at == -1).sum(), (at == -2).sum()], atol=1e-6)
    counts = np.bincount(at[at >= 0], minlength=100)
    np.testing.assert_allclose(np.diff(histogram.below(np.arange(101))), counts, atol=1e-6)
    assert histogram.edges[0] == 0
    assert histogram.edges[-1] == 100


def test_consistent_counts_are_the_bounded_least_squares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consistency, "_DOUBT", 0.0)
    rng = np.random.default_rng(0)
    truth = rng.integers(50, 90, 9)
    top, low = truth.reshape(3, 3).sum(1) + rng.normal(0, 4, 3), truth + rng.normal(0, 4, 9)
    opened = np.array([True, False, True])
    kept = np.repeat(opened, 3)
    layers = (
        Layer(nodes=np.arange(3), noisy=top, opened=opened),
        Layer(nodes=np.arange(9)[kept], noisy=low[kept], opened=np.zeros(6, np.bool_)),
    )
    tree = Tree(shape=Shape(leaves=9, branching=3, depth=2), apart=np.array([31.0]), layers=layers, noise=4.0)
    total = float(truth.sum() + 30)
    apart, histogram = consistent(tree, total)
    # Unknowns: the cell apart, three leaves, the node that is not opened, three leaves.
    rows = np.zeros((11, 8))
    rows[0, 0] = rows[2, 4] = 1
    rows[1, 1:4] = rows[3, 5:8] = 1
    rows[4:7, 1:4] = rows[7:10, 5:8] = np.eye(3)
    rows[10] = 1e5  # the total is exact
    right = np.concatenate([[31.0], top, low[kept], [1e5 * total]])
    best = lsq_linear(rows, right, bounds=(0, np.inf)).x
    np.testing.assert_allclose(np.concatenate([apart, histogram.mass]), best, rtol=1e-5)


def test_what_is_charged_does_not_depend_on_the_rows() -> None:
    for places in ([0] * 5000, [], list(range(1000))):
        ledger = FakeLedger(leaves_of(places), mu=0.5)
        shape = Shape.of(1000, 10)
        tree = measure_tree(ledger, shape, ask())
        assert ledger.spent <= 1 + 1e-9
        assert tree.noise == pytest.approx(1 / (0.5 * (1 / 3) ** 0.5))
        assert ledger.queries[0].name == "histogram of 'x', level 1"


@given(st.lists(st.integers(-1, 99), min_size=2, max_size=60), st.sampled_from([1, 2]), st.integers(0, 99))
@settings(deadline=None, max_examples=50)
def test_one_subject_moves_each_level_by_the_sensitivity_at_most(places: list[int], k: int, seed: int) -> None:
    table = leaves_of(places)
    ledger = FakeLedger(table, mu=5.0, seed=seed, rows_per_subject=k)
    measure_tree(ledger, Shape.of(100, 4), ask())
    for query in ledger.queries:
        whole = query.statistic(table)
        for start in range(0, len(places), k):
            rest = pa.concat_tables([table.slice(0, start), table.slice(start + k)])
            assert np.linalg.norm(whole - query.statistic(rest)) <= query.sensitivity == k  # type: ignore[operator]


def test_consistency_helps_and_adds_no_mass_to_the_void() -> None:
    rng = np.random.default_rng(3)
    places = rng.integers(0, 4000, 50_000)
    errors = []
    for seed in range(5):
        tree = measure_tree(FakeLedger(leaves_of(places), mu=0.05, seed=seed), Shape.of(1 << 20), ask())
        _, histogram = consistent(tree, 50_000.0)
        errors.append(abs(histogram.below(np.array([2000]))[0] - (places < 2000).sum()) / tree.noise)
        assert histogram.total - histogram.below(np.array([1 << 14]))[0] < 12 * tree.noise
    # A sum over ten levels of one side's nodes, were it not for consistency, would be off by more than this.
    assert np.mean(errors) < 2.5
