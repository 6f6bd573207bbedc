"""Results as JSON lines: one record a fit, appended as soon as it is known, so that a run can be resumed."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Record = dict[str, Any]
Key = tuple[str, str, int, str]


def begun(name: str, model: str, seed: int, kind: str, machine: dict[str, Any]) -> Record:
    """What every record begins with: what it is about, when, by which command and on what."""
    return {
        "set": name, "model": model, "seed": seed, "kind": kind,
        "time": datetime.now(UTC).isoformat(timespec="seconds"), "command": " ".join(sys.argv),
        "machine": {**machine, "load": os.getloadavg()[0]},  # seconds of a busy machine say little
    }  # fmt: skip


def listed(text: str) -> list[str]:
    """Names in an argument, separated by commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def append(path: Path, record: Record) -> None:
    """Add one record; the file is complete after every call."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"
    cut_short = path.exists() and path.read_bytes()[-1:] not in (b"", b"\n")
    with path.open("a", encoding="utf8") as file:
        file.write("\n" + line if cut_short else line)


def read(path: Path) -> list[Record]:
    """The records of a file, in order; none if there is no file. A line that a crash cut short is left out."""
    lines = path.read_text(encoding="utf8").splitlines() if path.exists() else []
    return [record for record in map(_parsed, lines) if record is not None]


def _parsed(line: str) -> Record | None:
    try:
        record: Record = json.loads(line)
    except json.JSONDecodeError:
        return None
    return record


def key(record: Record) -> Key:
    """What a record is about: set, model, seed, and kind ("quality" or "dcr")."""
    return record["set"], record["model"], record["seed"], record["kind"]


def finished(records: list[Record]) -> set[Key]:
    """What need not be run again. A fit that failed is tried again."""
    return {key(r) for r in records if r["status"] == "ok"}


def latest(records: list[Record]) -> list[Record]:
    """The last record of each key: what a repeated run found stands."""
    return list({key(r): r for r in records}.values())
