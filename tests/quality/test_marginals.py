from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxsynth.quality.frames import frames
from jaxsynth.quality.marginals import TOP, coarse_edges, marginals
from jaxsynth.quality.result import Marginal
from jaxsynth.schema import Schema


def of(column: Any, other: Any = None) -> Marginal:
    train = pa.table({"c": column})
    synthetic = train if other is None else pa.table({"c": other})
    (made,) = marginals(frames(Schema.infer(train), train=train, holdout=train, synthetic=synthetic))
    return made


@given(
    st.floats(-1e12, 1e12, allow_subnormal=False),
    st.floats(0, 1e12, allow_subnormal=False),
    st.sampled_from([0.0, 1.0, 86_400.0, 0.1]),
)
def test_edges_cover_the_range_in_few_bins(low: float, width: float, unit: float) -> None:
    high = low + width
    edges = coarse_edges(low, high, unit=unit)
    slack = 1e-9 * max(abs(low), abs(high), 1e-3)
    assert edges[0] <= low + slack
    assert edges[-1] > high - slack
    assert 2 <= len(edges) <= 29
    assert (np.diff(edges) > 0).all()


def test_shares_sum_to_one_and_bins_are_half_open() -> None:
    made = of(np.repeat(np.arange(10), 10))
    assert made.edges == tuple(float(i) for i in range(11))
    assert made.train == (0.0, *[0.1] * 10, 0.0)


def test_outer_bins_are_open_ended() -> None:
    values = np.random.default_rng(0).normal(size=2000)
    made = of(values, np.array([-50.0, 50.0]))
    assert made.synthetic[0] == made.synthetic[-1] == 0.5
    assert sum(made.train) == pytest.approx(1.0, abs=2e-3)


def test_no_edge_is_an_extreme_value() -> None:
    values = np.random.default_rng(1).normal(100, 12.3456, 500)
    values[:2] = -987.654, 9876.543
    edges = of(values).edges
    assert min(edges) > -900
    assert max(edges) < 9000
    assert all(e == round(e) for e in edges)


def test_constants_and_one_row() -> None:
    assert sum(of(np.full(5, 37.42)).train) == 1.0
    assert sum(of(np.array([0.0])).train) == 1.0


def test_levels_are_sorted_by_training_share_and_cut() -> None:
    names = [f"n{i:02}" for i in range(TOP + 5) for _ in range(i + 2)]
    made = of(names, ["n00", "other level"])
    assert made.labels[0] == f"n{TOP + 4:02}"
    assert made.labels[-1] == "other"
    assert len(made.labels) == len(made.synthetic) == TOP + 1
    assert made.synthetic[-1] == 1.0
    assert sum(made.train) == pytest.approx(1.0, abs=2e-3)


def test_ordinal_levels_keep_their_order() -> None:
    codes = pa.array([2, 2, 2, 0, 1, 1], pa.int8())
    column = pa.DictionaryArray.from_arrays(codes, pa.array(["low", "mid", "high"]), ordered=True)
    assert of(column).labels == ("low", "mid", "high")


def test_nulls_are_left_out() -> None:
    made = of(pa.array(["a", None, "a", "b"]), pa.array([None, None], pa.string()))
    assert made.train == (0.6667, 0.3333)
    assert made.synthetic == (0.0, 0.0)


def test_columns_without_training_values_are_left_out() -> None:
    train = pa.table({"x": pa.nulls(3, pa.float64()), "s": pa.nulls(3, pa.string()), "y": [1.0, 2.0, 3.0]})
    made = marginals(frames(Schema.infer(train), train=train, holdout=train, synthetic=train))
    assert [m.name for m in made] == ["y"]


@pytest.mark.parametrize(
    ("type_", "scale", "label"),
    [
        (pa.date32(), 1, "2019-"),
        (pa.timestamp("ms"), 86_400_000, "2019-"),
        (pa.timestamp("ns", tz="UTC"), 86_400_000_000_000, "2019-"),
        (pa.duration("s"), 86_400, " d"),
    ],
)
def test_times_are_labelled_in_their_own_terms(type_: pa.DataType, scale: int, label: str) -> None:
    days = np.arange(17_900, 18_250)
    whole = pa.array(days.astype(np.int32)).cast(type_) if scale == 1 else pa.array(days * scale).cast(type_)
    made = of(whole)
    assert any(label in text for text in made.labels)
    assert len(made.edges) <= 29


def test_dates_beyond_the_calendar_do_not_break() -> None:
    far = pa.array([9_000_000, 9_000_100] * 5, pa.int32()).cast(pa.date32())
    assert of(far).labels[0].endswith("days")
