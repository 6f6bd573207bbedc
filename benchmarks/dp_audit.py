"""Private training attacked from inside: what the attacks show of epsilon, beside what is claimed.

    python -m benchmarks.dp_audit [--repeats 200] [--runs 20000] [--epsilons 1,8] [--canaries 1000] [--data DIR] \
        [-o dp_audit.json]

Three parts. The worst-case pair of tables: lower bounds from many runs on either table, again and again, over the
epsilon that the accountant gives the training; with every subject in every batch, with batches of a quarter, and,
to see that the attack can tell, with a third of the noise that is claimed and with twice the clipping norm. A
private fit on Adult with canaries: the bounds from its one run. And what canaries cost: chunks of such a training
with and without them, taken in turns; on a busy machine the processor's time is the better figure.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

import jaxsynth as js
from benchmarks.machine import describe
from benchmarks.protocol.sets import load
from jaxsynth.auditing_private import audit_private_fit
from jaxsynth.fitting_private import Prepared
from jaxsynth.privacy.accounting import epsilon_of
from jaxsynth.privacy.events import TrainingEvent
from jaxsynth.privacy.lower_bounds import epsilon_from_runs
from jaxsynth.privacy.one_run import Guesses, epsilon_one_run, epsilon_one_run_gaussian
from jaxsynth.privacy.randomness import Secure
from jaxsynth.train.canaries import CanaryScores, with_canaries
from jaxsynth.train.private_run import PrivateRun
from jaxsynth.train.worst_pair import WorstPair

DELTA = 1e-5
OTHERS = 7  # subjects on both tables of the pair
GUESSED = 0.1  # of the canaries, as included and as many as excluded
ROUNDS = 25

_FULL = TrainingEvent(
    probability=1.0, steps=4, noise_multiplier=2.0, clipping_norm=0.5, parameters=2, units=OTHERS + 1,
    units_bound=OTHERS + 1, batch_size=OTHERS + 1,
)  # fmt: skip
_QUARTER = replace(_FULL, probability=0.25, steps=64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=200, help="audits of the pair")
    parser.add_argument("--runs", type=int, default=20_000, help="on either table, for each audit")
    parser.add_argument("--epsilons", default="1,8", help="of the fits on Adult")
    parser.add_argument("--canaries", type=int, default=1000)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/tabular"))
    parser.add_argument("-o", "--out", type=Path, default=Path("build/dp_audit.json"))
    arguments = parser.parse_args()
    repeats, runs = arguments.repeats, arguments.runs
    epsilons = [float(e) for e in arguments.epsilons.split(",")]
    few, least = max(1, repeats // 20), min(runs, 1000)
    result = {
        "machine": describe(),
        "worst-case pair": {
            "every subject in every batch": pair(_FULL, _FULL, repeats, runs),
            "batches of a quarter": pair(_QUARTER, _QUARTER, repeats, least),
            "a third of the noise": pair(_FULL, replace(_FULL, noise_multiplier=2 / 3), few, least),
            "twice the clipping norm": pair(
                _FULL, replace(_FULL, clipping_norm=1.0, noise_multiplier=1.0), few, least
            ),
        },
        "one run on Adult": [one_run(arguments.data, e, arguments.canaries) for e in epsilons],
        "cost of the canaries": cost(arguments.data, epsilons[0], arguments.canaries),
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def pair(claimed: TrainingEvent, real: TrainingEvent, repeats: int, runs: int) -> dict[str, Any]:
    """Bounds of many audits over the epsilon that is claimed."""
    theory = epsilon_of([claimed], delta=DELTA, adjacency="add-remove")
    tables = WorstPair.make(real, others=OTHERS, randomness=Secure())
    bounds = np.array([epsilon_from_runs(*tables.scores(runs), delta=DELTA).epsilon for _ in range(repeats)])
    return {
        "epsilon": theory,
        "delta": DELTA,
        "runs on either table": runs,
        "repeats": repeats,
        "median of bound over epsilon": float(np.median(bounds)) / theory,
        "least": float(bounds.min()) / theory,
        "most": float(bounds.max()) / theory,
        "bounds above epsilon": int((bounds > theory).sum()),
    }


def one_run(folder: Path, epsilon: float, canaries: int) -> dict[str, Any]:
    """Bounds from the canaries of one private fit, over the epsilon of its training alone."""
    task, privacy = load("adult", folder), js.Privacy(epsilon=epsilon)
    schema = task.schema.declare_public()
    found = audit_private_fit(
        task.train, js.Autoregressive(), schema=schema, privacy=privacy, canaries=canaries, progress=False
    )
    theory = epsilon_of([found.event], delta=privacy.delta, adjacency="add-remove")
    return {
        "epsilon of the fit": epsilon,
        "epsilon of its training": theory,
        "delta": privacy.delta,
        "canaries": canaries,
        "parameters": found.event.parameters,
        "bounds": bounds_of(found, privacy.delta),
    }


def bounds_of(found: CanaryScores, delta: float) -> dict[str, float]:
    """For any mechanism; for one of Gaussian trade-off; and with the independence of the scores besides."""
    guessed = round(GUESSED * len(found.scores))
    guesses = Guesses.of(found.scores, found.included, high=guessed, low=guessed)
    bounds = (
        epsilon_one_run(guesses, delta=delta),
        epsilon_one_run_gaussian(guesses, delta=delta),
        epsilon_from_runs(found.present, found.absent, delta=delta),
    )
    return {b.method: b.epsilon for b in bounds}


def cost(folder: Path, epsilon: float, canaries: int) -> dict[str, Any]:
    """Seconds of a chunk, draws of the host included, with and without canaries."""
    task, privacy, secure = load("adult", folder), js.Privacy(epsilon=epsilon), Secure()
    schema = task.schema.declare_public()
    own = Prepared.of(task.train, js.Autoregressive(), schema, privacy, secure, say=lambda text: None)
    plain = own.training(privacy, secure, seed=0)
    runs = {"without": plain, "with": with_canaries(plain, secure.uniforms(canaries) < 0.5, secure)}
    for run in runs.values():
        _chunk(run)  # compiles
    turns = [{n: _chunk(runs[n]) for n in (reversed(runs) if i % 2 else runs)} for i in range(ROUNDS)]
    medians = {
        name: {kind: statistics.median(t[name][kind] for t in turns) for kind in ("seconds", "processor seconds")}
        for name in runs
    }
    shares = {kind: medians["with"][kind] / medians["without"][kind] - 1 for kind in medians["with"]}
    return {"canaries": canaries, "steps": plain.runner.plan.steps, "chunk": medians, "share of training": shares}


def _chunk(run: PrivateRun) -> dict[str, float]:
    state = jax.tree.map(lambda a: a.copy(), run.state)
    start, work = time.perf_counter(), time.process_time()
    after, _ = run.runner.epoch_of(state, run.data, run.key, run.draws(run.runner.plan.steps))
    after.params.block_until_ready()
    return {"seconds": time.perf_counter() - start, "processor seconds": time.process_time() - work}


if __name__ == "__main__":
    main()
