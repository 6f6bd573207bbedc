"""Alpha-precision and beta-recall at their limits, and the nearest rows against a plain search."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.protocol.support import Points, nearest, precision_recall


def cloud(rows: int, seed: int, *, at: float = 0.0, spread: float = 1.0) -> Points:
    rng = np.random.default_rng(seed)
    numbers = (at + spread * rng.normal(size=(rows, 3))).astype(np.float32)
    return Points(numbers, rng.integers(0, 3, (rows, 2)).astype(np.int32))


def one_hot(p: Points) -> np.ndarray:
    return np.concatenate([p.numbers, *(np.eye(3)[c] for c in p.codes.T)], axis=1)


def test_nearest_is_the_euclidean_search_on_one_hot_rows() -> None:
    a, b = cloud(600, 0), cloud(700, 1)
    every = np.square(one_hot(a)[:, None] - one_hot(b)[None]).sum(axis=2)
    squares, rows = nearest(a, b)
    np.testing.assert_allclose(squares, every.min(axis=1), rtol=1e-4)
    assert (rows == every.argmin(axis=1)).mean() > 0.99
    own, others = nearest(a, a, exclude_self=True)
    assert (own > 0).all()
    assert (others != np.arange(600)).all()


def test_copies_have_full_precision_and_recall() -> None:
    precision, recall = precision_recall(cloud(500, 0), cloud(500, 0), seed=0)
    assert precision > 0.98
    assert recall == pytest.approx(1.0, abs=0.02)


def test_the_same_distribution_has_full_precision_and_half_the_recall() -> None:
    precision, recall = precision_recall(cloud(1500, 0), cloud(1500, 1), seed=0)
    assert precision > 0.93
    assert recall == pytest.approx(0.5, abs=0.06)  # a fresh row is as likely the nearer as another real one


def test_outliers_have_neither() -> None:
    precision, recall = precision_recall(cloud(500, 0), cloud(500, 1, at=100.0), seed=0)
    assert precision < 0.1
    assert recall == pytest.approx(0.0, abs=0.01)


def test_rows_of_one_spot_are_precise_only_at_its_level_and_recall_nothing() -> None:
    precision, recall = precision_recall(cloud(800, 0), cloud(800, 1, spread=0.001), seed=0)
    assert precision < 0.8
    assert recall < 0.2


def test_tables_of_unequal_size_are_cut() -> None:
    precision, recall = precision_recall(cloud(1500, 0), cloud(700, 1), seed=0)
    assert precision > 0.9
    assert recall == pytest.approx(0.5, abs=0.08)
