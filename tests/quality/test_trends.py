from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats.contingency import association

from jaxsynth.quality.frames import frames
from jaxsynth.quality.result import PairScore
from jaxsynth.quality.trends import pair_scores
from jaxsynth.schema import Schema


def one_pair(train: pa.Table, synthetic: pa.Table) -> PairScore:
    (pair,) = pair_scores(frames(Schema.infer(train), train=train, holdout=train, synthetic=synthetic))
    return pair


def test_equal_tables_have_no_error(three: Any) -> None:
    same = frames(three.schema, train=three.train, holdout=three.train, synthetic=three.train)
    for pair in pair_scores(same):
        assert pair.error in (0.0, None)
        assert pair.error == pair.floor


def test_opposite_correlations_are_wholly_off() -> None:
    x = np.linspace(0.0, 1.0, 50)
    pair = one_pair(pa.table({"x": x, "y": x}), pa.table({"x": x, "y": -x}))
    assert pair.error == pytest.approx(1.0)
    assert pair.strength == pytest.approx(1.0)
    assert pair.strong
    assert pair.metric == "correlation"


def test_a_null_is_a_level_of_its_own() -> None:
    train = pa.table({"a": ["u", "v", None, "u"], "b": ["p", "q", "p", None]})
    synthetic = pa.table({"a": ["u", "v", "u", "u"], "b": ["p", "q", "p", "p"]})
    assert one_pair(train, synthetic).error == pytest.approx(0.5)


@pytest.mark.parametrize("levels", [3, 700])
def test_strength_is_cramers_v(levels: int) -> None:
    """With 700 levels the table of joint levels is too large to count directly."""
    rng = np.random.default_rng(levels)
    a = rng.integers(0, levels, 2000)
    b = (a + rng.integers(0, 2, 2000)) % levels
    train = pa.table({"a": a.astype(str), "b": b.astype(str)}).slice(0, 2000)
    other = train.slice(500, 1000)
    pair = one_pair(train, other)
    dense = np.zeros((levels, levels), int)
    np.add.at(dense, (a, b), 1)
    dense = dense[dense.any(axis=1)][:, dense.any(axis=0)]
    assert pair.strength == pytest.approx(association(dense, method="cramer"), abs=1e-9)
    other_dense = np.zeros((levels, levels), int)
    np.add.at(other_dense, (a[500:1500], b[500:1500]), 1)
    full = np.zeros_like(other_dense)
    np.add.at(full, (a, b), 1)
    assert pair.error == pytest.approx(0.5 * np.abs(full / 2000 - other_dense / 1000).sum(), abs=1e-12)


def test_one_level_has_no_strength() -> None:
    train = pa.table({"a": ["u"] * 4, "b": ["p", "q", "p", "q"]})
    pair = one_pair(train, train)
    assert pair.strength is None
    assert not pair.strong
    assert pair.error == 0.0


def test_numbers_too_close_to_bin() -> None:
    ticks = np.array([2.0**60, 2.0**60 + 256] * 10)
    train = pa.table({"t": ticks, "c": ["u", "v"] * 10})
    assert one_pair(train, train).error == 0.0


def test_one_column_has_no_pairs() -> None:
    train = pa.table({"x": [1.0, 2.0]})
    assert pair_scores(frames(Schema.infer(train), train=train, holdout=train, synthetic=train)) == ()
