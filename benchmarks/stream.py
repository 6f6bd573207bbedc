"""The stream from model to Arrow, Parquet and nothing, on Adult: what each part costs, peers, and very long runs.

    python -m benchmarks.stream [--peer PYTHON] [--peers tvae,mostlyai,sdv] [--rows N] [--directory DIR]
    python -m benchmarks.stream --rows 1e9 --sink count [--model vae]
    python -m benchmarks.stream --rows 1e8 --sink parquet [--model vae] [--directory DIR]

Default fits of `js.Autoregressive` and `js.VAE`, with text columns as dictionaries, as data frames hold
categories; they are kept under build/stream. Goals on two cores: 250,000 rows a second of `Autoregressive` and
500,000 of `VAE`, to Parquet too; 20 million rows a second from codes on the host to an Arrow file, which
`--directory /dev/shm` measures without the disk; `bytes` says how fast the machine writes the same bytes. A run
with `--sink` draws with one model alone and says how resident memory grows with the rows: goal, not at all.

Derived, not measured: the time of 10^9 rows on one H100 with 16 cores. With f the multiply-adds a row of the
networks (`benchmarks.sampling`), e and w the processor seconds a row that encoding and writing took here,

    drawing = 10^9 * 2 f / (share * peak)        host = 10^9 * (e + w) / 16

and both at once, since blocks are drawn while the host encodes: at best the longer of the two, at worst their sum.
The peak is that of float32 outside the tensor cores, 67 TFLOP/s (NVIDIA's H100 data sheet, SXM); of small matrices
a twentieth is assumed to be sustained. Left out: what sampling does beside matrix products, and the launches of
its kernels, of which a walk over the columns has many a block.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pyarrow as pa

import jaxsynth as js
from benchmarks.machine import describe
from benchmarks.protocol.records import append, begun, listed
from benchmarks.sampling import dense, products
from benchmarks.stream_costs import arrow_alone, end_to_end, peer
from benchmarks.stream_long import count, parquet
from jaxsynth.models import DEFAULTS

MODELS = ("autoregressive", "vae")
KEPT = Path("build/stream")
PEAK, SHARE, CORES = 67e12, 0.05, 16  # of the H100 and its host


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/tabular"))
    parser.add_argument("--rows", type=lambda n: int(float(n)), default=400_000, help="drawn a time")
    parser.add_argument("--repeats", type=int, default=5, help="of which the median counts")
    parser.add_argument("--model", choices=MODELS, default="vae", help="of a long run")
    parser.add_argument("--sink", choices=["count", "parquet"], help="a long run of one model")
    parser.add_argument("--directory", type=Path, help="where temporary directories are made")
    parser.add_argument("--peer", help="python of an environment with the peers")
    parser.add_argument("--peers", default="tvae,mostlyai,sdv")
    parser.add_argument("-o", "--out", type=Path, default=Path("build/stream.jsonl"))
    arguments = parser.parse_args()
    js.use_all_cores()
    table = with_dictionaries(js.nan_to_null(arguments.data / "adult_train.parquet"))
    if arguments.sink:
        synth = fitted(arguments.model, table)
        sink = count(synth, arguments.rows) if arguments.sink == "count" else None
        keep(arguments.out, arguments.model, "long", sink or parquet(synth, arguments.rows, arguments.directory))
        return
    for name in MODELS:
        found = parts(fitted(name, table), arguments.rows, arguments.repeats, arguments.directory)
        keep(arguments.out, name, "parts", found)
    for name in listed(arguments.peers) if arguments.peer else []:
        keep(
            arguments.out, name, "peer", peer(arguments.peer, name, table, arguments.rows // 4, arguments.repeats)
        )


def with_dictionaries(table: pa.Table) -> pa.Table:
    """Text columns as dictionaries with indices of a byte."""
    type_ = pa.dictionary(pa.int8(), pa.large_string())
    columns = {n: table[n].cast(type_) if pa.types.is_large_string(table[n].type) else table[n]
               for n in table.column_names}  # fmt: skip
    return pa.table(columns)


def fitted(name: str, table: pa.Table) -> js.Synthesizer:
    """The default generator of that name, from the file kept of it if there is one."""
    path = KEPT / f"{name}.jsynth"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        js.fit(table, DEFAULTS[name], seed=0, progress=False).save(path)
    return js.load(path)


def parts(synth: js.Synthesizer, rows: int, repeats: int, where: Path | None) -> dict[str, Any]:
    """Costs of the whole and its parts, the share of the host's part, and what follows for an H100."""
    whole, alone = end_to_end(synth, rows, repeats, where), arrow_alone(synth, 10 * rows, repeats, where)
    multiply_adds = products(synth) if isinstance(synth.generator, js.Autoregressive) else dense(synth)
    ns = {kind: found["processor_ns_a_row"] for kind, found in alone.items()}
    return {
        "end_to_end": whole,
        "arrow_alone": alone,
        "share_of_encoding": ns["batches"] / whole["nothing"]["processor_ns_a_row"],
        "share_of_encoding_and_writing_parquet": ns["parquet"] / whole["x.parquet"]["processor_ns_a_row"],
        "multiply_adds_a_row": multiply_adds,
        "derived_h100": {kind: derived(multiply_adds, ns[kind]) for kind in ("batches", "ipc", "parquet")},
    }


def derived(multiply_adds: int, host_ns: float, rows: float = 1e9) -> dict[str, float]:
    """Seconds of so many rows on one H100 with 16 cores, by the formula above; nothing of it is measured there."""
    drawing = rows * 2 * multiply_adds / (SHARE * PEAK)
    host = rows * host_ns * 1e-9 / CORES
    return {"drawing": drawing, "host": host, "at_best": max(drawing, host), "at_worst": drawing + host}


def keep(out: Path, model: str, kind: str, found: dict[str, Any]) -> None:
    """Add the record to the file, and show it."""
    append(out, {**begun("adult", model, 0, kind, describe()), **found})
    print(json.dumps({model: found}, indent=1), flush=True)


if __name__ == "__main__":
    main()
