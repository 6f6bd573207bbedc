"""`Plan`: what a job writes and into which shards, fixed before the first row and kept in `_plan.json`."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from jaxsynth.errors import OutputError
from jaxsynth.sample.condition import Between, Where
from jaxsynth.sample.formats import SUFFIX_OF, Format
from jaxsynth.sample.places import Place

PLAN = "_plan.json"
PLAN_VERSION = 1
SHARD_ROWS = 2**20


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that the bytes of a job's files depend on, as JSON values.

    Attributes:
        model: SHA-256 of the model.
        seed: of the stream.
        start: number of the job's first row in the stream.
        rows: of the job.
        shard_rows: most rows a shard.
        where: what `described` makes of the condition.
        format: of the files.
        partition: the column that Hive directories go by, or None.
        columns: name, Arrow type and nullability of each column, as `described_columns` gives them.
        versions: of the libraries that rows and files come from.
        device: the kind of device that draws the rows.
        version: of this description.
    """

    model: str
    seed: int
    start: int
    rows: int
    shard_rows: int
    where: dict[str, Any]
    format: Format
    partition: str | None
    columns: list[dict[str, Any]]
    versions: dict[str, str]
    device: str
    version: int = field(default=PLAN_VERSION)

    @property
    def shards(self) -> int:
        """How many; one without rows for a job without rows, so that readers find the columns."""
        return max(-(-self.rows // self.shard_rows), 1)

    def rows_of(self, shard: int) -> tuple[int, int]:
        """Number of the shard's first row in the stream, and how many rows it has."""
        done = shard * self.shard_rows
        return self.start + done, min(self.shard_rows, self.rows - done)

    def file(self, shard: int) -> str:
        """The shard's file name; files sort by it in the order of the stream."""
        return f"part-{self.number(shard)}{SUFFIX_OF[self.format]}"

    def number(self, shard: int) -> str:
        """The shard's number, with as many digits as sort well."""
        return f"{shard:0{max(5, len(str(self.shards - 1)))}d}"

    @property
    def digest(self) -> str:
        """SHA-256 of all of it."""
        return sha256_of(asdict(self))


def sha256_of(values: Any) -> str:
    """SHA-256 of JSON values, however they are laid out."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def to_bytes(plan: Plan) -> bytes:
    """The text of `_plan.json`."""
    return (json.dumps(asdict(plan), indent=1, ensure_ascii=False) + "\n").encode()


def read_plan(place: Place) -> Plan | None:
    """The plan of the job in `place`; None if there is none.

    Raises:
        OutputError: it is damaged, or of a newer release.
    """
    text = place.read(PLAN)
    if text is None:
        return None
    try:
        values = json.loads(text)
        newer = values["version"] > PLAN_VERSION
        plan = None if newer else _parsed(values)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OutputError(
            f"{place.name}/{PLAN} is damaged; delete that file and run the same command again: it is written anew "
            "and whole shards are kept"
        ) from error
    if plan is None:
        raise OutputError(f"{place.name}/{PLAN} is of a newer release; upgrade jaxsynth to go on with the job")
    return plan


def _parsed(values: dict[str, Any]) -> Plan:
    plan = Plan(**values)
    _flat(plan)  # fails where parts of it are of another shape
    return plan


def check_same(place: Place, found: Plan, asked: Plan) -> None:
    """Refuse to go on with another job's directory.

    Raises:
        OutputError: naming each field that differs, with what was found and asked.
    """
    there, here = _flat(found), _flat(asked)
    differs = [k for k in here | there if there.get(k) != here.get(k)]
    if differs:
        told = "; ".join(f"{k} is {_short(there.get(k))} there and {_short(here.get(k))} here" for k in differs)
        raise OutputError(
            f"{place.name} holds another job: {told}; ask for what is there, or choose another directory"
        )


def _flat(plan: Plan) -> dict[str, Any]:
    """Fields by name, with those inside of a field as `versions.pyarrow`."""
    out: dict[str, Any] = {}
    for name, value in asdict(plan).items():
        if name == "columns":
            value = {c["name"]: c for c in value}
        out |= {f"{name}.{k}": v for k, v in value.items()} if isinstance(value, dict) else {name: value}
    return out


def _short(value: Any) -> str:
    text = "absent" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:60]}…"


def described(where: Where | None) -> dict[str, Any]:
    """A condition as JSON values, equal for equal conditions.

    Example:
        >>> described({"sex": {"male", "female"}, "age": Between(65, None)})
        {'sex': ['female', 'male'], 'age': {'low': 65, 'high': None}}
    """
    return {name: _described(wanted) for name, wanted in (where or {}).items()}


def _described(wanted: Any) -> Any:
    if isinstance(wanted, Between):
        return {"low": _plain(wanted.low), "high": _plain(wanted.high)}
    several = isinstance(wanted, Iterable) and not isinstance(wanted, (str, bytes))
    return sorted((_plain(v) for v in (wanted if several else [wanted])), key=repr)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def described_columns(schema: pa.Schema) -> list[dict[str, Any]]:
    """Columns as JSON values."""
    return [{"name": f.name, "type": str(f.type), "nullable": f.nullable} for f in schema]
