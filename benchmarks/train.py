"""Training speed of `js.VAE` and `js.GAN` beside ctgan's TVAE and CTGAN: same rows (Adult), sizes, batch and run.

    make bench
    python -m benchmarks.train --peer PEER_PYTHON [--pairs vae,gan] [--data DIR] [-o train.json]

Goals: at least 4 times TVAE's and 3 times CTGAN's rows a second of an epoch; and TVAE's trend error or better
in at most an eighth of the time of its 300 epochs. CTGAN runs a few epochs for its rate alone; its fidelity
after all 300 is in `benchmarks.quality`.

Measured on 2026-11-26, two cores of an AMD EPYC (AVX2) virtual machine, 143 GFLOP/s, jax 0.10.2, ctgan 0.12.1,
each side's median epoch. The VAE has 2.4 times TVAE's rows a second (0.44 s an epoch against 1.03 s; goal 4,
missed) and a whole fit 10.6 times faster (35 s against 366 s) at a trend error of 2.7 % against 15.6 %. With
AVX-512, on 2026-11-23, it had 3.2 times. What bounds it: on one core alone the products of half a batch take two
thirds of a step, at half of that core's best rate. The GAN has 4.0 times CTGAN's rows a second (1.28 s an epoch
against 5.09 s) at half of the matrix-product rate. OpenMP's threads must not be made to wait passively
(OMP_WAIT_POLICY): it slows torch.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from dataclasses import dataclass
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
from jaxsynth.models import Generator
from jaxsynth.train import train


@dataclass(frozen=True)
class Pair:
    """A generator of ours beside a peer.

    Attributes:
        same: of the peer's sizes and batch, holding nothing out, for the rate of an epoch.
        default: as it comes, for the whole fit.
        peer: the class in ctgan.
        epochs: of the peer's longer fit.
        goal: times the peer's rows a second.
    """

    same: Generator
    default: Generator
    peer: str
    epochs: int
    goal: float


PAIRS = {
    # Two layers of 128 either way, 128 latents, batches of 500.
    "vae": Pair(
        same=js.VAE(latent=128, hidden=(128, 128), batch=500, epochs=40, min_steps=0, validation=0.0),
        default=js.VAE(), peer="TVAE", epochs=300, goal=4.0,
    ),
    # Two layers of 256 either way, 128 latents, batches of 500 in packs of ten, one step of the critic.
    "gan": Pair(
        same=js.GAN(latent=128, hidden=(256, 256), critic=(256, 256), pack=10, batch=500, epochs=10, min_steps=0),
        default=js.GAN(), peer="CTGAN", epochs=15, goal=3.0,
    ),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peer", required=True, help="python of the environment that has ctgan")
    parser.add_argument("--pairs", default=",".join(PAIRS), help="of vae,gan")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/tabular"))
    parser.add_argument("-o", "--out", type=Path, default=Path("build/train.json"))
    arguments = parser.parse_args()
    js.use_all_cores()
    real = js.nan_to_null(arguments.data / "adult_train.parquet")
    holdout = js.nan_to_null(arguments.data / "adult_test.parquet")
    result: dict[str, Any] = {"machine": describe(), "matmul_gflops": matmul_rate()}
    for name in arguments.pairs.split(","):
        result[name] = measure(PAIRS[name], real, holdout, arguments.peer, result["matmul_gflops"])
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def measure(pair: Pair, real: pa.Table, holdout: pa.Table, python: str, matmul: float) -> dict[str, Any]:
    """Our epochs before and after the peer's, both whole fits, and the figures that the goals speak of."""
    before = epoch_seconds(pair.same, real)
    with tempfile.TemporaryDirectory() as folder:
        peer, synthetic = run_peer(python, pair, real, Path(folder))
    epochs = [before, epoch_seconds(pair.same, real)]
    fit, ours = whole_fit(pair.default, real)
    errors = {}
    for name, table in (("ours", ours), ("peer", synthetic.cast(real.schema))):
        scores = js.evaluate(table, train=real, holdout=holdout)
        errors[name] = {"shape": scores.shape_error, "trend": scores.trend_error}
        errors["floor"] = {"shape": scores.shape_floor, "trend": scores.trend_floor}
    epoch = float(np.mean([e["epoch"] for e in epochs]))
    summary = {
        "our_rows_a_second": real.num_rows / epoch,
        "peer_rows_a_second": real.num_rows / peer["epoch"],
        f"epoch_ratio (goal >= {pair.goal:g})": peer["epoch"] / epoch,
        "fit_ratio": peer["fit"] / fit["fit"],
        "our_trend_error": errors["ours"]["trend"],
        f"peer_trend_error ({pair.epochs} epochs)": errors["peer"]["trend"],
        "share_of_matmul_rate": float(np.mean([e["gflops"] for e in epochs])) / matmul,
    }
    return {"epochs": epochs, "peer": peer, "fit": fit, "errors": errors, "summary": summary}


