"""A fit on a table larger than memory: rows a second of each pass, and the most memory the process had.

    python -m benchmarks.out_of_core --rows 1e8 [--model vae] [--data DIR] [--folder build/out_of_core]
        [-o out_of_core.json]

Goal: one epoch on 1e8 rows of 15 columns, from Parquet, under 4 GB resident, on two cores.
The rows are Adult's, resampled, with its wide numbers shaken so that they are not the same few again and again, in
files of a million rows, each from a part of the table as sorted by age. What is written once is used again.

Memory is the kernel's: `ru_maxrss` of the process that fits, and its anonymous and file-backed pages by
/proc/PID/smaps_rollup, each second, at most.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pa_dataset
import pyarrow.parquet as pq

import jaxsynth as js
from benchmarks.machine import describe
from jaxsynth.models import DEFAULTS

_FILE_ROWS = 1_000_000
_TASKS = ("describing", "encoding", "training")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=float, default=1e8)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--model", choices=DEFAULTS, default="autoregressive")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/tabular"))
    parser.add_argument("--folder", type=Path, default=Path("build/out_of_core"))
    parser.add_argument("--fit", type=Path, help="what the process that is measured is told")
    parser.add_argument("-o", "--out", type=Path, default=Path("build/out_of_core.json"))
    arguments = parser.parse_args()
    if arguments.fit is not None:
        fit(arguments.fit, arguments.model, arguments.epochs)
        return
    rows = int(arguments.rows)
    folder = arguments.folder / f"{rows}"
    write_rows(arguments.data, folder, rows)
    found = measure(folder, arguments.model, arguments.epochs)
    result = {"machine": describe(), "rows": rows, "model": arguments.model, **found}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def write_rows(data: Path, folder: Path, rows: int) -> None:
    """Files of a million rows, those that are not there yet."""
    real = js.nan_to_null(data / "adult_train.parquet")
    order = pc.sort_indices(real, [(real.column_names[0], "ascending")])
    folder.mkdir(parents=True, exist_ok=True)
    starts = range(0, rows, _FILE_ROWS)
    for number, start in enumerate(starts):
        path = folder / f"{number:05d}.parquet"
        if path.exists():
            continue
        rng = np.random.default_rng([0, number])
        # A part of the sorted table a file, each half as wide as the next two: sorted, and neighbours overlap.
        first = int(real.num_rows * number / max(len(starts), 1) * 0.9)
        own = rng.integers(first, first + max(real.num_rows // 10, 1), min(_FILE_ROWS, rows - start))
        table = shaken(real.take(order.take(pa.array(own))), rng)
        pq.write_table(table, path.with_suffix(".tmp"), row_group_size=_FILE_ROWS // 4)
        path.with_suffix(".tmp").rename(path)


def shaken(table: pa.Table, rng: np.random.Generator) -> pa.Table:
    """Wide integers moved by some per cent, so that they take about as many values as there are rows."""
    for i, field in enumerate(table.schema):
        if pa.types.is_integer(field.type) or pa.types.is_floating(field.type):
            values = np.asarray(table[field.name], np.float64)
            if len(np.unique(values)) > 1000:
                moved = np.rint(values * np.exp(rng.normal(0, 0.05, len(values)))).astype(np.int64)
                table = table.set_column(i, field.name, pa.array(moved).cast(field.type, safe=False))
    return table


def fit(folder: Path, model: str, epochs: int) -> None:
    """In a process of its own."""
    js.use_all_cores()
    config = replace(DEFAULTS[model], epochs=epochs, min_steps=0)  # type: ignore[type-var]
    synth = js.fit(pa_dataset.dataset(folder), config, seed=0, progress="json", cache=folder.parent)
    history = synth.history
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"ru_maxrss": most, "steps": history.steps, "stopped": history.stopped,
                      "losses": history.losses, "held_out": history.held_out}))  # fmt: skip


def measure(folder: Path, model: str, epochs: int) -> dict[str, Any]:
    """Seconds and rows a second of each pass, and memory."""
    command = [sys.executable, "-m", "benchmarks.out_of_core", "--fit", str(folder), "--model", model]
    command += ["--epochs", str(epochs)]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    most = {"anonymous": 0, "file_backed": 0}
    watcher = threading.Thread(target=_watch, args=(process, most), daemon=True)
    watcher.start()
    passes: dict[str, Any] = {}
    assert process.stderr is not None
    assert process.stdout is not None
    for line in process.stderr:
        print(line, end="", file=sys.stderr, flush=True)
        event = _parsed(line)
        if event.get("task") in _TASKS:
            passes[event["task"]] = {k: event[k] for k in ("rows", "elapsed_seconds", "rows_per_second")}
    told = json.loads(process.stdout.read().splitlines()[-1])
    process.wait()
    return {"seconds": time.perf_counter() - started, "passes": passes, "most_bytes": most, **told}


def _watch(process: subprocess.Popen[str], most: dict[str, int]) -> None:
    path = Path(f"/proc/{process.pid}/smaps_rollup")
    while process.poll() is None:
        try:
            text = path.read_text()
        except OSError:
            return
        found = {k: int(v.split()[0]) * 1024 for k, v in _fields(text) if k in {"Rss", "Anonymous"}}
        if len(found) == 2:
            most["anonymous"] = max(most["anonymous"], found["Anonymous"])
            most["file_backed"] = max(most["file_backed"], found["Rss"] - found["Anonymous"])
        time.sleep(1)


def _fields(text: str) -> list[tuple[str, str]]:
    return [(k, v) for k, _, v in (line.partition(":") for line in text.splitlines()) if v.strip().endswith("kB")]


def _parsed(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


if __name__ == "__main__":
    main()
