"""Normalised mutual information against scikit-learn's, and the limits of the error."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import normalized_mutual_info_score

from benchmarks.protocol.information import Binning, information_error
from jaxsynth.quality.frames import Frames, frames
from jaxsynth.schema import Schema
from tests.conftest import make_table


def coded(train: pa.Table, synthetic: pa.Table) -> Frames:
    return frames(Schema.infer(train), train=train, holdout=train, synthetic=synthetic)


@pytest.mark.parametrize("binning", ["width", "quantile"])
def test_identical_tables_have_no_error(binning: Binning) -> None:
    f = coded(make_table(500), make_table(500))
    assert information_error(f, f.train, f.synthetic, binning=binning) == 0.0


def test_two_categories_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    a = rng.choice(["a", "b", "c"], 400)
    b = np.where(rng.random(400) < 0.7, a, "d")
    shuffled = rng.permutation(b)
    f = coded(pa.table({"a": a, "b": b}), pa.table({"a": a, "b": shuffled}))
    p, q = (normalized_mutual_info_score(a, other) for other in (b, shuffled))
    assert information_error(f, f.train, f.synthetic, binning="width") == pytest.approx(abs(p - q))


def test_lost_dependence_is_an_error_near_its_strength() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=2000)
    f = coded(pa.table({"x": x, "y": 2 * x}), pa.table({"x": x, "y": rng.permutation(2 * x)}))
    assert information_error(f, f.train, f.synthetic, binning="quantile") > 0.85


def test_quantile_bins_see_what_a_long_tail_hides() -> None:
    rng = np.random.default_rng(0)
    x = np.exp(rng.normal(size=2000))
    x[0], y = 1e6, rng.normal(size=2000)
    related = np.where(x > np.median(x), y + 3, y)
    f = coded(pa.table({"x": x, "y": related}), pa.table({"x": x, "y": rng.permutation(related)}))
    width, quantile = (information_error(f, f.train, f.synthetic, binning=b) for b in ("width", "quantile"))
    assert width < 0.05 < 0.1 < quantile


def test_constant_columns_do_not_divide_by_zero() -> None:
    f = coded(pa.table({"a": [1.5] * 50, "b": ["x"] * 50}), pa.table({"a": [1.5] * 50, "b": ["x"] * 50}))
    assert information_error(f, f.train, f.synthetic, binning="width") == 0.0
