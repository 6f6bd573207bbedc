"""A very long stream: rows a second, a running checksum, and how resident memory grows with the rows."""

from __future__ import annotations

import shutil
import sys
import tempfile
import threading
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np

import jaxsynth as js
from jaxsynth.sample.write import BATCH_ROWS

_PAGE = 4096
_EVERY = 30.0  # seconds between lines of progress
_SAMPLES = 500  # of the resident memory in a run, at least one each 2**20 rows
_SHARDS = 100  # of a Parquet run
_LOOK = 0.5  # seconds between looks at how many of them are whole
_WARM = 0.1  # share of the run in which pools of memory fill, left out of the slope


class Memory:
    """Resident memory of this process by the rows done, and a line of progress now and then."""

    def __init__(self, rows: int) -> None:
        self._rows, self._step = rows, min(rows // _SAMPLES, 2**20) or 1
        self._began = self._told = time.perf_counter()
        self._at: list[tuple[int, float]] = []
        self._lock = threading.Lock()

    def note(self, done: int) -> None:
        """So many rows are done."""
        with self._lock:
            if self._at and done - self._at[-1][0] < self._step:
                return
            self._at.append((done, resident_megabytes()))
            now = time.perf_counter()
            if now - self._told >= _EVERY:
                self._told, rate = now, done / (now - self._began)
                left = (self._rows - done) / rate
                print(f"{done:,} rows, {rate:,.0f} a second, {self._at[-1][1]:.0f} MB, {left:,.0f} s left",
                      file=sys.stderr, flush=True)  # fmt: skip

    def summary(self) -> dict[str, float]:
        """Its largest value in MB, and the least-squares slope in MB a 100 million rows once warm."""
        done, held = np.array(self._at or [(0, resident_megabytes())]).T
        warm = done >= _WARM * done[-1]
        slope = np.polyfit(done[warm], held[warm], 1)[0] if warm.sum() > 1 else float("nan")
        return {"most_megabytes": float(held.max()), "megabytes_a_100_million_rows": float(slope * 1e8)}


def count(synth: js.Synthesizer, rows: int) -> dict[str, Any]:
    """Draw rows, count them, and put every buffer through CRC-32; says what share of the time that took."""
    synth.sample(2 * BATCH_ROWS, seed=0)  # compiles for every device
    memory, done, check, hashing = Memory(rows), 0, 0, 0.0
    began, used = time.perf_counter(), time.process_time()
    for batch in synth.stream(rows, seed=1):
        at = time.perf_counter()
        for column in batch.columns:
            for buffer in column.buffers():
                check = zlib.crc32(buffer, check) if buffer is not None else check
        hashing += time.perf_counter() - at
        done += batch.num_rows
        memory.note(done)
    seconds, processor = time.perf_counter() - began, time.process_time() - used
    return {
        "sink": "count", "rows": done, "crc32": f"{check:08x}", "seconds": seconds,
        "rows_a_second": done / seconds, "processor_ns_a_row": processor / done * 1e9,
        "share_of_checksum": hashing / seconds, **memory.summary(),
    }  # fmt: skip


def parquet(synth: js.Synthesizer, rows: int, where: Path | None) -> dict[str, Any]:
    """Write rows as a directory of Parquet shards, all of which are deleted in the end."""
    synth.sample(2 * BATCH_ROWS, seed=0)
    memory, stop, shard_rows = Memory(rows), threading.Event(), -(-rows // _SHARDS)
    directory = Path(tempfile.mkdtemp(dir=where))

    def watch() -> None:
        while not stop.wait(_LOOK):
            whole = sum(1 for _ in (directory / "out/_receipts").glob("[0-9]*.json"))
            memory.note(whole * shard_rows)

    watcher = threading.Thread(target=watch)
    began, used = time.perf_counter(), time.process_time()
    watcher.start()
    try:
        manifest = synth.write(directory / "out/", rows, seed=1, shard_rows=shard_rows, progress=False)
        seconds, processor = time.perf_counter() - began, time.process_time() - used
    finally:
        stop.set()
        watcher.join()
        shutil.rmtree(directory)
    size = sum(file.bytes for file in manifest.files)
    return {
        "sink": "parquet", "rows": manifest.rows, "files": len(manifest.files), "bytes_a_row": size / rows,
        "seconds": seconds, "rows_a_second": rows / seconds, "processor_ns_a_row": processor / rows * 1e9,
        **memory.summary(),
    }  # fmt: skip


def resident_megabytes() -> float:
    """Memory of this process that is in RAM, in 10^6 bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE / 1e6
