from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxsynth.errors import PrivacyError
from jaxsynth.privacy.bounds import bounds_query, magnitudes, with_bounds
from jaxsynth.schema import Column
from tests.privacy.fake_ledger import SCHEMA, tables

NUMERIC = [c.changed(bounds=None) for c in SCHEMA.modelled if c.is_numeric]


def column(type_: pa.DataType, resolution: float | None = None) -> Column:
    kind = "continuous" if pa.types.is_floating(type_) else "integer"
    return Column(name="x", kind=kind, type=str(type_), resolution=resolution)  # type: ignore[arg-type]


def found(
    cells: pa.Array, resolution: float | None = None, noise: float = 1.0, seed: int = 0
) -> tuple[float, float]:
    own = column(cells.type, resolution)
    counts = bounds_query(own, 1).statistic(pa.table({"x": cells}))
    noisy = counts + np.random.default_rng(seed).normal(0, noise, len(counts))
    bounds = with_bounds(own, noisy, noise).bounds
    assert bounds is not None
    return bounds


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_a_float_lies_in_its_bin(cells: list[float]) -> None:
    bins = magnitudes(column(pa.float64()))
    for x, i in zip(cells, bins.bin_of(np.array(cells)), strict=True):
        low, high = bins.ends(int(i))
        assert low <= x <= high or 0 < abs(x) < np.finfo(float).tiny or np.isinf(high) or np.isinf(low)
        assert 0 <= i < bins.bins


@given(st.lists(st.integers(-(2**53), 2**53), min_size=1))
def test_an_integer_lies_in_its_bin(cells: list[int]) -> None:
    bins = magnitudes(column(pa.int64()))
    for x, i in zip(cells, bins.bin_of(np.array(cells, np.int64)), strict=True):
        low, high = bins.ends(int(i))
        assert low <= x <= high


def test_bounds_are_the_ends_of_filled_bins() -> None:
    assert found(pa.array([17] * 50 + [90] * 50)) == (16, 127)
    assert found(pa.array([-3] * 50 + [0] * 50)) == (-3, 0)
    assert found(pa.array([-100] * 50 + [100] * 50, pa.int8())) == (-127, 127)
    assert found(pa.array([200] * 50, pa.uint8())) == (128, 255)
    assert found(pa.array([0.3] * 50 + [-2.5] * 50)) == (-4.0, 0.5)
    assert found(pa.array([0.3] * 50), 0.1) == pytest.approx((0.2, 0.3))
    assert found(pa.array([1e308] * 50)) == (2.0**1023, np.finfo(float).max)
    assert found(pa.array([65000.0] * 50, pa.float32())) == (32768, 65536)


def test_bounds_of_times_fit_the_type() -> None:
    time = Column(name="x", kind="duration", type="time32[s]")
    counts = bounds_query(time, 1).statistic(pa.table({"x": pa.array([80_000] * 99, pa.time32("s"))}))
    assert with_bounds(time, counts.astype(float), 1.0).bounds == (65536, 86399)


def test_few_cells_are_no_bounds() -> None:
    assert found(pa.array([5] * 1000 + [10**9] * 2), noise=10) == (4, 7)
    with pytest.raises(PrivacyError, match="too few cells to find its bounds"):
        found(pa.array([5] * 10), noise=100)


def test_noise_alone_hardly_ever_passes() -> None:
    own = column(pa.float64())
    rng = np.random.default_rng(1)
    wrong = 0
    for _ in range(2000):
        try:
            with_bounds(own, rng.normal(0, 3, magnitudes(own).bins), 3.0)
            wrong += 1
        except PrivacyError:
            pass
    assert wrong <= 9  # 2 expected; more than 9 with probability 5e-5


@given(tables(), st.sampled_from([1, 2]))
@settings(max_examples=60, deadline=None)
def test_one_subject_moves_the_counts_by_the_sensitivity_at_most(table: pa.Table, k: int) -> None:
    for own in NUMERIC:
        query = bounds_query(own, k)
        for start in range(0, table.num_rows, k):
            one = query.statistic(table.slice(start, k))
            rest = pa.concat_tables([table.slice(0, start), table.slice(start + k)])
            assert np.array_equal(query.statistic(table) - query.statistic(rest), one)
            assert np.linalg.norm(one) <= query.sensitivity
