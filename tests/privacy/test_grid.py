from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxsynth.errors import SchemaError
from jaxsynth.privacy.grid import Grid, finest, grid_of, nearest_admitted
from jaxsynth.schema import Column


def column(
    low: float, high: float, resolution: float | None = None, type_: str = "double", kind: str = "continuous"
) -> Column:
    return Column(name="x", kind=kind, type=type_, bounds=(low, high), resolution=resolution)  # type: ignore[arg-type]


@given(
    st.integers(-1000, 1000),
    st.integers(0, 2000),
    st.sampled_from([0.01, 0.1, 0.25, 0.5, 1.0, 3.0, 10.0]),
    st.lists(st.floats(-1e5, 1e5), min_size=1),
)
def test_the_nearest_value_of_the_grid(first: int, more: int, step: float, cells: list[float]) -> None:
    grid = Grid(first=first, last=first + more, step=step)
    every = grid.value(np.arange(grid.steps))
    assert np.array_equal(grid.index(every), np.arange(grid.steps))
    values = np.array(cells)
    found = grid.value(grid.index(values))
    best = np.abs(values[:, None] - every).min(axis=1)
    assert np.all(np.abs(values - found) <= best + 1e-9)


def test_only_multiples_inside_the_bounds_are_values() -> None:
    grid = grid_of(column(0.25, 2.6, 0.5))
    assert grid is not None
    assert grid.value(np.arange(grid.steps)).tolist() == [0.5, 1.0, 1.5, 2.0, 2.5]
    decimal = grid_of(column(0.1, 0.3, 0.1))
    assert decimal is not None
    assert decimal.value(np.arange(decimal.steps)).tolist() == [0.1, 0.2, 0.3]


def test_whole_numbers_have_a_grid_and_floats_have_none() -> None:
    assert grid_of(column(0, 9, None, "int32", "integer")) == Grid(first=0, last=9, step=1.0)
    assert grid_of(column(0, 9)) is None
    assert grid_of(column(0, 2**60, None, "int64", "integer")) is None
    with pytest.raises(SchemaError, match="no multiple of its resolution"):
        grid_of(column(0.2, 0.3, 0.5))
    with pytest.raises(SchemaError, match="needs its bounds"):
        grid_of(Column(name="x", kind="integer", type="int8"))


def test_large_integers_are_not_rounded() -> None:
    big = column(0, 2**62, None, "int64", "integer")
    values = np.array([-5, 2**61 + 1, 2**63 - 1], np.int64)
    assert nearest_admitted(big, values).tolist() == [0, 2**61 + 1, 2**62]


def test_finest_steps() -> None:
    assert finest(pa.decimal128(9, 2)) == pytest.approx(0.01)
    assert finest(pa.date64()) == 86_400_000
    assert finest(pa.int8()) == finest(pa.date32()) == finest(pa.timestamp("us")) == 1
    assert finest(pa.float32()) is None
