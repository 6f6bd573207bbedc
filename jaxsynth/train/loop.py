"""The training loop, written once for every model: one jitted scan an epoch over device-resident rows."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxsynth.codec.layout import CodeSpec
from jaxsynth.codec.packed import Packed
from jaxsynth.errors import TrainingError, TrainingWarning
from jaxsynth.models import Model, Params, Training
from jaxsynth.models.base import to_batch

_MIN_VALIDATION = 50  # held-out rows below which early stopping would follow noise
_ROWS_A_DEVICE = 100  # rows of a batch below which another device costs more than it brings
_AXIS = "rows"
_SAME = PartitionSpec()  # type: ignore[no-untyped-call]
_SPLIT = PartitionSpec(None, _AXIS)  # type: ignore[no-untyped-call]
_CHUNK_STEPS = 16  # tiny tables run several passes a compiled call


class State(NamedTuple):
    """What training carries from step to step.

    Parameters are one vector: the optimiser, the average and the exchange between devices are then one
    operation each and not one a leaf, which is a tenth of a small model's step.
    """

    step: jax.Array
    params: jax.Array  # float32 (p,)
    average: jax.Array  # float32 (p,)
    optimiser: optax.OptState


@dataclass(frozen=True)
class Plan:
    """Sizes that a compiled epoch is specialised to."""

    rows: int
    batch: int
    steps: int  # optimiser steps a chunk
    chunks: int
    training: Training

    @property
    def total_steps(self) -> int:
        """Steps if early stopping does not end training."""
        return self.steps * self.chunks

    @property
    def settled(self) -> int:
        """The first chunk whose held-out loss counts."""
        return int(self.training.settle * self.chunks)

    @property
    def patience(self) -> int:
        """Chunks without improvement that end training."""
        return max(2, int(self.training.patience * self.chunks))

    @property
    def decay(self) -> float:
        """Decay of the moving average: its horizon is a share of the whole run."""
        return 1.0 - 1.0 / max(1.0, self.training.ema * self.total_steps)


@dataclass(frozen=True)
class Progress:
    """One report to the caller: after each chunk."""

    chunk: int
    chunks: int
    rows: int
    loss: float
    held_out: float | None


@dataclass(frozen=True)
class History:
    """What training did.

    Attributes:
        losses: mean training loss in nats a row, one a chunk.
        held_out: loss of the averaged parameters on held-out rows, one a chunk; empty without hold-out.
        best: index of the chunk whose parameters were kept.
        steps: optimiser steps taken.
        stopped: "finished", "early" or "interrupted".
    """

    losses: tuple[float, ...] = ()
    held_out: tuple[float, ...] = ()
    best: int = -1
    steps: int = 0
    stopped: str = "finished"


def make_plan(rows: int, training: Training) -> Plan:
    """Chunks and steps for `rows` training rows."""
    batch = min(training.batch, rows)
    steps = rows // batch
    passes = max(1, _CHUNK_STEPS // steps)
    epochs = max(training.epochs, math.ceil(training.min_steps / steps))
    return Plan(rows, batch, steps * passes, math.ceil(epochs / passes), training)


def split_rows(rows: int, training: Training, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers to train on and to hold out, by a seeded permutation."""
    order = np.random.default_rng(seed).permutation(rows)
    held = int(rows * training.validation)
    if held < _MIN_VALIDATION:
        return np.sort(order), order[:0]
    return np.sort(order[held:]), np.sort(order[:held])


