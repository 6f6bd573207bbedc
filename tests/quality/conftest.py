"""Small mixed tables: skew, nulls, times, booleans, a constant, many levels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest

from jaxsynth.quality.frames import Frames, frames
from jaxsynth.schema import Schema


@dataclass(frozen=True)
class Three:
    """A training table, a holdout and a synthetic table, and the training table's schema."""

    train: pa.Table
    holdout: pa.Table
    synthetic: pa.Table
    schema: Schema

    @property
    def coded(self) -> Frames:
        return frames(self.schema, train=self.train, holdout=self.holdout, synthetic=self.synthetic)


def table(seed: int, n: int, shift: float = 0.0) -> pa.Table:
    rng = np.random.default_rng(seed)

    def holes(share: float) -> np.ndarray:
        return rng.random(n) < share

    x = rng.normal(shift, 1.0, n)
    skewed = np.exp(1.5 * x + rng.normal(0, 0.5, n))
    ticks = (1.6e15 + 3e13 * x).astype(np.int64)
    level = np.array(["low", "mid", "high"])[np.clip(np.digitize(x + rng.normal(0, 0.5, n), [-0.5, 0.5]), 0, 2)]
    return pa.table(
        {
            "x": x,
            "skewed": pa.array(skewed, mask=holes(0.2)),
            "count": pa.array(rng.poisson(3 + shift, n), pa.int32()),
            "constant": np.full(n, 7.5),
            "decimal": pa.array(np.round(x, 2)).cast(pa.decimal128(10, 2)),
            "when": pa.array(ticks, pa.timestamp("us"), mask=holes(0.1)),
            "day": pa.array((18_000 + 50 * x).astype(np.int32), pa.date32()),
            "flag": pa.array(rng.random(n) < 0.3 + 0.1 * shift, mask=holes(0.05)),
            "zero_one": pa.array((x > 0).astype(np.int64)),
            "level": pa.array(level, mask=holes(0.15)),
            "coded": pa.array(level).dictionary_encode(),
            "many": pa.array(rng.integers(0, 40, n).astype(str)),
        }
    )


@pytest.fixture(scope="session")
def make() -> Callable[..., pa.Table]:
    return table


@pytest.fixture(scope="session")
def three() -> Three:
    train = table(0, 900)
    return Three(train, table(1, 500), table(2, 700, 0.4), Schema.infer(train))
