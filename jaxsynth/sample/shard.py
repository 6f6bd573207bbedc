"""One shard of a job: its files and then its receipt, each whole or not there.

A shard is a pure function of its row range, so who builds it, when, and how often, changes no byte.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from jaxsynth.sample.formats import Put, writing
from jaxsynth.sample.partition import split
from jaxsynth.sample.places import Place, digest_of
from jaxsynth.sample.progress import Tally
from jaxsynth.sample.receipts import MANIFEST, File, verify, write_receipt
from jaxsynth.sample.shard_plan import Plan

OpenRows = Callable[[int, int], pa.RecordBatchReader]  # (first row, number of rows) -> the rows


class StoppedError(Exception):
    """Another shard failed, or the user interrupted."""


@dataclass(frozen=True)
class Settled:
    """A shard that is in place, and what was done for it.

    Attributes:
        files: what its receipt says.
        built: whether it was built now; else it was there and was checked.
        damage: what was wrong with what was there; None if nothing was.
    """

    files: tuple[File, ...]
    built: bool
    damage: str | None


@dataclass
class _Open:
    """A file that is being written."""

    temporary: Path
    put: Put
    rows: int = 0


def settle(
    place: Place,
    plan: Plan,
    shard: int,
    open_rows: OpenRows,
    stop: threading.Event | None = None,
    tally: Tally | None = None,
) -> Settled:
    """Keep the shard if it is whole, else build it."""
    found = verify(place, plan, shard)
    if isinstance(found, tuple):
        return Settled(found, built=False, damage=None)
    place.delete(MANIFEST)  # it would speak of a shard that is not there
    return Settled(build(place, plan, shard, open_rows, stop, tally), built=True, damage=found)


def build(
    place: Place,
    plan: Plan,
    shard: int,
    open_rows: OpenRows,
    stop: threading.Event | None = None,
    tally: Tally | None = None,
) -> tuple[File, ...]:
    """Write one shard's files and then its receipt; returns what the receipt says."""
    start, rows = plan.rows_of(shard)
    files: list[File] = []
    with ExitStack() as published:
        opened: dict[str, _Open] = {}
        with ExitStack() as written:
            for path, batch in _parts(plan, shard, open_rows(start, rows), stop):
                if path not in opened:
                    temporary = published.enter_context(place.publishing(path))
                    put = written.enter_context(writing(temporary, batch.schema, plan.format))
                    opened[path] = _Open(temporary, put)
                opened[path].put(batch)
                opened[path].rows += batch.num_rows
                if tally is not None:
                    tally.batch(shard, opened[path].temporary, batch.num_rows)
        for path, file in sorted(opened.items()):
            size, sha = digest_of(file.temporary)
            files.append(File(path=path, shard=shard, start=start, rows=file.rows, bytes=size, sha256=sha))
    write_receipt(place, plan, shard, tuple(files))
    return tuple(files)


def _parts(
    plan: Plan, shard: int, reader: pa.RecordBatchReader, stop: threading.Event | None
) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Batches of the shard, each with the path of the file it goes to."""
    name = plan.file(shard)
    if plan.rows == 0 and plan.partition is None:
        yield name, pa.RecordBatch.from_pylist([], reader.schema)
    for batch in reader:
        if stop is not None and stop.is_set():
            raise StoppedError
        for directory, rows in split(batch, plan.partition):
            yield directory + name, rows
