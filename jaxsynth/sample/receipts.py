"""Receipts: what each shard consists of, one small file a shard; and the manifest, all of them in order.

A receipt is written once its shard's files are in place, so a shard without one counts as missing. One file
each, because stores of objects cannot append and several processes may write one job.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from jaxsynth.sample.places import Place, write
from jaxsynth.sample.shard_plan import Plan, sha256_of

RECEIPTS = "_receipts"
MANIFEST = "_manifest.jsonl"


@dataclass(frozen=True, kw_only=True)
class File:
    """One file that a job wrote.

    Attributes:
        path: relative to the job's directory, with forward slashes.
        shard: number of its shard.
        start: number of the shard's first row in the stream.
        rows: of the file.
        bytes: of the file.
        sha256: of the file, in hexadecimal.
    """

    path: str
    shard: int
    start: int
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a call of `write` left in its place.

    Attributes:
        place: the directory that paths are relative to.
        files: in the order of the stream: of the whole job where it is complete, else of the shards that this
            call answers for.
        complete: whether all shards of the job are there.
        built: how many shards this call wrote; the others were there, and were checked.
    """

    place: str
    files: tuple[File, ...]
    complete: bool
    built: int = field(compare=False)

    @property
    def rows(self) -> int:
        """Of all files together."""
        return sum(f.rows for f in self.files)


def write_receipt(place: Place, plan: Plan, shard: int, files: tuple[File, ...]) -> None:
    """Say what a shard consists of."""
    body = {"plan": plan.digest, "shard": shard, "files": [asdict(f) for f in files]}
    text = json.dumps({**body, "check": sha256_of(body)}, ensure_ascii=False) + "\n"
    write(place, _path(plan, shard), text.encode())


def read_receipt(place: Place, plan: Plan, shard: int) -> tuple[File, ...] | str | None:
    """The files of a shard; why its receipt cannot be used; or None if there is none."""
    text = place.read(_path(plan, shard))
    if text is None:
        return None
    body = _body(text)
    if body is None or body["shard"] != shard:
        return "its receipt is damaged"
    if body["plan"] != plan.digest:
        return "its receipt is of another job"
    return tuple(File(**f) for f in body["files"])


def verify(place: Place, plan: Plan, shard: int) -> tuple[File, ...] | str | None:
    """`read_receipt`, with every file of the shard read and compared."""
    files = read_receipt(place, plan, shard)
    if files is None or isinstance(files, str):
        return files
    for file in files:
        found = place.digest(file.path)
        if found is None:
            return f"{file.path} is missing"
        if found != (file.bytes, file.sha256):
            return f"{file.path} is damaged"
    return files


def is_of_another_job(place: Place, plan: Plan) -> bool:
    """Whether some whole receipt names another plan; looks at as many shards as `plan` has."""
    texts = (place.read(_path(plan, shard)) for shard in range(plan.shards))
    bodies = (_body(text) for text in texts if text is not None)
    return any(body is not None and body["plan"] != plan.digest for body in bodies)


def write_manifest(place: Place, files: Iterable[File]) -> None:
    """One line a file, unless that is what is there."""
    text = "".join(json.dumps(asdict(f), ensure_ascii=False) + "\n" for f in files).encode()
    if place.read(MANIFEST) != text:
        write(place, MANIFEST, text)


def _path(plan: Plan, shard: int) -> str:
    return f"{RECEIPTS}/{plan.number(shard)}.json"


def _body(text: bytes) -> dict[str, Any] | None:
    """What a receipt says; None if it is damaged."""
    try:
        body: dict[str, Any] = json.loads(text)
        whole = body.pop("check") == sha256_of(body)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return body if whole else None
