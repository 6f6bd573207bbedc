from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from jaxsynth.sample.domain import Domain, Side
from jaxsynth.schema import Column


def grid(type_: str, resolution: float | None, bounds: tuple[float, float] | None = None) -> Domain:
    return Domain.of(Column(name="x", kind="continuous", type=type_, resolution=resolution, bounds=bounds))


def test_bounds_are_moved_onto_the_grid() -> None:
    domain = grid("double", 0.5, (0.2, 2.9))
    assert (domain.low, domain.high) == (0.5, 2.5)
    assert domain.contains(np.array([0.0, 0.5, 0.7, 2.5, 3.0])).tolist() == [False, True, False, True, False]


@pytest.mark.parametrize(
    ("side", "strict", "values", "exist"),
    [
        (-1, False, [2, 4, 6, 20], [True, True, True, True]),
        (-1, True, [2, 2, 6, 20], [True, True, True, True]),
        (1, False, [4, 4, 8, 20], [True, True, True, False]),
        (1, True, [4, 6, 8, 20], [True, True, True, False]),
    ],
)
def test_nearest_on_a_side(side: Side, strict: bool, values: list[int], exist: list[bool]) -> None:
    domain = grid("int32", 2, (0, 20))
    found, ok = domain.nearest(np.array([3, 4, 7, 21]), side, strict=strict)
    assert ok.tolist() == exist
    assert found[ok].tolist() == [v for v, e in zip(values, exist, strict=True) if e]


def test_nearest_among_points() -> None:
    domain = Domain.listed(pa.int64(), np.array([5, 1, 3]))
    x = np.array([0, 1, 2, 5, 9])
    for side, strict, values in [(-1, False, [-1, 1, 1, 5, 5]), (-1, True, [-1, -1, 1, 3, 5]),
                                 (1, False, [1, 1, 3, 5, -1]), (1, True, [1, 3, 3, -1, -1])]:  # fmt: skip
        found, ok = domain.nearest(x, side, strict=strict)  # type: ignore[arg-type]
        assert np.where(ok, found, -1).tolist() == values
    assert domain.closest(x).tolist() == [1, 1, 1, 5, 5]


def test_a_step_finer_than_the_type_is_one_float() -> None:
    domain = grid("float", 1e-9)
    below, ok = domain.nearest(np.array([10.0]), -1, strict=True)
    assert ok.all()
    assert below[0] == np.nextafter(np.float32(10), np.float32(0))


def test_float32_values_are_admissible_as_stored() -> None:
    domain = grid("float", 0.1)
    assert domain.contains(np.array([np.float32(0.1)]).astype(np.float64)).all()
    assert not domain.contains(np.array([0.1])).any()
    below, _ = domain.nearest(np.array([0.1]), -1)  # float32(0.1) is above the double 0.1
    assert below[0] == 0.0


def test_narrowing() -> None:
    domain = grid("int64", None, (0, 5))
    assert domain.within(7, 9).empty
    assert domain.within(2.5, 3.5).single == 3
    assert domain.without(0).low == 1
    assert domain.without(5).high == 4
    assert domain.without(3).contains(np.array([3])).all()  # a grid has no holes
    listed = domain.only(np.array([9, 2, 4]))
    assert listed.points is not None
    assert listed.points.tolist() == [2, 4]
    assert listed.without(4).single == 2
    assert listed.without(4).without(2).empty


@pytest.mark.parametrize("type_", ["int8", "uint64", "int64", "double", "halffloat", "time32[s]", "date64[ms]"])
def test_types_bound_what_no_schema_bounds(type_: str) -> None:
    kind: Any = "continuous" if type_ in {"double", "halffloat"} else "integer"
    domain = Domain.of(Column(name="x", kind=kind, type=type_))
    far = np.array([domain.low, domain.high])
    assert domain.contains(far).all()
    assert not domain.nearest(far[:1], -1, strict=True)[1].any()
    assert not domain.nearest(far[1:], 1, strict=True)[1].any()
