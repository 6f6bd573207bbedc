"""Rows of a stream to one file, or to a directory by a plan: which of the two, and whether it can be done."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Literal

import jax
import pyarrow as pa

from jaxsynth.errors import OutputError
from jaxsynth.progress import Show
from jaxsynth.sample.addresses import open_place
from jaxsynth.sample.blocks import BLOCK_ROWS
from jaxsynth.sample.condition import Where
from jaxsynth.sample.files import single_format, write_stream
from jaxsynth.sample.formats import checked
from jaxsynth.sample.job import in_threads, run_job
from jaxsynth.sample.lock import Part
from jaxsynth.sample.progress import sampling_progress
from jaxsynth.sample.ranges import check_number
from jaxsynth.sample.receipts import Manifest
from jaxsynth.sample.shard_plan import SHARD_ROWS, Plan, described, described_columns
from jaxsynth.schema import Schema
from jaxsynth.train import library_versions

BATCH_ROWS = 16 * BLOCK_ROWS
_MOST_WORKERS = 8  # by default; beyond, drawing rows is the slower part, and each worker holds a row group
_LIBRARIES = ("jaxsynth", "jax", "numpy", "pyarrow")  # what the bytes of a file depend on
_MANY_VALUES = ("continuous", "datetime", "duration")


def write_rows(
    opener: Callable[[], Callable[..., pa.RecordBatchReader]],
    out: str | os.PathLike[str],
    *,
    model: str,
    schema: Schema,
    rows: int,
    seed: int,
    start: int,
    where: Where | None,
    format_: str | None,
    shard_rows: int,
    partition: str | None,
    workers: int | None,
    part: Part | Literal["auto"],
    filesystem: Any,
    progress: Show,
) -> Manifest:
    """What `Synthesizer.write` does, and where its arguments are told.

    Args:
        opener: called once all else is found right; gives the function of (rows, start, batch_rows) that reads
            the stream.
        out: the file or directory.
        model: SHA-256 of the model.
        schema: of its rows.
        rows: how many.
        seed: of the stream.
        start: number of the first row.
        where: the condition that `opener` knows.
        format_: name of the format.
        shard_rows: most rows a shard.
        partition: column to partition by.
        workers: most threads.
        part: of the shards; see `checked_part`.
        filesystem: that `out` is a path of.
        progress: how to show it.

    Raises:
        OutputError: as `Synthesizer.write` says.
    """
    part = checked_part(part)
    check_sharing(shard_rows, workers)
    one = single_format(out, format_)
    if one is not None:
        if (shard_rows, partition, tuple(part)) != (SHARD_ROWS, None, (0, 1)):
            raise OutputError(f"{os.fspath(out)!r} is one file, without shards; name a directory to have them")
        with sampling_progress(show=progress) as tell:
            reader = opener()(rows=rows, start=start, batch_rows=BATCH_ROWS)
            return write_stream(reader, out, one, filesystem=filesystem, start=start, rows=rows, tell=tell)
    plan = plan_of(
        model=model,
        schema=schema,
        rows=rows,
        seed=seed,
        start=start,
        where=where,
        format_=format_,
        shard_rows=shard_rows,
        partition=partition,
        drawn=drawn_here(),
    )
    place, open_rows = open_place(out, filesystem), opener()
    threads = in_threads(
        lambda first, count: open_rows(rows=count, start=first, batch_rows=BATCH_ROWS),
        workers or min(_MOST_WORKERS, len(os.sched_getaffinity(0))),
    )
    with sampling_progress(show=progress) as tell:
        return run_job(place, plan, threads, part=part, tell=tell)


def plan_of(
    *,
    model: str,
    schema: Schema,
    rows: int,
    seed: int,
    start: int,
    where: Where | None,
    format_: str | None,
    shard_rows: int,
    partition: str | None,
    drawn: dict[str, Any],
) -> Plan:
    """The plan of a job, its format and partition checked; `drawn` is what `drawn_here` says where rows are drawn.

    Raises:
        OutputError: an unknown format, or a column that cannot be partitioned by.
    """
    _check_partition(schema, partition)
    return Plan(
        model=model,
        seed=seed,
        start=start,
        rows=rows,
        shard_rows=int(shard_rows),
        where=described(where),
        format=checked(format_ or "parquet"),
        partition=partition,
        columns=described_columns(schema.arrow),
        **drawn,
    )


def drawn_here() -> dict[str, Any]:
    """What of this process the bytes of a file depend on: fields of `Plan`."""
    versions = {name: found for name, found in library_versions().items() if name in _LIBRARIES}
    return {"versions": versions, "device": jax.local_devices()[0].device_kind}


def check_sharing(shard_rows: int, workers: int | None) -> None:
    """Refuse shards without rows, and no workers or too many, by an OutputError."""
    check_number("shard_rows", shard_rows, 1, 2**63, OutputError)
    if workers is not None:
        check_number("workers", workers, 1, 2**10, OutputError)


def checked_part(part: Part | Literal["auto"]) -> Part:
    """`part` as (rank, number of parts): under "auto" this process and all of its `jax.distributed` run.

    Raises:
        OutputError: it is no such pair.
    """
    if part == "auto":
        return jax.process_index(), jax.process_count()
    if not isinstance(part, tuple) or len(part) != 2:
        raise OutputError(f"part={part!r} is not (rank, number of parts); give (0, 1) to (n - 1, n), or 'auto'")
    check_number("number of parts", part[1], 1, 2**31, OutputError)
    check_number("part", part[0], 0, part[1], OutputError)
    return part


def _check_partition(schema: Schema, name: str | None) -> None:
    if name is None:
        return
    columns = {c.name: c for c in schema if c.output != "drop"}
    if name not in columns:
        raise OutputError(f"partition by {name!r}: there is no such column; choose from {', '.join(columns)}")
    kind = columns[name].kind
    if kind in _MANY_VALUES or not columns[name].modelled:
        raise OutputError(f"partition by {name!r}: {kind} columns have too many values; choose one of few levels")
    if len(columns) == 1:
        raise OutputError(f"partition by {name!r}: the files would have no column left; write without partitions")