def epoch_seconds(config: Generator, table: pa.Table) -> dict[str, float]:
    """Median seconds of an epoch once compiled, compile time apart, and work in the matrix products."""
    codec = Codec.fit(js.Schema.infer(table), table, max_intervals=config.max_intervals)
    model, data = config.build(codec.layout), pack(codec.layout, codec.encode(table))
    times = [time.perf_counter()]
    params, history = train(
        model, codec.layout, data, config.training, seed=0, report=lambda _: times.append(time.perf_counter())
    )
    epochs = np.diff(times)
    step = float(np.median(epochs[1:])) / (history.steps / len(epochs))
    flops = _vae_flops(params) if model.game is None else _gan_flops(params, model, config)
    return {
        "compile": float(epochs[0] - np.median(epochs[1:])),
        "epoch": float(np.median(epochs[1:])),
        "fastest": float(epochs[1:].min()),
        "gflops": flops * config.training.batch / step / 1e9,
    }


def _vae_flops(params: Any) -> float:
    """Multiply-adds a row of the dense layers, forward and backward; the first needs no gradient of its input."""
    kernels = _kernels(params)
    first = next(v for k, v in kernels.items() if "encoder" in k and "dense0" in k)
    return float(2 * (3 * sum(kernels.values()) - first))


def _gan_flops(params: Any, model: Any, config: Any) -> float:
    """Of one step of each, a row. The penalty differentiates the critic twice: three passes of three products.

    The generator is run for the critic's step, and forward and backward through both for its own.
    """
    generator = sum(_kernels(params).values())
    critic = sum(_kernels(model.game.init(jax.random.key(0))).values()) / config.pack
    return float(2 * (config.critic_steps * (generator + 9 * critic) + 3 * generator + 2 * critic))


def _kernels(params: Any) -> dict[str, int]:
    leaves = jax.tree_util.tree_leaves_with_path(params)
    named = {jax.tree_util.keystr(k): v.size for k, v in leaves if v.ndim == 2}
    return {k: v for k, v in named.items() if "kernel" in k}


def run_peer(python: str, pair: Pair, table: pa.Table, folder: Path) -> tuple[dict[str, Any], pa.Table]:
    """The peer in its own environment: times, and as many synthetic rows as real ones."""
    pq.write_table(table, folder / "train.parquet")
    script = Path(__file__).with_name("peer_ctgan.py")
    files = [str(folder / "train.parquet"), str(folder / "out.parquet")]
    command = [python, str(script), pair.peer, *files, str(pair.epochs)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    out = js.nan_to_null(folder / "out.parquet")
    return json.loads(done.stdout.splitlines()[-1]), out.select(table.column_names)


def whole_fit(config: Generator, table: pa.Table) -> tuple[dict[str, float], pa.Table]:
    """The generator from table to sampled table, everything included."""
    started = time.perf_counter()
    synth = js.fit(table, config, seed=0, progress=False)
    fitted = time.perf_counter()
    synthetic = synth.sample(table.num_rows, seed=0)
    synth.sample(200_000, seed=1)  # compiles for every device
    sampled = time.perf_counter()
    synth.sample(400_000, seed=1)
    rate = 400_000 / (time.perf_counter() - sampled)
    return {"fit": fitted - started, "steps": synth.history.steps, "sample_rows_a_second": rate}, synthetic


if __name__ == "__main__":
    main()
