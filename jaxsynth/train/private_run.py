"""A private training made ready: its steps, its chunks, and the batches and noise that the host draws for them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxsynth.codec.layout import CodeSpec
from jaxsynth.codec.packed import Packed
from jaxsynth.errors import TrainingWarning
from jaxsynth.models import Model, Training
from jaxsynth.privacy.events import TrainingEvent
from jaxsynth.privacy.randomness import Randomness
from jaxsynth.train.flat import Flat
from jaxsynth.train.loop import Progress, Runner
from jaxsynth.train.mechanism import Mechanism
from jaxsynth.train.mesh import everywhere, local_mesh
from jaxsynth.train.plan import Plan
from jaxsynth.train.private_game import PrivateAdversarial
from jaxsynth.train.private_steps import PrivateLikelihood
from jaxsynth.train.steps import Draws, Likelihood, State

_MADE = 2048  # rows that a generator makes for a step of a game at most
_CHUNKS = 20  # reports in a run
_NUMBERS = 1 << 24  # of noise in a chunk at most


@dataclass(frozen=True, eq=False)
class PrivateRun:
    """Chunk after chunk; the next one's draws are made while the device is at work.

    Attributes:
        model: what is trained.
        runner: what a chunk computes.
        mechanism: what its steps release.
        state: before the first step.
        data: the rows, and the rows of each subject, on the devices.
        key: of what the loss draws.
        draws: batches and noise of so many steps.
        finish_key: of what is drawn after training.
    """

    model: Model
    runner: Runner
    mechanism: Mechanism
    state: State
    data: tuple[Packed, jax.Array]
    key: jax.Array
    draws: Callable[[int], Draws]
    finish_key: jax.Array

    def run(self, report: Callable[[Progress], None] | None) -> tuple[State, int]:
        """The last state, and how many chunks led to it; see `train_private` for Ctrl-C."""
        plan, done = self.runner.plan, 0
        state, kept = jax.tree.map(jnp.copy, self.state), self.state
        with ThreadPoolExecutor(1) as pool:
            draws: Future[Draws] = pool.submit(self.draws, plan.steps)
            try:
                for chunk in range(plan.chunks):
                    state, _ = self.runner.epoch_of(state, self.data, self.key, draws.result())
                    if chunk + 1 < plan.chunks:
                        draws = pool.submit(self.draws, plan.steps)
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


def prepare(
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
) -> PrivateRun:
    """All that comes before the first step.

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
    """
    init_key, finish_key = jax.random.split(jax.random.key(seed))
    sums = 1 if model.private_game is None else model.private_game().critic_steps
    mechanism = Mechanism(event=event, rows_per_subject=units.shape[1], sums_a_step=sums, threefry=threefry)
    start = jax.jit(model.init)(init_key)
    flat = Flat.like(start)
    mesh = local_mesh(int(mechanism.expected))  # noise and batches are this process's own
    plan = _plan(event, mechanism, training, devices=mesh.size)
    stepper = _stepper(model, layout, plan, flat, mechanism, portion=_portion(event, devices=mesh.size))
    state = stepper.start(jnp.asarray(flat.vector(start)), jax.random.fold_in(init_key, 1))
    key = jax.random.wrap_key_data(jnp.asarray(randomness.key_words()))
    state, key, rows, slots = jax.device_put((state, key, _never_empty(data), _slots(units)), everywhere(mesh))

    def draws(steps: int) -> Draws:
        return _draws(mechanism, randomness, steps=steps, units=len(units), width=plan.batch, devices=mesh.size)

    runner = Runner(plan, mesh, flat, stepper)
    return PrivateRun(model, runner, mechanism, state, (rows, slots), key, draws, finish_key)


def _draws(
    mechanism: Mechanism, randomness: Randomness, *, steps: int, units: int, width: int, devices: int
) -> Draws:
    """Batches and noise. Batches have one set of places for each sum that a step releases.

    Members are dealt out to the devices, whose shares lie one after the other: each has as many.
    """
    event, sums = mechanism.event, mechanism.sums_a_step
    found = randomness.batches(steps * sums, event.batch_size, units, event.threshold)
    wide = np.full((steps * sums, width), units, np.int32)
    wide[:, : found.shape[1]] = found
    dealt = wide.reshape(-1, width // devices, devices).swapaxes(1, 2)
    order = dealt.reshape(steps, sums, width).swapaxes(1, 2)
    noise = mechanism.draw(randomness, steps * sums).reshape(steps, sums, -1)
    return Draws(order, noise) if sums > 1 else Draws(order[..., 0], noise[:, 0])


def _stepper(
    model: Model, layout: tuple[CodeSpec, ...], plan: Plan, flat: Flat, mechanism: Mechanism, *, portion: int
) -> PrivateLikelihood | PrivateAdversarial:
    if model.private_game is None:
        return PrivateLikelihood(Likelihood(model, layout, plan, flat.restore), mechanism, portion)
    made = min(max(1, int(mechanism.expected)), _MADE)
    return PrivateAdversarial(model.private_game(), layout, plan, flat.restore, mechanism, made)


def _portion(event: TrainingEvent, *, devices: int) -> int:
    """What all but one in fifty batches leave a device at most."""
    expected = event.probability * event.units
    return math.ceil(min(event.batch_size, expected + 2 * math.sqrt(expected) + 1) / devices)


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
