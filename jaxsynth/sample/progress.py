"""Progress of a sampling job: rows, bytes and shards, counted from all its workers."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxsynth.progress import Report, Show, reporting
from jaxsynth.sample.receipts import File


@dataclass(frozen=True, kw_only=True)
class Written:
    """How far a job is, after each batch and each shard.

    Attributes:
        rows: in files so far, those found whole included.
        of: rows that the call answers for.
        kept: those of `rows` that were found whole.
        bytes: written by this call; a file that is being written counts by its present size.
        shards: whole so far.
        of_shards: shards that the call answers for.
    """

    rows: int
    of: int
    kept: int
    bytes: int
    shards: int
    of_shards: int


Tell = Callable[[Written], None]


class Tally:
    """Counts what threads write, and tells each addition; one at a time."""

    def __init__(self, tell: Tell | None, *, rows: int, shards: int) -> None:
        self._tell, self._of, self._of_shards = tell, rows, shards
        self._lock = threading.Lock()
        self._rows = self._kept = self._bytes = self._shards = 0
        self._growing: dict[tuple[int, Path], int] = {}
        self._told: Counter[int] = Counter()  # rows by shard

    def batch(self, shard: int, path: Path, rows: int) -> None:
        """Rows of a shard went to the file at `path`."""
        if self._tell is None:
            return
        with self._lock:
            self._rows += rows
            self._told[shard] += rows
            self._growing[shard, path] = path.stat().st_size
            self._tell(self._written())

    def shard(self, shard: int, files: Sequence[File], *, built: bool) -> None:
        """A shard is whole; its batches may have been told, if it was built."""
        if self._tell is None:
            return
        with self._lock:
            self._shards += 1
            if built:
                self._bytes += sum(f.bytes for f in files)
                self._rows += sum(f.rows for f in files) - self._told.pop(shard, 0)
                self._growing = {key: size for key, size in self._growing.items() if key[0] != shard}
            else:
                self._kept += sum(f.rows for f in files)
            self._tell(self._written())

    def _written(self) -> Written:
        return Written(
            rows=self._rows + self._kept,
            of=self._of,
            kept=self._kept,
            bytes=self._bytes + sum(self._growing.values()),
            shards=self._shards,
            of_shards=self._of_shards,
        )


@contextlib.contextmanager
def sampling_progress(*, show: Show) -> Iterator[Tell | None]:
    """What to tell a job's progress, or None when nothing is shown.

    Args:
        show: see `jaxsynth.progress.Show`.
    """
    with reporting("sampling", show=show) as tell:
        yield None if tell is None else lambda written: tell(_report(written))


def _report(w: Written) -> Report:
    shards = f"{w.shards:,}/{w.of_shards:,} shards" if w.of_shards > 1 else ""
    parts = f"{w.rows:,}/{w.of:,} rows", shards, f"{w.bytes / 1e6:,.1f} MB"
    return Report(
        rows=w.rows,
        of=w.of,
        kept=w.kept,
        text="  ".join(filter(None, parts)),
        figures={"rows_kept": w.kept, "bytes": w.bytes, "shards": w.shards, "shards_total": w.of_shards},
    )
