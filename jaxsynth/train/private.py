"""Private training: the loop's chunks, with batches and noise that the host draws from secret randomness.

Steps are fixed beforehand: no rows are held out, nothing stops early, and nothing that a step saw of the rows
leaves it but the noisy sum. The last averaged parameters are the result.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from numpy.typing import NDArray

from jaxsynth.codec.layout import CodeSpec
from jaxsynth.codec.packed import Packed
from jaxsynth.devices import compiled
from jaxsynth.errors import TrainingWarning
from jaxsynth.models import Model, Params, Training
from jaxsynth.privacy.events import TrainingEvent
from jaxsynth.privacy.randomness import Randomness
from jaxsynth.train.course import History
from jaxsynth.train.flat import Flat
from jaxsynth.train.loop import Progress, Runner, row_mesh
from jaxsynth.train.mechanism import Mechanism
from jaxsynth.train.plan import Plan
from jaxsynth.train.private_game import PrivateAdversarial
from jaxsynth.train.private_steps import PrivateLikelihood
from jaxsynth.train.steps import Draws, Likelihood, State, Step

_MADE = 2048  # rows that a generator makes for a step of a game, on each device
_DRAWN = 8192  # rows drawn for a round of calibration
_ROUNDS = 12  # of calibration
_CHUNKS = 20  # reports in a run
_NUMBERS = 1 << 24  # of noise in a chunk at most


def train_private(
    model: Model,
    layout: tuple[CodeSpec, ...],
    data: Packed,
    units: NDArray[np.int64],
    training: Training,
    event: TrainingEvent,
    *,
    seed: int,
    randomness: Randomness,
    threefry: bool = False,
    report: Callable[[Progress], None] | None = None,
) -> tuple[Params, History]:
    """Fit parameters by DP-SGD (Abadi et al. 2016); what it releases is what `event` says.

    Args:
        model: the generator's functions; no loss may couple examples.
        layout: what the columns of `data` are.
        data: private rows.
        units: int64 (n, k), the rows of each subject, -1 where it has fewer than k.
        training: the learning rate, weight decay and average.
        event: number, size and noise of the steps.
        seed: draws the initial parameters, and nothing else.
        randomness: draws batches, noise, and what the loss draws.
        threefry: draw the noise on the device, by threefry from keys of `randomness`, which is not cryptographic.
        report: called after each chunk.

    Returns:
        The averaged parameters after the last step, and the history, which holds no losses. Ctrl-C after the first
        chunk returns the parameters so far with a `TrainingWarning`: fewer steps cost no more privacy.
    """
    sums = 1 if model.private_game is None else model.private_game().critic_steps
    mechanism = Mechanism(event=event, rows_per_subject=units.shape[1], sums_a_step=sums, threefry=threefry)
    init_key, finish_key = jax.random.split(jax.random.key(seed))
    start = jax.jit(model.init)(init_key)
    flat = Flat.like(start)
    mesh = row_mesh(max(1, int(mechanism.expected)), 1)
    plan = _plan(event, mechanism, training, devices=mesh.size)
    stepper = _stepper(model, layout, plan, flat, mechanism, -(-max(1, int(mechanism.expected)) // mesh.size))
    everywhere = NamedSharding(mesh, PartitionSpec())  # type: ignore[no-untyped-call]
    state = stepper.start(jnp.asarray(flat.vector(start)), jax.random.fold_in(init_key, 1))
    key = jax.random.wrap_key_data(jnp.asarray(randomness.key_words()))
    state, key, data, slots = jax.device_put((state, key, _never_empty(data), _slots(units)), everywhere)
    chunks = _Chunks(Runner(plan, mesh, flat, stepper), event, mechanism, randomness)
    state, done = chunks.run(state, (data, slots), key, report)
    params = _calibrated(model, flat.on_host(state.average), finish_key)
    if model.finish is not None:
        params = dict(jax.device_get(jax.jit(model.finish)(params, finish_key)))
    stopped = "finished" if done == plan.chunks else "interrupted"
    return params, History(best=done - 1, steps=done * plan.steps, stopped=stopped)


def _calibrated(model: Model, params: Params, key: jax.Array) -> Params:
    """Set to the columns' frequencies, which are noisy and paid for, over rows that the model itself draws."""
    if model.tally is None or model.calibrate is None:
        return params
    tally, calibrate = model.tally, model.calibrate

    @compiled
    def once(params: Params, key: jax.Array) -> Params:
        rows = model.sample(params, key, _DRAWN, None)
        return calibrate(params, tally(params, rows, jnp.ones(_DRAWN))[1], float(_DRAWN))

    for own in jax.random.split(key, _ROUNDS):
        params = once(params, own)
    return dict(jax.device_get(params))


