"""The cost of a private training step: beside the same step without privacy, jax-privacy and Opacus.

    python -m benchmarks.dp [--parts layers,steps] [--batches 256,1024,4096] [--peer .bench-venv/bin/python]
        [--data DIR] [-o build/dp.json]

Two parts. Steps of the built-in generators as private fits train them, in the training loop: ten steps of a chunk
with and without privacy, taken in turns. `private` is what a fit does: the host draws the next chunk's noise while
the device is at work; `clipping` is the device's part alone, `draws` the host's. And one clipped gradient of a
network of dense layers (100-256-256-100), which all libraries can take: ours, `jax_privacy.clipped_grad` and, by
`--peer`, Opacus' ghost mode in an environment with torch and opacus.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxsynth as js
from benchmarks.machine import describe
from benchmarks.protocol.sets import load
from jaxsynth.affine import dense, offset
from jaxsynth.codec import Codec
from jaxsynth.codec.packed import Packed, pack
from jaxsynth.models import Generator
from jaxsynth.models.private import under_privacy
from jaxsynth.privacy import ghost
from jaxsynth.privacy.events import TrainingEvent
from jaxsynth.privacy.randomness import Secure
from jaxsynth.train.flat import Flat
from jaxsynth.train.loop import Runner
from jaxsynth.train.plan import Plan
from jaxsynth.train.private_run import prepare
from jaxsynth.train.steps import Draws, Likelihood

WIDTHS = (100, 256, 256, 100)
STEPS = 10  # of a chunk
CHUNKS = 20  # as private training has
ROUNDS = 7
MOST = 15.0  # seconds of rounds after which no further one is begun, once there are three
CLIP = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--parts", default="layers,steps")
    parser.add_argument("--batches", default="256,1024,4096")
    parser.add_argument("--peer", type=Path, help="Python with torch and opacus")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/tabular"))
    parser.add_argument("-o", "--out", type=Path, default=Path("build/dp.json"))
    arguments = parser.parse_args()
    js.use_all_cores()
    batches = [int(b) for b in arguments.batches.split(",")]
    result: dict[str, Any] = {"machine": describe(), "date": str(datetime.now(UTC).date())}
    if "layers" in arguments.parts:
        result["dense layers"] = [dense_layers(b, arguments.peer) for b in batches]
    if "steps" in arguments.parts:
        generators = js.Autoregressive(), js.VAE()
        result["steps"] = [s for g in generators for s in steps(g, arguments.data, batches)]
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def steps(generator: Generator, folder: Path, batches: list[int]) -> list[dict[str, Any]]:
    """Milliseconds of a step with and without privacy, and of its noise, on Adult."""
    generator, _ = under_privacy(generator)
    task = load("adult", folder)
    codec = Codec.fit(task.schema, task.train, max_intervals=generator.max_intervals)
    codec = replace(codec, repeats=((),) * len(codec.columns))
    data = pack(codec.layout, codec.encode(task.train))
    return [_step(generator, codec, data, batch) for batch in batches]


def _step(generator: Generator, codec: Codec, data: Packed, batch: int) -> dict[str, Any]:
    model, rows = generator.build(codec.layout), len(data.positions)
    flat = Flat.of(model.init)
    event = TrainingEvent(
        probability=batch / rows, steps=CHUNKS * STEPS, noise_multiplier=10.0, clipping_norm=CLIP,
        parameters=flat.size, units=rows, units_bound=rows, batch_size=int(batch + 6 * batch**0.5),
    )  # fmt: skip
    private = prepare(
        model, codec.layout, data, np.arange(rows)[:, None], generator.training, event, seed=0, randomness=Secure()
    )
    plan = Plan(rows, batch, STEPS, CHUNKS, generator.training)
    step = Likelihood(model, codec.layout, plan, flat.restore)
    plain = Runner(plan, private.runner.mesh, flat, step)
    rng = np.random.default_rng(0)
    orders = np.stack([rng.permutation(rows)[:batch] for _ in range(STEPS)]).astype(np.int32)

    def run(runner: Runner, resident: Any, draws: Draws) -> Callable[[], None]:
        def once() -> None:
            state = jax.tree.map(jnp.copy, private.state)
            done, _ = runner.epoch_of(state, (private.data[0], resident), private.key, draws)
            done.params.block_until_ready()

        return once

    clipped = run(private.runner, private.data[1], private.draws(STEPS))

    def trained() -> None:
        drawn = pool.submit(private.draws, STEPS)
        clipped()
        drawn.result()

    with ThreadPoolExecutor(1) as pool:
        times = alternate(
            plain=run(plain, (), Draws(orders, None)),
            private=trained,
            clipping=clipped,
            draws=lambda: (private.draws(STEPS), None)[1],
        )
    each = {name: 1e3 * seconds / STEPS for name, seconds in times.items()}
    return {
        "generator": generator.name,
        "batch": batch,
        "parameters": flat.size,
        "milliseconds": each,
        "private over plain": each["private"] / each["plain"],
        "clipping over plain": each["clipping"] / each["plain"],
        "draws first, over plain": (each["clipping"] + each["draws"]) / each["plain"],
        "share of the draws": each["draws"] / (each["clipping"] + each["draws"]),
    }


def dense_layers(batch: int, peer: Path | None) -> dict[str, Any]:
    """Milliseconds of a clipped gradient of dense layers: ours, without clipping, jax-privacy's and Opacus'."""
    from jax_privacy.clipping import clipped_grad

    keys = jax.random.split(jax.random.key(0), len(WIDTHS))
    params = {
        f"dense{i}": {"kernel": jax.random.normal(k, (m, n)) / m**0.5, "bias": jnp.zeros(n)}
        for i, (k, m, n) in enumerate(zip(keys, WIDTHS, WIDTHS[1:], strict=False))
    }
    x = jax.random.normal(keys[-1], (batch, WIDTHS[0]))

    def losses(p: Any, rows: jax.Array) -> jax.Array:
        y = rows
        for i in range(len(WIDTHS) - 1):
            y = offset(p[f"dense{i}"]["bias"], dense(p[f"dense{i}"]["kernel"], jax.nn.relu(y) if i else y))
        return jnp.square(y - rows).mean(1)

    programs = {
        "plain": jax.jit(jax.grad(lambda p: losses(p, x).sum())),
        "ours": jax.jit(lambda p: ghost.clipped_sum(lambda q: losses(q, x), p, jnp.ones(batch), 1.0)[0]),
        "jax_privacy": jax.jit(lambda p: clipped_grad(lambda q, r: losses(q, r).sum(), l2_clip_norm=1.0)(p, x)),
    }
    calls = {n: (lambda f=f: _wait(f(params))) for n, f in programs.items()}
    each = {n: 1e3 * s for n, s in alternate(**calls).items()}
    if peer is not None:
        script = Path(__file__).parent / "peer_opacus.py"
        told = subprocess.run(
            [peer, script, str(batch), *map(str, WIDTHS)], capture_output=True, text=True, check=True
        )
        each |= json.loads(told.stdout.splitlines()[-1])
    over = {f"{n} over ours": t / each["ours"] for n, t in each.items() if n != "ours"}
    return {"batch": batch, "milliseconds": each, **over}


def _wait(tree: Any) -> None:
    for leaf in jax.tree.leaves(tree):
        leaf.block_until_ready()


def alternate(**calls: Callable[[], Any]) -> dict[str, float]:
    """Median seconds of each, taken in turns, after one call that compiles.

    A turn begins with a call that is not timed: memory that another library has freed is dear to take anew, which
    would be charged to whoever comes next, and Opacus, in a process of its own, does not pay for it either.
    """
    for call in calls.values():
        call()
    taken: dict[str, list[float]] = {name: [] for name in calls}
    began = time.perf_counter()
    for done in range(ROUNDS):
        if done >= 3 and time.perf_counter() - began > MOST:
            break
        for name, call in calls.items():
            call()
            start = time.perf_counter()
            call()
            taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(seconds) for name, seconds in taken.items()}


if __name__ == "__main__":
    main()
