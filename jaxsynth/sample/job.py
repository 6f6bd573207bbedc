"""A job: the shards of a plan, built in threads, each whole or not there; whatever is whole is kept.

A shard is a pure function of its row range, so who builds it, when, and how often, changes no byte. Every shard
ends with its receipt; who finds all receipts writes the manifest.
"""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from jaxsynth.errors import OutputError, OutputWarning
from jaxsynth.sample.formats import Put, writing
from jaxsynth.sample.lock import Part, locked
from jaxsynth.sample.partition import split
from jaxsynth.sample.places import Place, digest_of, write
from jaxsynth.sample.progress import Tally, Tell
from jaxsynth.sample.receipts import (
    MANIFEST,
    RECEIPTS,
    File,
    Manifest,
    is_of_another_job,
    read_receipt,
    verify,
    write_manifest,
    write_receipt,
)
from jaxsynth.sample.shard_plan import PLAN, Plan, check_same, read_plan, to_bytes

OpenRows = Callable[[int, int], pa.RecordBatchReader]  # (first row, number of rows) -> the rows

_TEMPORARY = re.compile(r"\.(?:part-)?(\d+)\.")


class _StoppedError(Exception):
    """Another shard failed, or the user interrupted."""


@dataclass(frozen=True)
class _Shard:
    """A shard that is in place, and what was done for it."""

    files: tuple[File, ...]
    built: bool
    damage: str | None


@dataclass
class _Open:
    """A file that is being written."""

    temporary: Path
    put: Put
    rows: int = 0


def run_job(
    place: Place, plan: Plan, open_rows: OpenRows, *, workers: int, part: Part, tell: Tell | None = None
) -> Manifest:
    """Write the shards r, r + n, ... of `part` (r, n) that are not yet whole in `place`.

    Args:
        place: a directory of its own for the job.
        plan: the job; must be that of the directory, if one was begun there.
        open_rows: gives the rows of a range, always in the same batches.
        workers: most threads, each with a file of its own.
        part: (0, 1) for all shards.
        tell: called after each batch and each shard, from one thread at a time.

    Ctrl-C ends the job at the next batches; as after an error, the same call goes on from the whole shards.

    Raises:
        OutputError: the place holds another job or other files, another process works on the same shards, or
            it cannot be written to. Shards that were complete stay; the same call goes on from them.
    """
    with locked(place, part):
        _begin(place, plan)
        place.sweep(lambda name: _is_left_over(name, part))
        mine = range(part[0], plan.shards, part[1])
        tally = Tally(tell, rows=sum(plan.rows_of(shard)[1] for shard in mine), shards=len(mine))
        done = _run(place, plan, open_rows, mine, workers, tally)
        return _finish(place, plan, done)


def _begin(place: Place, plan: Plan) -> None:
    found = read_plan(place)
    if found is not None:
        check_same(place, found, plan)
        return
    _check_ours(place, plan)
    write(place, PLAN, to_bytes(plan))
    check_same(place, read_plan(place) or plan, plan)  # another part may have begun another job meanwhile


def _check_ours(place: Place, plan: Plan) -> None:
    """Without a plan only what a job with this plan could have left may be there."""
    names = place.names()
    ours = re.compile(rf"part-\d+\.\w+|{re.escape(plan.partition or '')}=.*|[_.].*")
    foreign = [n for n in names if not (ours.fullmatch(n) if RECEIPTS in names else n.startswith(("_", ".")))]
    if foreign:
        raise OutputError(f"{place.name} holds {foreign[0]!r}, which is of no job; choose an empty directory")
    if RECEIPTS in names and is_of_another_job(place, plan):
        raise OutputError(
            f"{place.name} holds shards of another job and no {PLAN}; choose an empty directory, or ask for "
            "exactly what that job was asked for"
        )


def _is_left_over(temporary: str, part: Part) -> bool:
    """Whether a temporary file can only be of a killed process: it belongs to a shard that is ours alone."""
    match = _TEMPORARY.match(temporary)
    return part == (0, 1) or (match is not None and int(match[1]) % part[1] == part[0])


def _run(
    place: Place, plan: Plan, open_rows: OpenRows, shards: range, workers: int, tally: Tally
) -> dict[int, _Shard]:
    stop = threading.Event()
    done: dict[int, _Shard] = {}
    with ThreadPoolExecutor(max(min(workers, len(shards)), 1)) as pool:
        try:
            tasks = {pool.submit(_settle, place, plan, shard, open_rows, stop, tally): shard for shard in shards}
            for task in as_completed(tasks):
                shard = done[tasks[task]] = task.result()
                if shard.damage:
                    _warn(f"{place.name}: {shard.damage}; shard {tasks[task]} was built anew")
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return done


def _settle(
    place: Place, plan: Plan, shard: int, open_rows: OpenRows, stop: threading.Event, tally: Tally
) -> _Shard:
    """Keep the shard if it is whole, else build it."""
    found = verify(place, plan, shard)
    if isinstance(found, tuple):
        tally.shard(shard, found, built=False)
        return _Shard(found, built=False, damage=None)
    place.delete(MANIFEST)  # it would speak of a shard that is not there
    files = build(place, plan, shard, open_rows, stop, tally)
    tally.shard(shard, files, built=True)
    return _Shard(files, built=True, damage=found)


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
            raise _StoppedError
        for directory, rows in split(batch, plan.partition):
            yield directory + name, rows


def _finish(place: Place, plan: Plan, done: dict[int, _Shard]) -> Manifest:
    """The manifest, written if every shard of the job has its receipt."""
    built = sum(s.built for s in done.values())
    files: list[File] = []
    for shard in range(plan.shards):
        found = done[shard].files if shard in done else read_receipt(place, plan, shard)
        if not isinstance(found, tuple):
            own = tuple(f for _, s in sorted(done.items()) for f in s.files)
            return Manifest(place=place.name, files=own, complete=False, built=built)
        files += found
    write_manifest(place, files)
    return Manifest(place=place.name, files=tuple(files), complete=True, built=built)


def _warn(text: str) -> None:
    warnings.warn(text, OutputWarning, stacklevel=4)
