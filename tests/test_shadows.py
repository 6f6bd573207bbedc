from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jaxsynth as js
from jaxsynth.errors import AuditError, TableError
from jaxsynth.shadows import ShadowReleases, _halves, shadows
from tests.conftest import TINY, make_table

TABLE = make_table(240).select(["sex", "age", "grade", "cost"])
TRAIN, HOLDOUT = TABLE.slice(0, 140), TABLE.slice(140)
SHORT = replace(TINY, epochs=1, min_steps=20)


def run(seed: int, n: int = 2) -> ShadowReleases:
    return shadows(TRAIN, HOLDOUT, SHORT, n=n, seed=seed, progress=False)


@pytest.fixture(scope="module")
def found() -> ShadowReleases:
    return run(0)


def test_releases_are_tables_like_the_training_table(found: ShadowReleases) -> None:
    assert [t.num_rows for t in found.releases] == [140, 140]
    assert {tuple(t.schema.types) for t in found.releases} == {tuple(TRAIN.schema.types)}
    assert found.releases[0].column_names == TRAIN.column_names
    assert found.inside.shape == (2, 240)
    assert found.generator == SHORT
    assert not found.releases[0].equals(found.releases[1])


def test_the_seed_decides(found: ShadowReleases) -> None:
    again, other = run(0), run(1)
    assert all(a.equals(b) for a, b in zip(found.releases, again.releases, strict=True))
    np.testing.assert_array_equal(found.inside, again.inside)
    assert not found.releases[0].equals(other.releases[0])
    assert (found.inside != other.inside).any()


@given(st.integers(2, 60), st.integers(1, 9), st.integers(0, 5))
def test_every_row_is_inside_half_of_the_shadows(pool: int, pairs: int, seed: int) -> None:
    inside = _halves(pool, 2 * pairs, seed)
    assert set(inside.sum(1)) == {pool // 2}
    assert set(inside.sum(0)) <= ({pairs} if pool % 2 == 0 else set(range(pairs + 1)))
    assert not (inside[::2] & inside[1::2]).any()
    odd = _halves(pool, 2 * pairs + 1, seed)
    np.testing.assert_array_equal(odd[:-1], inside)
    assert odd[-1].sum() == pool // 2


def test_a_release_shows_what_its_shadow_saw() -> None:
    """Counts of levels in releases follow the counts in the rows inside, far beyond chance."""
    sites = [f"site {i}" for i in np.random.default_rng(1).integers(0, 20, 400)]
    pool = pa.table({"site": sites, "sex": make_table(400)["sex"]})
    generator = js.Autoregressive(embedding=2, hidden=8, rank=2, networks=1, epochs=1, min_steps=100)
    made = shadows(pool.slice(0, 200), pool.slice(200), generator, n=6, rows=4000, seed=2, progress=False)
    codes = np.unique(sites, return_inverse=True)[1]
    saw = np.stack([np.bincount(codes[own], minlength=20) for own in made.inside])
    shown = np.stack([[t["site"].to_pylist().count(level) for level in np.unique(sites)] for t in made.releases])
    assert np.corrcoef((saw - saw.mean(0)).ravel(), (shown - shown.mean(0)).ravel())[0, 1] > 0.6


def test_what_makes_no_shadows_is_refused() -> None:
    with pytest.raises(AuditError, match="n=1 on a pool of 240 rows"):
        run(0, n=1)
    with pytest.raises(AuditError, match="release 0 rows each"):
        shadows(TRAIN, HOLDOUT, SHORT, rows=0)
    with pytest.raises(AuditError, match="its columns are not those of train"):
        shadows(TRAIN, HOLDOUT.drop_columns(["age"]), SHORT)
    with pytest.raises(TableError, match="holdout: column 'age' holds 1 NaN"):
        shadows(pa.table({"age": [1.0, 2.0]}), pa.table({"age": [float("nan")]}), SHORT)
