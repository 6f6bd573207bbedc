"""Fits of one configuration: compiled for each, one after the other in one program, and side by side (`jax.vmap`).

    python -m benchmarks.shadows [--fits 4] [--rows 2000] [--chunks 12] [--columns 12] [-o shadows.json]

On CPUs `jax.vmap` gains nothing and loses much. Measured on 2026-11-26 by `python -m benchmarks.shadows`, two
cores of an AMD EPYC virtual machine that had other work (load 3 to 6), one device, jax 0.10.2, four fits on 1,000
rows of 12 columns: a chunk (31 steps) of one fit takes 0.040 s one after the other, as by `train` (0.043 s), and
0.197 s side by side. What one program for all fits saves is compiling: one fit by `train` takes 15.6 s, nearly all
of it compiling, so four would take about 62 s; they take 20.6 s one after the other in one program, and 25.5 s
side by side. No figure of an accelerator is shown, because none was measured.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import jaxsynth as js
from benchmarks.machine import describe
from jaxsynth.codec import Codec
from jaxsynth.codec.packed import Packed, pack
from jaxsynth.models import Model, Training
from jaxsynth.train import train
from jaxsynth.train.many import train_many
from jaxsynth.train.scoring import take

GENERATOR = js.Autoregressive(hidden=64, networks=1, epochs=1, min_steps=1, validation=0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fits", type=int, default=4)
    parser.add_argument("--rows", type=int, default=2000, help="of the pool")
    parser.add_argument("--chunks", type=int, default=12, help="compiled calls a fit; the first is not counted")
    parser.add_argument("--columns", type=int, default=12, help="of SUPPORT2")
    parser.add_argument("-o", "--out", type=Path, default=Path("build/shadows.json"))
    arguments = parser.parse_args()
    pool = js.datasets.load("support2").slice(0, arguments.rows)
    task = Task.of(pool.select(pool.column_names[: arguments.columns]), arguments.fits, arguments.chunks)
    found = {
        "one after the other": task.together(1),
        f"{arguments.fits} side by side": task.together(arguments.fits),
    }
    result = {"machine": describe(), "apart, a fit": task.apart(), **found}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


@dataclass(frozen=True, eq=False)
class Task:
    """Halves of a pool to fit on."""

    model: Model
    layout: Any
    data: Packed
    rows: Any
    training: Training

    @classmethod
    def of(cls, pool: pa.Table, fits: int, chunks: int) -> Task:
        codec = Codec.fit(js.Schema.infer(pool), pool, max_intervals=64)
        rng, half = np.random.default_rng(0), pool.num_rows // 2
        rows = np.stack([np.sort(rng.permutation(pool.num_rows)[:half]) for _ in range(fits)])
        training = replace(GENERATOR.training, epochs=chunks)
        return cls(
            GENERATOR.build(codec.layout),
            codec.layout,
            pack(codec.layout, codec.encode(pool)),
            rows,
            training,
        )

    def together(self, side_by_side: int) -> dict[str, float]:
        """Seconds of all fits, and of a chunk of one fit once compiled: the fastest."""
        times = [time.perf_counter()]
        fits = train_many(
            self.model,
            self.layout,
            self.data,
            self.rows,
            self.training,
            seeds=range(len(self.rows)),
            side_by_side=side_by_side,
            report=lambda _: times.append(time.perf_counter()),
        )
        list(fits)
        chunk = float(np.min(np.diff(times)[1:])) / side_by_side
        return {"all": time.perf_counter() - times[0], "chunk": chunk}

    def apart(self) -> dict[str, float]:
        """The same of one fit by `train`, compiling included."""
        times = [time.perf_counter()]
        own = take(self.data, self.rows[0])
        train(
            self.model,
            self.layout,
            own,
            self.training,
            seed=0,
            report=lambda _: times.append(time.perf_counter()),
        )
        return {"all": time.perf_counter() - times[0], "chunk": float(np.min(np.diff(times)[1:]))}


if __name__ == "__main__":
    main()
