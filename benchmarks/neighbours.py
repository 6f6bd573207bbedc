"""Exact nearest neighbours: `js.neighbours` beside faiss, scikit-learn and anonymeter, on the same rows.

    python -m benchmarks.neighbours [--sets clustered,uniform,wide,adult,diabetes130] [--rows N]
        [--peer PEER_PYTHON] [--million] [--data DIR] [-o neighbours.json]

Rates are pairs of rows a second and core: queries x reference rows / seconds / threads, whether or not a pair was
looked at, everything from Arrow to NumPy included. Goals on two cores, k = 2, 200,000 rows against 200,000 of 6
numbers and 8 categories: 3e9 by the scan, 2e10 by the tree on clustered rows; a million against a million
clustered rows in 20 s, of which 3 s to build the tree; at most 64 bytes of memory a reference row beyond the
table; and, where a tree does not pay, never slower than .9 of the scan.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import jaxsynth as js
from benchmarks.machine import describe
from jaxsynth import _core

K = 2
THREADS = 2
GROUPS = 300
PEER_QUERIES = {"faiss": 400, "sklearn": 100, "anonymeter": 40}


def clustered(rows: int, seed: int, numbers: int = 6, categories: int = 8) -> pa.Table:
    """Groups of patients of unequal sizes: numbers near the group's, categories mostly its own."""
    shape = np.random.default_rng(0)  # of the population; `seed` draws the rows
    centres, levels = shape.random((GROUPS, numbers)), shape.integers(2, 17, categories)
    modes = (shape.random((GROUPS, categories)) * levels).astype(np.int64)
    spread = shape.uniform(0.005, 0.08, (GROUPS, 1))
    random = np.random.default_rng([seed, 1])
    group = random.choice(GROUPS, rows, p=shape.dirichlet(np.full(GROUPS, 0.5)))
    cells = np.clip(centres[group] + random.normal(size=(rows, numbers)) * spread[group], 0, 1)
    other = (random.random((rows, categories)) * levels).astype(np.int64)
    codes = np.where(random.random((rows, categories)) < 0.85, modes[group], other)
    return _table(cells, codes)


def uniform(rows: int, seed: int, numbers: int = 6, categories: int = 8) -> pa.Table:
    """Independent columns: the hardest case of their number."""
    random = np.random.default_rng([seed, 2])
    levels = np.random.default_rng(0).integers(2, 17, categories)
    return _table(random.random((rows, numbers)), (random.random((rows, categories)) * levels).astype(np.int64))


def wide(rows: int, seed: int) -> pa.Table:
    """Twenty independent numbers and twenty categories."""
    return uniform(rows, seed, 20, 20)


def _table(numbers: Any, codes: Any) -> pa.Table:
    columns = {f"n{i}": pa.array(x.astype(np.float32)) for i, x in enumerate(numbers.T)}
    columns |= {f"c{i}": pa.array(x.astype(str)).dictionary_encode() for i, x in enumerate(codes.T)}
    return pa.table(columns)


def real(name: str, data: Path) -> pa.Table:
    """A real table with its numbers scaled to [0, 1], for libraries that do not scale."""
    table = js.nan_to_null(data / f"{name}.parquet")
    schema = js.Schema.infer(table)
    columns: dict[str, Any] = {}
    for column in schema.modelled:
        cells = table[column.name]
        if column.is_numeric and column.bounds is not None and cells.null_count == 0:
            low, high = column.bounds
            scaled = (cells.to_numpy().astype(np.float64) - low) / (high - low)
            columns[f"n{len(columns)}"] = pa.array(scaled.astype(np.float32))
        else:
            text = [str(x) for x in cells.to_pylist()]
            columns[f"c{len(columns)}"] = pa.array(text).dictionary_encode()
    return pa.table(columns)


MADE: dict[str, Callable[[int, int], pa.Table]] = {"clustered": clustered, "uniform": uniform, "wide": wide}
REAL = {"adult": "adult_train", "diabetes130": "diabetes130"}


def main() -> None:
    arguments = _arguments()
    result: dict[str, Any] = {
        "machine": {**describe(), "instruction_set": _core.instruction_sets()[-1]},
        "sets": {},
    }
    for name in filter(None, arguments.sets.split(",")):
        made = name in MADE
        reference = MADE[name](arguments.rows, 0) if made else real(REAL[name], arguments.data)
        queries = MADE[name](arguments.rows, 1) if made else reference
        found = measure(reference, queries, arguments.peer, exclude_self=not made)
        result["sets"][name] = found
        print(name, json.dumps(found["summary"]), flush=True)
    if arguments.million:
        result["million"] = million()
        print("million", json.dumps(result["million"]), flush=True)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sets", default=",".join([*MADE, *REAL]))
    parser.add_argument("--rows", type=int, default=200_000, help="of the made tables")
    parser.add_argument("--million", action="store_true", help="also a million clustered rows against a million")
    parser.add_argument("--peer", help="python of the environment that has the peers")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/tabular"))
    parser.add_argument("-o", "--out", type=Path, default=Path("build/neighbours.json"))
    return parser.parse_args()