def train(
    model: Model,
    layout: tuple[CodeSpec, ...],
    data: Packed,
    training: Training,
    *,
    seed: int,
    report: Callable[[Progress], None] | None = None,
) -> tuple[Params, History]:
    """Fit parameters to packed rows; a function of its arguments alone.

    Args:
        model: the generator's functions.
        layout: what the columns of `data` are.
        data: n >= 1 rows.
        training: batch size, schedule, stopping.
        seed: drives the split, initialisation, order of rows and the loss's own draws.
        report: called after each chunk.

    Returns:
        The averaged parameters with the best held-out loss (the last ones without hold-out), and the
        history. Ctrl-C after the first chunk returns the best so far with a `TrainingWarning`.

    Raises:
        TrainingError: no pass had a finite loss.
    """
    kept, held = split_rows(len(data.positions), training, seed)
    plan = make_plan(len(kept), training)
    mesh = _mesh(plan.batch)
    everywhere = NamedSharding(mesh, _SAME)
    rows, held_rows = jax.device_put((_take(data, kept), _take(data, held)), everywhere)
    init_key, *keys = jax.random.split(jax.random.key(seed), 3)
    vector, restore = ravel_pytree(model.init(init_key))
    state = State(jnp.zeros((), jnp.int32), vector, vector.copy(), _optimiser(plan).init(vector))
    state, keys = jax.device_put((state, keys), everywhere)
    best = _Best(params=vector.copy(), history=History())
    try:
        for best in _chunks(_Runner(model, layout, plan, mesh, restore), state, rows, held_rows, keys):
            if report is not None:
                report(_progress(plan, best.history))
    except KeyboardInterrupt:
        if best.history.best < 0:
            raise
        best = best.ended("interrupted")
        warnings.warn(
            f"training interrupted: kept the best parameters so far, of pass {best.history.best + 1} "
            f"out of {plan.chunks} planned",
            TrainingWarning,
            stacklevel=2,
        )
    if best.history.best < 0:
        raise TrainingError("training diverged: no pass had a finite loss; lower the learning rate")
    return jax.device_get(restore(best.params)), best.history


def _chunks(runner: _Runner, state: State, rows: Packed, held: Packed, keys: list[jax.Array]) -> Iterator[_Best]:
    """Run chunk after chunk until the plan or the held-out rows say stop; the best so far after each."""
    plan, (run_key, eval_key) = runner.plan, keys
    best = _Best(params=state.params.copy(), history=History())
    for chunk in range(plan.chunks):
        state, loss = runner.epoch(state, rows, run_key)
        score = float(runner.evaluate(state.average, held, eval_key)) if len(held.positions) else None
        best = best.updated(state, float(loss), score, settled=chunk >= plan.settled)
        if chunk - max(best.history.best, plan.settled) >= plan.patience:
            yield best.ended("early")
            return
        yield best


def _progress(plan: Plan, history: History) -> Progress:
    held = history.held_out[-1] if history.held_out else None
    return Progress(len(history.losses), plan.chunks, plan.steps * plan.batch, history.losses[-1], held)


@dataclass(frozen=True)
class _Best:
    """The parameters kept so far and why."""

    params: jax.Array
    history: History
    score: float = math.inf

    def updated(self, state: State, loss: float, score: float | None, *, settled: bool) -> _Best:
        """Take the newest averaged parameters unless a settled epoch did better on the held-out rows."""
        old = self.history
        held = old.held_out if score is None else (*old.held_out, score)
        new = replace(old, losses=(*old.losses, loss), held_out=held, steps=int(state.step))
        rank = math.inf if score is None or not settled else score
        if rank > self.score or not math.isfinite(loss + (score or 0.0)):
            return replace(self, history=new)
        return _Best(state.average.copy(), replace(new, best=len(new.losses) - 1), rank)

    def ended(self, how: str) -> _Best:
        return replace(self, history=replace(self.history, stopped=how))


