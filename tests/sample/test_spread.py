from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from jaxsynth.sample.domain import Domain
from jaxsynth.sample.spread import spread
from jaxsynth.schema import Column


def grid(resolution: float | None, low: float, high: float) -> Domain:
    column = Column(name="x", kind="continuous", type="double", resolution=resolution, bounds=(low, high))
    return Domain.of(column)


@pytest.mark.parametrize("seed", range(5))
def test_parts_add_up_where_they_can(seed: int) -> None:
    rng = np.random.default_rng(seed)
    domains = [grid(1.0, 0, 40), grid(0.5, -5, 30), grid(0.25, 0, 50)]
    total = rng.integers(0, 400, 200) / 4
    out = spread(domains, [rng.uniform(d.low, d.high, 200) for d in domains], total, 0.0)
    assert (np.sum(out, axis=0) == total).all()
    for domain, part in zip(domains, out, strict=True):
        assert domain.contains(part).all()


def test_the_proportions_are_kept() -> None:
    domains = [grid(None, 0, 100)] * 3
    out = spread(domains, [np.array([1.0]), np.array([3.0]), np.array([6.0])], np.array([50.0]), 1e-9)
    np.testing.assert_allclose(np.concatenate(out), [5, 15, 30])


def test_equal_amounts_where_a_part_is_negative_or_all_are_zero() -> None:
    domains = [grid(None, -10, 10)] * 2
    out = spread(domains, [np.array([-1.0, 0.0]), np.array([2.0, 0.0])], np.array([3.0, 4.0]), 1e-9)
    np.testing.assert_allclose(np.stack(out, 1), [[0, 3], [2, 2]])


def test_levels_take_part() -> None:
    domains = [
        Domain.listed(pa.int64(), np.array([0, 10])),
        grid(1.0, 0, 9),
        Domain.listed(pa.int64(), np.array([3])),
    ]
    out = spread(domains, [np.array([0, 10]), np.array([1.0, 1.0]), np.array([3, 3])], np.array([8.0, 20.0]), 1e-9)
    assert np.sum(out, axis=0).tolist() == [8, 20]


def test_what_cannot_be_reached_is_approached() -> None:
    out = spread([grid(1.0, 0, 2), grid(1.0, 0, 3)], [np.array([1.0]), np.array([1.0])], np.array([9.0]), 1e-9)
    assert [p.tolist() for p in out] == [[2], [3]]
