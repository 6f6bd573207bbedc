"""Rows `start .. start + rows - 1` of a seeded stream, as Arrow record batches of any size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jaxsynth.codec import Codec
from jaxsynth.codec.packed import Columns, unpacker
from jaxsynth.models import Condition
from jaxsynth.sample.blocks import BLOCK_ROWS, BlockSampler
from jaxsynth.sample.rules import Projection
from jaxsynth.schema.cells import Numbers, from_numbers, to_numbers, valid_mask

Limits = Mapping[str, tuple[float, float]]
Values = Mapping[str, NDArray[np.float64]]


def open_stream(
    sampler: BlockSampler,
    codec: Codec,
    *,
    rows: int,
    seed: int,
    start: int,
    batch_rows: int,
    condition: Condition | None,
    limits: Limits,
    values: Values,
    projection: Projection,
) -> pa.RecordBatchReader:
    """A reader of `rows` rows that keep the schema's rules; memory is bounded by `batch_rows`."""
    first = start // BLOCK_ROWS
    count = -(-(start + rows) // BLOCK_ROWS) - first
    parts = _slices(sampler.blocks(seed, first, count, condition), rows, start)
    decoded = to_batches(parts, codec, rows, start, batch_rows)
    batches = (projection.apply(_snap(_clip(batch, limits), values)) for batch in decoded)
    return pa.RecordBatchReader.from_batches(codec.schema.arrow, batches)


def _slices(blocks: Iterator[Columns], rows: int, start: int) -> Iterator[Columns]:
    """The wanted rows of each block, in order."""
    skip, left = start % BLOCK_ROWS, rows
    while left > 0:
        take = min(BLOCK_ROWS - skip, left)
        yield next(blocks).slice(skip, skip + take)
        skip, left = 0, left - take


def to_batches(
    parts: Iterator[Columns], codec: Codec, rows: int, start: int, batch_rows: int
) -> Iterator[pa.RecordBatch]:
    """The rows of parts, of any sizes, in batches of `batch_rows`; holds the parts of one batch.

    Args:
        parts: generated rows on the host, `rows` of them or more.
        codec: what they mean.
        rows: how many to encode.
        start: number of the first row.
        batch_rows: rows a batch, but for the last.
    """
    done, unpack = 0, unpacker(codec.layout)
    rest: Columns | None = None  # of the last part
    while done < rows:
        want = min(batch_rows, rows - done)
        held, left = [], want
        while left:
            part = rest if rest is not None else next(parts)
            held.append(part.slice(0, left))
            rest = part.slice(left, part.rows) if part.rows > left else None
            left -= held[-1].rows
        yield codec.decode(*map(unpack, held), start=start + done)
        done += want


def _clip(batch: pa.RecordBatch, limits: Limits) -> pa.RecordBatch:
    """Hold a conditioned range exactly: float32 positions may end a hair outside it."""
    for name, (low, high) in limits.items():
        batch = _changed(batch, name, np.clip(_numbers(batch, name), low, high))
    return batch


def _snap(batch: pa.RecordBatch, values: Values) -> pa.RecordBatch:
    """Set conditioned continuous columns to the nearest of the values asked for."""
    for name, wanted in values.items():
        middles = (wanted[1:] + wanted[:-1]) / 2
        batch = _changed(batch, name, wanted[np.searchsorted(middles, _numbers(batch, name))])
    return batch


def _numbers(batch: pa.RecordBatch, name: str) -> Numbers:
    return to_numbers(batch.column(batch.schema.get_field_index(name)))


def _changed(batch: pa.RecordBatch, name: str, values: Numbers) -> pa.RecordBatch:
    i = batch.schema.get_field_index(name)
    cells = batch.column(i)
    return batch.set_column(i, batch.schema.field(i), from_numbers(values, valid_mask(cells), cells.type))
