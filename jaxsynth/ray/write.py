"""The job of `Synthesizer.write`, its shards built by the workers of a Ray cluster."""

from __future__ import annotations

import os
from typing import Any, Literal

from jaxsynth.errors import OutputError
from jaxsynth.progress import Show
from jaxsynth.ray.cluster import connected
from jaxsynth.ray.crew import drawn_by_workers, in_tasks
from jaxsynth.ray.rows import loaded, sent
from jaxsynth.sample import Manifest, Where
from jaxsynth.sample.addresses import open_place
from jaxsynth.sample.files import single_format
from jaxsynth.sample.job import run_job
from jaxsynth.sample.lock import Part
from jaxsynth.sample.progress import sampling_progress
from jaxsynth.sample.shard_plan import SHARD_ROWS
from jaxsynth.sample.write import check_sharing, checked_part, plan_of
from jaxsynth.synthesizer import Synthesizer

_AT_A_TIME = 1000  # tasks that wait for a worker or run, unless the user says


def write(
    model: Synthesizer | str | os.PathLike[str],
    out: str | os.PathLike[str],
    rows: int,
    *,
    seed: int,
    start: int = 0,
    where: Where | None = None,
    format: str | None = None,
    shard_rows: int = SHARD_ROWS,
    partition: str | None = None,
    workers: int | None = None,
    part: Part | Literal["auto"] = (0, 1),
    filesystem: Any = None,
    progress: Show = None,
    address: str | None = None,
    num_cpus: float = 1,
    num_gpus: float = 0,
) -> Manifest:
    """Write what `Synthesizer.write` writes, byte for byte: a directory of shards, each built by a Ray task.

    This process holds the lock and writes the plan and the manifest; workers write shards and receipts. A shard
    whose worker was killed is built again by another. The same call, or that of `Synthesizer.write` on machines of
    the workers' kind, goes on with a job that was begun.

    All workers must reach `out`: a directory of a shared file system, under the same path everywhere, or an
    address such as `s3://bucket/prefix`.

    Args:
        model: a generator, or the path of a model file on this machine; workers get it by the object store.
        out: the directory.
        rows: see `Synthesizer.write`, as for all that is not told here.
        seed: of the stream.
        start: number of the first row.
        where: the condition.
        format: of the files.
        shard_rows: most rows a shard.
        partition: column to partition by.
        workers: shards at a time; by default as many as the cluster has room for.
        part: of the shards.
        filesystem: that `out` is a path of; it is sent to the workers.
        progress: as there, but told once a shard.
        address: of the cluster; None for the one that this process is connected to, else the one that
            `RAY_ADDRESS` names, else one that is started on this machine for the call.
        num_cpus: what a task reserves.
        num_gpus: what a task reserves; without any it draws on the CPU.

    Raises:
        ArtefactError: see `jaxsynth.load`.
        ConditionError: see `Synthesizer.stream`.
        OutputError: see `Synthesizer.write`; `out` is one file; no cluster answers; a worker does not see
            `out`, or draws with other versions or another kind of device than the first.
    """
    synth, part = loaded(model), checked_part(part)
    check_sharing(shard_rows, workers)
    if single_format(out, format) is not None:
        raise OutputError(f"{os.fspath(out)!r} is one file, which Ray's workers cannot share; name a directory")
    synth.stream(rows, seed=seed, start=start, where=where)  # refuses what is wrong with these
    place = open_place(out, filesystem)
    options = {"num_cpus": num_cpus, "num_gpus": num_gpus}
    with connected(address), sampling_progress(show=progress) as tell:
        plan = plan_of(
            model=synth.digest,
            schema=synth.schema,
            rows=int(rows),
            seed=int(seed),
            start=int(start),
            where=where,
            format_=format,
            shard_rows=shard_rows,
            partition=partition,
            drawn=drawn_by_workers(options),
        )
        crew = in_tasks(sent(synth, seed, where), workers or _AT_A_TIME, options)
        return run_job(place, plan, crew, part=part, tell=tell)
