"""Hive partitions: a batch cut by the value of one column, each part with the directory of that value."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import numpy as np
import pyarrow as pa

_NULL = "__HIVE_DEFAULT_PARTITION__"  # what every reader of Hive directories takes for a missing value


def split(batch: pa.RecordBatch, column: str | None) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Parts of a batch by directory (`"race=white/"`), without the column, rows in their order.

    Args:
        batch: rows of the stream.
        column: what to partition by; None gives the batch itself, with the directory "".
    """
    if column is None:
        yield "", batch
        return
    cells = batch[column].cast(pa.string()).dictionary_encode(null_encoding="encode")
    codes = cells.indices.to_numpy()
    rest = batch.drop_columns([column]).take(pa.array(np.argsort(codes, kind="stable")))
    counts = np.bincount(codes, minlength=len(cells.dictionary))
    for value, end, rows in zip(cells.dictionary.to_pylist(), np.cumsum(counts), counts, strict=True):
        yield _directory(column, value), rest.slice(end - rows, rows)


def _directory(column: str, value: str | None) -> str:
    return f"{quote(column, safe='')}={_NULL if value is None else quote(value, safe='')}/"