def measure(reference: pa.Table, queries: pa.Table, peer: str | None, *, exclude_self: bool) -> dict[str, Any]:
    """Ours by every index with one thread and by the chosen one with two; then the peers on some queries."""

    def run(index: str, threads: int) -> dict[str, Any]:
        return timed(reference, queries, index, threads, exclude_self)

    ours = {
        "scan, 1 thread": run("scan", 1),
        "tree, 1 thread": run("tree", 1),
        "auto, 1 thread": run("auto", 1),
        f"scan, {THREADS} threads": run("scan", THREADS),
        f"auto, {THREADS} threads": run("auto", THREADS),
        "scan, 1 thread, again": run("scan", 1),  # a machine that changes its speed shows it
    }
    peers = {} if peer is None else run_peers(reference, queries, peer)
    best = ours["auto, 1 thread"]["pairs_a_core"]
    summary = {
        "scan_pairs_a_core": ours["scan, 1 thread"]["pairs_a_core"],
        "tree_pairs_a_core": ours["tree, 1 thread"]["pairs_a_core"],
        "chosen": ours["auto, 1 thread"]["index"],
        "chosen_over_scan": best / ours["scan, 1 thread"]["pairs_a_core"],
        **{f"times_{name}": best / found["pairs_a_core"] for name, found in peers.items()},
    }
    return {
        "rows": reference.num_rows,
        "queries": queries.num_rows,
        "ours": ours,
        "peers": peers,
        "summary": summary,
    }


def timed(
    reference: pa.Table, queries: pa.Table, index: Any, threads: int, exclude_self: bool = False
) -> dict[str, Any]:
    """One search, from tables to arrays."""
    schema = _schema(reference)
    started = time.perf_counter()
    found = js.neighbours(
        reference, queries, K, schema=schema, threads=threads, index=index, exclude_self=exclude_self
    )
    seconds = time.perf_counter() - started
    pairs = reference.num_rows * queries.num_rows / seconds / threads
    mean = float(found.distances.mean())
    return {"seconds": seconds, "index": found.index_used, "pairs_a_core": pairs, "mean_distance": mean}


def million() -> dict[str, Any]:
    """A million rows against a million; building alone, as a search for one row; and the memory of it."""
    reference, queries = clustered(1_000_000, 0), clustered(1_000_000, 1)
    build = timed(reference, queries.slice(0, 1), "tree", THREADS)["seconds"]
    found = timed(reference, queries, "auto", THREADS)
    return {**found, "build_seconds": build, "bytes_a_row": memory(reference)}


def memory(reference: pa.Table) -> dict[str, float]:
    """Bytes a row that a search takes beyond the table; see `benchmarks.neighbours_memory`."""
    with tempfile.TemporaryDirectory() as folder:
        table, schema = (Path(folder) / name for name in ("table.arrow", "schema.json"))
        with pa.ipc.new_file(table, reference.schema) as out:
            out.write_table(reference.combine_chunks())
        _schema(reference).save(schema)
        command = [sys.executable, "-m", "benchmarks.neighbours_memory", str(table), str(schema)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found: dict[str, float] = json.loads(done.stdout)
        return found


def _schema(table: pa.Table) -> js.Schema:
    """Numbers between 0 and 1 as they are, so that no library scales otherwise."""
    schema = js.Schema.infer(table)
    for name in schema.names:
        if name.startswith("n"):
            schema = schema.changed(name, bounds=(0.0, 1.0))
    return schema


def run_peers(reference: pa.Table, queries: pa.Table, python: str) -> dict[str, dict[str, Any]]:
    """Each peer in its environment, with the largest difference of its distances from ours where they are ours."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("reference.parquet", "queries.parquet", "out.npz")]
        for table, file in zip((reference, queries), files, strict=False):
            pq.write_table(table, file)
        for name, count in PEER_QUERIES.items():
            script = Path(__file__).with_name("peer_neighbours.py")
            command = [python, str(script), name, *map(str, files), str(count)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            peer = json.loads(done.stdout.splitlines()[-1])
            peer["pairs_a_core"] = peer["queries"] * reference.num_rows / peer["seconds"]
            if name != "anonymeter":
                ours = js.neighbours(reference, queries.slice(0, count), K, schema=_schema(reference)).distances
                peer["largest_difference"] = float(np.abs(np.load(files[2])["distances"] - ours).max())
            found[name] = peer
    return found


if __name__ == "__main__":
    main()
