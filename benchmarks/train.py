"""Training speed of `js.VAE` beside ctgan's TVAE: same rows (Adult), same sizes, same batch, same run.

    make bench            or: python -m benchmarks.train --peer PEER_PYTHON [--data DIR] [-o train.json]

Goals: at least 4 times the rows a second of an epoch, and a whole fit to an equal or better trend error in
at most an eighth of TVAE's 300 epochs.

Measured on 2026-11-23, two cores of an AMD EPYC (AVX-512) virtual machine, jax 0.10.2, ctgan 0.12.1:
3.2 times the rows a second (0.129 s an epoch against 0.412 s; goal 4, missed), a whole fit 14 times faster
(9.8 s against 138 s; goal 8, met) at a trend error of 2.8 % against 18.1 %, and 43 % of the float32
matrix-product rate. What bounds the epoch: half a batch takes one core 1.27 ms alone and 1.95 ms while the
other core works on its half, exchange not counted; four times TVAE would be 1.74 ms in all.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import jaxsynth as js
from benchmarks.machine import describe, matmul_rate
from jaxsynth.codec import Codec
from jaxsynth.codec.packed import pack
from jaxsynth.train import train

# ctgan's TVAE: two layers of 128 either way, 128 latents, batches of 500; it holds nothing out.
AS_TVAE = js.VAE(latent=128, hidden=(128, 128), batch=500, epochs=40, min_steps=0, validation=0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peer", required=True, help="python of the environment that has ctgan")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/tabular"))
    parser.add_argument("--epochs", type=int, default=300, help="of the peer's whole fit")
    parser.add_argument("-o", "--out", type=Path, default=Path("build/train.json"))
    arguments = parser.parse_args()
    js.use_all_cores()
    real = js.nan_to_null(arguments.data / "adult_train.parquet")
    holdout = js.nan_to_null(arguments.data / "adult_test.parquet")
    result: dict[str, Any] = {"machine": describe(), "matmul_gflops": matmul_rate()}
    result["epoch_before"] = epoch_seconds(real)
    with tempfile.TemporaryDirectory() as folder:
        result["peer"], synthetic = run_peer(arguments.peer, real, Path(folder), arguments.epochs)
    result["epoch_after"] = epoch_seconds(real)
    result["fit"], ours = whole_fit(real)
    for name, table in (("ours", ours), ("peer", synthetic.cast(real.schema))):
        scores = js.evaluate(table, train=real, holdout=holdout)
        result[f"{name}_errors"] = {"shape": scores.shape_error, "trend": scores.trend_error}
        result["floor"] = {"shape": scores.shape_floor, "trend": scores.trend_floor}
    result["summary"] = summarise(result, real.num_rows)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def epoch_seconds(table: pa.Table) -> dict[str, float]:
    """Median seconds of an epoch once compiled, compile time apart, and work in the matrix products."""
    codec = Codec.fit(js.Schema.infer(table), table, max_intervals=AS_TVAE.max_intervals)
    model, data = AS_TVAE.build(codec.layout), pack(codec.layout, codec.encode(table))
    times = [time.perf_counter()]
    params, history = train(
        model, codec.layout, data, AS_TVAE.training, seed=0, report=lambda _: times.append(time.perf_counter())
    )
    epochs = np.diff(times)
    step = float(np.median(epochs[1:])) / (history.steps / len(epochs))
    return {
        "compile": float(epochs[0] - np.median(epochs[1:])),
        "epoch": float(np.median(epochs[1:])),
        "fastest": float(epochs[1:].min()),
        "gflops": _flops_a_row(params) * AS_TVAE.batch / step / 1e9,
    }


def _flops_a_row(params: Any) -> float:
    """Multiply-adds of the dense layers, forward and backward; the first needs no gradient of its input."""
    kernels = {
        jax.tree_util.keystr(k): v.size for k, v in jax.tree_util.tree_leaves_with_path(params) if v.ndim == 2
    }
    kernels = {k: v for k, v in kernels.items() if "kernel" in k}
    first = next(v for k, v in kernels.items() if "encoder" in k and "dense0" in k)
    return float(2 * (3 * sum(kernels.values()) - first))


def run_peer(python: str, table: pa.Table, folder: Path, epochs: int) -> tuple[dict[str, Any], pa.Table]:
    """TVAE in its own environment: times, and as many synthetic rows as real ones."""
    pq.write_table(table, folder / "train.parquet")
    script = Path(__file__).with_name("peer_tvae.py")
    command = [python, str(script), str(folder / "train.parquet"), str(folder / "out.parquet"), str(epochs)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    out = js.nan_to_null(folder / "out.parquet")
    return json.loads(done.stdout.splitlines()[-1]), out.select(table.column_names)


def whole_fit(table: pa.Table) -> tuple[dict[str, float], pa.Table]:
    """The default generator from table to sampled table, everything included."""
    started = time.perf_counter()
    synth = js.fit(table, js.VAE(), seed=0, progress=False)
    fitted = time.perf_counter()
    synthetic = synth.sample(table.num_rows, seed=0)
    sampled = time.perf_counter()
    synth.sample(200_000, seed=1)
    rate = 200_000 / (time.perf_counter() - sampled)
    return {"fit": fitted - started, "steps": synth.history.steps, "sample_rows_a_second": rate}, synthetic


def summarise(result: dict[str, Any], rows: int) -> dict[str, float]:
    """The figures that the goals speak of."""
    peer, fit = result["peer"], result["fit"]
    peer_epoch = (peer["fit"] - peer["one_epoch"]) / (peer["epochs"] - 1)
    epoch = float(np.mean([result["epoch_before"]["epoch"], result["epoch_after"]["epoch"]]))
    gflops = float(np.mean([result["epoch_before"]["gflops"], result["epoch_after"]["gflops"]]))
    return {
        "our_rows_a_second": rows / epoch,
        "peer_rows_a_second": rows / peer_epoch,
        "epoch_ratio (goal >= 4)": peer_epoch / epoch,
        "fit_ratio (goal >= 8)": peer["fit"] / fit["fit"],
        "our_trend_error": result["ours_errors"]["trend"],
        "peer_trend_error": result["peer_errors"]["trend"],
        "share_of_matmul_rate": gflops / result["matmul_gflops"],
    }


if __name__ == "__main__":
    main()
