"""A job: the shards of a plan, built by a crew; whatever is whole is kept.

Every shard ends with its receipt; who finds all receipts writes the manifest.
"""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing

from jaxsynth.errors import OutputError, OutputWarning
from jaxsynth.sample.lock import Part, locked
from jaxsynth.sample.places import Place, write
from jaxsynth.sample.progress import Tally, Tell
from jaxsynth.sample.receipts import (
    RECEIPTS,
    File,
    Manifest,
    is_of_another_job,
    read_receipt,
    write_manifest,
)
from jaxsynth.sample.shard import OpenRows, Settled, settle
from jaxsynth.sample.shard_plan import PLAN, Plan, check_same, read_plan, to_bytes

Settling = Generator[tuple[int, Settled], None, None]
Crew = Callable[[Place, Plan, range, Tally], Settling]
"""Settles the shards of a range and gives each with its number, in any order; closed early, it ends its work."""

_TEMPORARY = re.compile(r"\.(?:part-)?(\d+)\.")


def run_job(place: Place, plan: Plan, crew: Crew, *, part: Part, tell: Tell | None = None) -> Manifest:
    """Write the shards r, r + n, ... of `part` (r, n) that are not yet whole in `place`.

    Args:
        place: a directory of its own for the job.
        plan: the job; must be that of the directory, if one was begun there.
        crew: who settles the shards, as `in_threads` does.
        part: (0, 1) for all shards.
        tell: called as shards grow and end, from one thread at a time.

    Ctrl-C ends the job at the next batches; as after an error, the same call goes on from the whole shards.

    Raises:
        OutputError: the place holds another job or other files, another process works on the same shards, or
            it cannot be written to. Shards that were complete stay; the same call goes on from them.
    """
    with locked(place, part):
        _begin(place, plan)
        _sweep(place, part)
        mine = range(part[0], plan.shards, part[1])
        tally = Tally(tell, rows=sum(plan.rows_of(shard)[1] for shard in mine), shards=len(mine))
        try:
            done = _run(place, plan, crew, mine, tally)
        finally:
            _sweep(place, part)  # what processes of the crew left that were killed
        return _finish(place, plan, done)


def in_threads(open_rows: OpenRows, workers: int) -> Crew:
    """A crew of threads.

    Args:
        open_rows: gives the rows of a range, always in the same batches.
        workers: most threads, each with a file of its own.
    """

    def settling(place: Place, plan: Plan, shards: range, tally: Tally) -> Settling:
        stop = threading.Event()
        with ThreadPoolExecutor(max(min(workers, len(shards)), 1)) as pool:
            try:
                tasks = {pool.submit(settle, place, plan, s, open_rows, stop, tally): s for s in shards}
                for task in as_completed(tasks):
                    yield tasks[task], task.result()
            except BaseException:
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    return settling


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


def _sweep(place: Place, part: Part) -> None:
    """Remove temporary files that can only be of killed processes: of shards that are ours alone."""

    def is_left_over(temporary: str) -> bool:
        match = _TEMPORARY.match(temporary)
        return part == (0, 1) or (match is not None and int(match[1]) % part[1] == part[0])

    place.sweep(is_left_over)


def _run(place: Place, plan: Plan, crew: Crew, shards: range, tally: Tally) -> dict[int, Settled]:
    done: dict[int, Settled] = {}
    with closing(crew(place, plan, shards, tally)) as settling:
        for shard, settled in settling:
            done[shard] = settled
            tally.shard(shard, settled.files, built=settled.built)
            if settled.damage:
                _warn(f"{place.name}: {settled.damage}; shard {shard} was built anew")
    return done


def _finish(place: Place, plan: Plan, done: dict[int, Settled]) -> Manifest:
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
