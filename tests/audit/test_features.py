from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from jaxsynth.audit.density import membership_density
from jaxsynth.audit.features import features, membership_features
from jaxsynth.audit.inputs import AuditTables, read_tables
from jaxsynth.schema import Schema


def _real(n: int, rng: np.random.Generator) -> np.ndarray:
    x = rng.normal(size=(n, 6))
    x[:, 3:] += x[:, :3]
    return x


def _tables(*rows: np.ndarray, threads: int = 0) -> AuditTables:
    arrow = [pa.table({f"x{j}": c for j, c in enumerate(x.T)}) for x in rows]
    return read_tables(arrow[0], arrow[1], arrow[2], Schema.infer(pa.concat_tables(arrow)), threads=threads)


def _case(n: int, seed: int, noise: float | None) -> AuditTables:
    """A release that repeats training rows with noise; independent of them for None."""
    rng = np.random.default_rng(seed)
    train, holdout, synthetic = (_real(n, rng) for _ in range(3))
    if noise is not None:
        synthetic = train[rng.integers(0, n, n)] + noise * rng.normal(size=train.shape)
    return _tables(synthetic, train, holdout)


def test_features_of_known_neighbours() -> None:
    schema = Schema.infer(pa.table({"x": [0.0, 10.0]}))
    columns = [pa.table({"x": [float(v) for v in x]}) for x in ([1, 2, 4], [0, 5, 9], [0, 10, 10, 0], [3])]
    tables = read_tables(columns[0], columns[1], columns[2], schema, threads=1)
    query = (columns[3]["x"].combine_chunks(),)
    found = features(tables, tables.synthetic, tables.train, query)
    release, reference = np.log([0.1, 0.1]), np.log([0.2, 0.3])
    ratios = reference - release
    expected = [
        *release, *reference, *ratios, ratios.mean(), 0.0, np.log(2 / 3), np.log(1 + 3), np.log(1 + 3),
    ]  # fmt: skip
    np.testing.assert_allclose(found, [expected], atol=1e-12)


def test_a_reference_row_is_described_without_itself() -> None:
    rng = np.random.default_rng(0)
    tables = _tables(_real(50, rng), _real(30, rng), _real(40, rng))
    rest = tuple(a.slice(1) for a in tables.holdout)
    first = tuple(a.slice(0, 1) for a in tables.holdout)
    with_itself = features(tables, tables.synthetic, tables.holdout, first, itself=1)
    np.testing.assert_array_equal(with_itself, features(tables, tables.synthetic, rest, first))


def test_a_leaking_release_fails_more_clearly_than_by_density() -> None:
    tables = _case(3000, 1, 0.2)
    found, density = (f(tables, seed=0).results(seed=0) for f in (membership_features, membership_density))
    assert [r.verdict for r in found[:2]] == ["fail", "fail"]
    assert found[0].excess > density[0].excess
    assert found[1].estimate > density[1].estimate


def test_a_smooth_release_passes() -> None:
    assert [r.verdict for r in membership_features(_case(8000, 2, 3.0), seed=0).results(seed=0)] == ["pass"] * 3


def test_an_innocent_release_fails_in_at_most_one_case_of_twenty() -> None:
    alarms = 0
    for seed in range(60):
        found = membership_features(_case(500, 100 + seed, None), seed=seed).results(seed=seed)
        alarms += any(r.verdict == "fail" for r in found)
    assert alarms <= 3


def test_threads_change_nothing() -> None:
    rng = np.random.default_rng(4)
    rows = [_real(n, rng) for n in (300, 200, 200)]
    one, two = (membership_features(_tables(*rows, threads=t), seed=1).results(seed=1) for t in (1, 2))
    assert one == two


@pytest.mark.parametrize("sizes", [(1, 2, 4), (1, 40, 4), (2, 6, 12), (30, 30, 30)])
def test_small_tables_are_underpowered(sizes: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(5)
    tables = _tables(*(_real(n, rng) for n in sizes))
    assert [r.verdict for r in membership_features(tables, seed=0).results(seed=0)] == ["underpowered"] * 3
