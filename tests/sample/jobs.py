"""A job of rows that cost nothing to draw: row i holds numbers that follow from i alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from jaxsynth.sample.job import in_threads, run_job
from jaxsynth.sample.places import LocalPlace, Place
from jaxsynth.sample.receipts import Manifest
from jaxsynth.sample.shard_plan import Plan, described_columns

SCHEMA = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("value", pa.float32()),
        pa.field("race", pa.dictionary(pa.int8(), pa.string())),
    ]
)
RACES = pa.array(["white", "a/b c", None])
PLAN = Plan(
    model="0" * 64,
    seed=1,
    start=500,
    rows=38_000,
    shard_rows=4_000,
    where={},
    format="parquet",
    partition=None,
    columns=described_columns(SCHEMA),
    versions={"pyarrow": pa.__version__},
    device="cpu",
)  # fmt: skip


def plan(**changes: Any) -> Plan:
    """`PLAN` with other values."""
    return replace(PLAN, **changes)


def table(first: int, count: int) -> pa.Table:
    """Rows `first` to `first + count - 1`."""
    row = np.arange(first, first + count)
    hashed = (row * 2654435761) % 2**32
    race = pa.DictionaryArray.from_arrays(
        pa.array((hashed % 3).astype(np.int8), mask=hashed % 3 == 2), RACES.slice(0, 2)
    )
    return pa.table([pa.array(row), pa.array((hashed / 2**32).astype(np.float32)), race], schema=SCHEMA)


def open_rows(first: int, count: int) -> pa.RecordBatchReader:
    """The rows of a range in batches of 1,500."""

    def batches() -> Iterator[pa.RecordBatch]:
        for begin in range(0, count, 1500):
            yield from table(first + begin, min(1500, count - begin)).to_batches()

    return pa.RecordBatchReader.from_batches(SCHEMA, batches())


def run(place: Path | Place, what: Plan = PLAN, *, workers: int = 2, part: tuple[int, int] = (0, 1)) -> Manifest:
    """The job in `place`."""
    there = LocalPlace(place) if isinstance(place, Path) else place
    return run_job(there, what, in_threads(open_rows, workers), part=part)


def contents(root: Path) -> dict[str, str]:
    """SHA-256 of every file under a directory, by its path."""
    files = sorted(p for p in root.rglob("*") if p.is_file())
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
