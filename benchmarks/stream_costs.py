"""What the parts of a stream cost a row: drawing, encoding, writing, and to peers, as medians of some repeats."""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import jaxsynth as js
from benchmarks.peers.timing import timed
from jaxsynth.codec import Codec
from jaxsynth.codec.packed import Columns
from jaxsynth.sample.blocks import BLOCK_ROWS, BlockSampler
from jaxsynth.sample.formats import Format, writing
from jaxsynth.sample.stream import to_batches
from jaxsynth.sample.write import BATCH_ROWS

Cost = dict[str, float]

_THREADS = 2
_HELD = 4 * BATCH_ROWS // BLOCK_ROWS  # blocks that are encoded again and again
_PIECE = 2**22  # bytes, about a batch
_PEER_EPOCHS = 1


def cost(run: Callable[[], object], rows: int, repeats: int) -> Cost:
    """Median rows a second, and median processor nanoseconds a row over all threads, of a run of `rows` rows."""
    return _summary(*timed(run, repeats), rows)


def end_to_end(synth: js.Synthesizer, rows: int, repeats: int, where: Path | None) -> dict[str, Cost]:
    """From the model to nothing, to one Parquet file, and to one Arrow file."""
    synth.sample(2 * BATCH_ROWS, seed=0)  # compiles for every device
    with tempfile.TemporaryDirectory(dir=where) as directory:
        return {
            "nothing": cost(lambda: _drained(synth.stream(rows, seed=1)), rows, repeats),
            **{
                kind: cost(lambda k=kind: _written(synth, Path(directory) / k, rows), rows, repeats)  # type: ignore[misc]
                for kind in ("x.parquet", "x.arrow")
            },
        }


def arrow_alone(synth: js.Synthesizer, rows: int, repeats: int, where: Path | None) -> dict[str, Cost]:
    """From codes on the host to batches, Arrow files and Parquet files, in threads with a file each.

    `bytes` is what the machine takes to write the Arrow files' bytes from memory, in the same threads.
    """
    codec = synth.artefact.codec
    sampler = BlockSampler(synth.generator.build(codec.layout), codec.layout, synth.artefact.params)
    blocks = list(sampler.blocks(1, 0, _HELD, None))
    each = max(rows // _THREADS // (_HELD * BLOCK_ROWS), 1)
    total = each * _THREADS * _HELD * BLOCK_ROWS
    kinds: tuple[Format | None, ...] = (None, "ipc", "parquet")
    with tempfile.TemporaryDirectory(dir=where) as directory, ThreadPoolExecutor(_THREADS) as pool:
        paths = [Path(directory) / str(thread) for thread in range(_THREADS)]

        def run(kind: Format | None) -> None:
            list(pool.map(lambda path: _encode(codec, blocks, each, path, kind), paths))

        found: dict[str, Cost] = {}
        for kind in kinds:
            found[kind or "batches"] = cost(lambda k=kind: run(k), total, repeats)  # type: ignore[misc]
        run("ipc")
        data = paths[0].read_bytes()
        found["bytes"] = cost(lambda: list(pool.map(lambda path: _write(data, path), paths)), total, repeats)
        return found


def peer(python: str, model: str, table: pa.Table, rows: int, repeats: int) -> Cost | dict[str, str]:
    """How fast a peer samples after a short fit on the table; a peer that fails does not end the benchmark."""
    plain = pa.table({n: _plain(table[n]) for n in table.column_names})
    categories = [n for n in plain.column_names if pa.types.is_large_string(plain[n].type)]
    with tempfile.TemporaryDirectory() as directory:
        source, columns = Path(directory) / "train.parquet", Path(directory) / "categories.json"
        pq.write_table(plain, source)
        columns.write_text(json.dumps(categories))
        command = [python, "-m", "benchmarks.peers.rates", model, str(source), str(columns)]
        numbers = map(str, (rows, 0, _PEER_EPOCHS, repeats))
        found = subprocess.run([*command, *numbers], capture_output=True, text=True, check=False)
    if found.returncode:
        return {"failed": found.stderr.strip().splitlines()[-1]}
    told: dict[str, Any] = json.loads(found.stdout.splitlines()[-1])
    return {**_summary(told["seconds"], told["processor_seconds"], rows), **told["versions"]}


def _summary(seconds: list[float], processor: list[float], rows: int) -> Cost:
    return {
        "rows_a_second": rows / statistics.median(seconds),
        "processor_ns_a_row": statistics.median(processor) / rows * 1e9,
    }


def _drained(reader: pa.RecordBatchReader) -> None:
    for _ in reader:
        pass


def _written(synth: js.Synthesizer, path: Path, rows: int) -> None:
    synth.write(path, rows, seed=1, progress=False)


def _encode(codec: Codec, blocks: list[Columns], times: int, path: Path, kind: Format | None) -> None:
    rows = len(blocks) * BLOCK_ROWS
    if kind is None:
        for _ in range(times):
            for _ in to_batches(iter(blocks), codec, rows, 0, BATCH_ROWS):
                pass
        return
    with writing(path, codec.schema.arrow, kind) as put:
        for _ in range(times):
            for batch in to_batches(iter(blocks), codec, rows, 0, BATCH_ROWS):
                put(batch)


def _write(data: bytes, path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for begin in range(0, len(data), _PIECE):
            file.write(memoryview(data)[begin : begin + _PIECE])


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