def _stepper(
    model: Model, layout: tuple[CodeSpec, ...], plan: Plan, flat: Flat, mechanism: Mechanism, share: int
) -> Step:
    if model.private_game is None:
        return PrivateLikelihood(Likelihood(model, layout, plan, flat.restore), mechanism)
    made = min(share, _MADE)
    return PrivateAdversarial(model.private_game(), layout, plan, flat.restore, mechanism, made)


def _plan(event: TrainingEvent, mechanism: Mechanism, training: Training, *, devices: int) -> Plan:
    """All steps in chunks of equal length; a batch is as wide as its most rows, in equal shares."""
    total = event.steps // mechanism.sums_a_step
    numbers = mechanism.sums_a_step * max(event.parameters, 1)
    most = max(1, min(total // _CHUNKS, _NUMBERS // numbers))
    steps = max(n for n in range(1, most + 1) if total % n == 0)
    width = -(-event.batch_size // devices) * devices
    return Plan(event.units, width, steps, total // steps, training)


def _never_empty(data: Packed) -> Packed:
    """A row to gather where there are none: an empty table must train like its neighbours."""
    if len(data.positions):
        return data
    return jax.tree.map(lambda a: np.zeros((1, *a.shape[1:]), a.dtype), data)  # type: ignore[no-any-return]


def _slots(units: NDArray[np.int64]) -> NDArray[np.int32]:
    """The rows of each subject and, last, of the subject that fills batches up: none."""
    return np.concatenate([units, np.full((1, units.shape[1]), -1)]).astype(np.int32)


@dataclass(frozen=True, eq=False)
class _Chunks:
    """Chunk after chunk; the next one's draws are made while the device is at work."""

    runner: Runner
    event: TrainingEvent
    mechanism: Mechanism
    randomness: Randomness

    def run(
        self,
        state: State,
        data: tuple[Packed, jax.Array],
        key: jax.Array,
        report: Callable[[Progress], None] | None,
    ) -> tuple[State, int]:
        """The last state, and how many chunks led to it."""
        plan, done = self.runner.plan, 0
        kept = jax.tree.map(jnp.copy, state)
        with ThreadPoolExecutor(1) as pool:
            draws: Future[Draws] = pool.submit(self._draw, len(data[1]) - 1)
            try:
                for chunk in range(plan.chunks):
                    state, _ = self.runner.epoch_of(state, data, key, draws.result())
                    if chunk + 1 < plan.chunks:
                        draws = pool.submit(self._draw, len(data[1]) - 1)
                    kept, done = jax.tree.map(jnp.copy, state), chunk + 1
                    int(kept.step)  # waits
                    if report is not None:
                        rows = round(plan.steps * self.mechanism.expected)
                        report(Progress(done, plan.chunks, rows, None, None))
            except KeyboardInterrupt:
                if not done:
                    raise
                warnings.warn(
                    f"training interrupted: kept the parameters after {done} of {plan.chunks} parts of its steps",
                    TrainingWarning,
                    stacklevel=3,
                )
        return kept, done

    def _draw(self, units: int) -> Draws:
        """Batches and noise of a chunk. Batches have one set of places for each sum that a step releases."""
        plan, sums = self.runner.plan, self.mechanism.sums_a_step
        found = self.randomness.batches(plan.steps * sums, self.event.batch_size, units, self.event.threshold)
        wide = np.full((plan.steps * sums, plan.batch), units, np.int32)
        wide[:, : found.shape[1]] = found
        order = wide.reshape(plan.steps, sums, plan.batch).swapaxes(1, 2)
        noise = self.mechanism.draw(self.randomness, plan.steps * sums).reshape(plan.steps, sums, -1)
        return Draws(order, noise) if sums > 1 else Draws(order[..., 0], noise[:, 0])
