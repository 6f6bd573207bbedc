"""Fixtures shared by all tests: a small mixed table and a generator fitted on it once a session."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import jax
import numpy as np
import pyarrow as pa
import pytest

import jaxsynth as js

TINY = js.VAE(latent=4, hidden=(32,), batch=64, epochs=3, min_steps=60)


def make_table(rows: int, seed: int = 0) -> pa.Table:
    """Rows with every kind of column, nulls, an inflated value and a skewed number."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["female", "male"], rows)
    age = np.clip(rng.normal(60, 15, rows), 18, 99).round().astype(np.int64)
    cost = np.round(np.exp(rng.normal(8, 1.5, rows)), 2)
    visits = np.where(rng.random(rows) < 0.9, 0, rng.poisson(200, rows) + rng.integers(0, 2000, rows))
    day = rng.integers(0, 3000, rows)
    null = rng.random(rows) < 0.2
    return pa.table(
        {
            "sex": pa.array(sex),
            "age": pa.array(age),
            "cost": pa.array(cost, mask=null),
            "visits": pa.array(visits),
            "smoker": pa.array(rng.random(rows) < 0.3, mask=rng.random(rows) < 0.1),
            "grade": pa.DictionaryArray.from_arrays(
                pa.array(rng.integers(0, 3, rows), pa.int8()), pa.array(["low", "mid", "high"]), ordered=True
            ),
            "admitted": pa.array([dt.date(2015, 1, 1) + dt.timedelta(days=int(d)) for d in day]),
        }
    )


@pytest.fixture(scope="module", autouse=True)
def _drop_programs() -> Iterator[None]:
    """Each compiled program maps memory of its own, and Linux lets a process map 65,530 pieces: then it dies."""
    yield
    jax.clear_caches()  # type: ignore[no-untyped-call]


@pytest.fixture(scope="session")
def table() -> pa.Table:
    """2,000 rows."""
    return make_table(2000)


@pytest.fixture(scope="session")
def synth(table: pa.Table) -> js.Synthesizer:
    """A generator fitted for a moment."""
    return js.fit(table, TINY, seed=3, progress=False)
