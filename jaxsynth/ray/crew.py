"""Ray tasks that settle the shards of a job."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from jaxsynth.errors import JaxsynthError, OutputError
from jaxsynth.ray.rows import Rows
from jaxsynth.sample.job import Crew, Settling
from jaxsynth.sample.places import LocalPlace, Place
from jaxsynth.sample.progress import Tally
from jaxsynth.sample.shard import Settled, settle
from jaxsynth.sample.shard_plan import Plan, read_plan
from jaxsynth.sample.write import drawn_here

_RETRIES = 5  # of a shard whose worker was killed
_FINISH = 10.0  # seconds for tasks to end their shards when a job is stopped
_GRACE = 30.0  # seconds for tasks to leave once they are told to


@ray.remote(max_retries=_RETRIES)
def _drawn_there() -> dict[str, Any]:
    return drawn_here()


@ray.remote(max_retries=_RETRIES)
def _settle(place: Place, plan: Plan, shard: int, rows: Rows) -> Settled:
    _check_place(place, plan)
    _check_alike(plan)
    return settle(place, plan, shard, rows.open)


def drawn_by_workers(options: dict[str, Any]) -> dict[str, Any]:
    """What `drawn_here` says in a worker."""
    found: dict[str, Any] = _result(_drawn_there.options(**options).remote())
    return found


def in_tasks(rows: Rows, workers: int, options: dict[str, Any]) -> Crew:
    """A crew of Ray tasks.

    Args:
        rows: of the job's stream.
        workers: most tasks at a time.
        options: of each task: what it reserves.
    """

    def settling(place: Place, plan: Plan, shards: range, tally: Tally) -> Settling:
        there, sent, left = ray.put(_seen_from_anywhere(place)), ray.put(plan), iter(shards)
        running: dict[Any, int] = {}
        try:
            while True:
                for shard in islice(left, workers - len(running)):
                    running[_settle.options(**options).remote(there, sent, shard, rows)] = shard
                if not running:
                    return
                (ended, *_), _ = ray.wait(list(running), num_returns=1)
                yield running.pop(ended), _result(ended)
        finally:
            _stop(running)

    return settling


def _seen_from_anywhere(place: Place) -> Place:
    """Workers have directories of their own to start from."""
    return replace(place, root=place.root.absolute()) if isinstance(place, LocalPlace) else place


def _check_place(place: Place, plan: Plan) -> None:
    found = read_plan(place)
    if found is None or found.digest != plan.digest:
        raise OutputError(
            f"a worker on {socket.gethostname()} does not see the job in {place.name}; choose a directory of a "
            "file system that all machines share, under the same path, or an address such as s3://bucket/prefix"
        )


def _check_alike(plan: Plan) -> None:
    here, asked = drawn_here(), {"versions": plan.versions, "device": plan.device}
    if here != asked:
        raise OutputError(
            f"a worker on {socket.gethostname()} draws with {here} and another with {asked}, which need not give "
            "the same rows; install the same versions everywhere, and let tasks reserve one kind of device"
        )


def _result(task: Any) -> Any:
    try:
        return ray.get(task)
    except RayTaskError as error:
        if isinstance(error.cause, JaxsynthError | OSError):
            raise error.cause from error
        raise
    except RayError as error:
        why = " ".join(str(error).split())[:300]
        raise OutputError(
            f"a worker was lost more than {_RETRIES} times ({why}); complete shards stay, run the same call again"
        ) from error


def _stop(running: Iterable[Any]) -> None:
    """End tasks, so that none writes once the job's lock is free: wait for them, then kindly, and then not.

    Ray 2.60 aborts this process, by a check of its own, if a task happens to end while it is being cancelled: so
    those that soon end are not.
    """
    left = _still_running(list(running), _FINISH)
    for force in (False, True):
        for task in left:
            ray.cancel(task, force=force)
        left = _still_running(left, _GRACE)


def _still_running(tasks: list[Any], seconds: float) -> list[Any]:
    """Those of `tasks` that have not ended after some time."""
    return ray.wait(tasks, num_returns=len(tasks), timeout=seconds)[1] if tasks else []