@dataclass(frozen=True, eq=False)
class _Runner:
    """The two compiled programs of a run."""

    model: Model
    layout: tuple[CodeSpec, ...]
    plan: Plan
    mesh: Mesh
    restore: Callable[[jax.Array], Params]

    @partial(jax.jit, static_argnums=0, donate_argnums=1)
    def epoch(self, state: State, data: Packed, key: jax.Array) -> tuple[State, jax.Array]:
        """One chunk of steps; returns the new state and the mean loss."""
        order = _shuffled(jax.random.fold_in(key, state.step), self.plan)
        steps = jax.shard_map(
            self._steps,
            mesh=self.mesh,
            in_specs=(_SAME, _SAME, _SAME, _SPLIT),
            out_specs=(_SAME, _SAME),
            check_vma=False,
        )
        return steps(state, data, key, order)

    def _steps(self, state: State, data: Packed, key: jax.Array, order: jax.Array) -> tuple[State, jax.Array]:
        """All steps of a chunk on one device's share of each batch."""
        # Keys for the whole chunk at once: in the loop they would cost as much as a layer.
        device_key = jax.random.fold_in(key, jax.lax.axis_index(_AXIS))
        keys = jax.vmap(partial(jax.random.fold_in, device_key))(state.step + jnp.arange(len(order)))
        state, losses = jax.lax.scan(partial(self._step, data), state, (order, keys))
        return state, losses.mean()

    def _step(self, data: Packed, state: State, step: tuple[jax.Array, jax.Array]) -> tuple[State, jax.Array]:
        rows, key = step
        batch = to_batch(self.layout, jax.tree.map(lambda a: a[rows], data))
        progress = state.step / self.plan.total_steps
        loss, grads = jax.value_and_grad(lambda v: self.model.loss(self.restore(v), batch, key, progress).mean())(
            state.params
        )
        loss, grads = _mean_over_devices(loss, grads)
        updates, optimiser = _optimiser(self.plan).update(grads, state.optimiser, state.params)
        params = optax.apply_updates(state.params, updates)
        # Early on the average is a plain mean, so that it never holds on to the initial parameters.
        decay = jnp.minimum(self.plan.decay, (1.0 + state.step) / (2.0 + state.step))
        average = state.average + (1 - decay) * (params - state.average)
        return State(state.step + 1, params, average, optimiser), loss

    @partial(jax.jit, static_argnums=0)
    def evaluate(self, vector: jax.Array, data: Packed, key: jax.Array) -> jax.Array:
        """Mean loss over held-out rows, with the same draws at every call."""
        params = self.restore(vector)
        rows = len(data.positions)
        batch = min(rows, self.plan.batch)
        steps = rows // batch

        def one(i: jax.Array) -> jax.Array:
            part = jax.tree.map(lambda a: jax.lax.dynamic_slice_in_dim(a, i * batch, batch), data)
            batch_key = jax.random.fold_in(key, i)
            return self.model.loss(params, to_batch(self.layout, part), batch_key, jnp.ones(())).mean()

        losses: jax.Array = jax.lax.map(one, jnp.arange(steps))
        return losses.mean()


def _mesh(batch: int) -> Mesh:
    """As many local devices as divide the batch into shares worth having; each holds all rows."""
    devices = jax.local_devices()
    usable = [d for d in range(1, len(devices) + 1) if batch % d == 0 and batch // d >= _ROWS_A_DEVICE]
    return Mesh(np.array(devices[: max(usable, default=1)]), (_AXIS,))


def _mean_over_devices(loss: jax.Array, grads: jax.Array) -> tuple[jax.Array, jax.Array]:
    """One exchange a step, the loss with the gradient: each exchange has a fixed cost."""
    mean: jax.Array = jax.lax.pmean(jnp.append(grads, loss), _AXIS)  # type: ignore[no-untyped-call]
    return mean[-1], mean[:-1]


def _shuffled(key: jax.Array, plan: Plan) -> jax.Array:
    """Row numbers for each step of a chunk, (steps, batch): fresh permutations, remainders dropped."""
    per_pass = plan.rows // plan.batch
    keys = jax.random.split(key, plan.steps // per_pass)
    orders = jax.vmap(lambda k: jax.random.permutation(k, plan.rows)[: per_pass * plan.batch])(keys)
    return orders.reshape(plan.steps, plan.batch)


def _optimiser(plan: Plan) -> optax.GradientTransformation:
    peak = plan.training.learning_rate
    warmup = max(1, min(plan.total_steps // 20, 200))
    schedule = optax.warmup_cosine_decay_schedule(peak / 10, peak, warmup, max(plan.total_steps, warmup + 1))
    return optax.adamw(schedule, weight_decay=plan.training.weight_decay)


def _take(data: Packed, rows: np.ndarray) -> Packed:
    return Packed(tuple(c[rows] for c in data.codes), data.positions[rows])
