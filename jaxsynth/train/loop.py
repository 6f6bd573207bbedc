"""The training loop, written once for every model: one jitted scan an epoch over device-resident rows."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxsynth.codec.layout import CodeSpec
from jaxsynth.codec.packed import Packed
from jaxsynth.devices import compiled, compiled_ahead
from jaxsynth.errors import TrainingError, TrainingWarning
from jaxsynth.models import Model, Params, Training
from jaxsynth.models.base import to_batch
from jaxsynth.train.adversarial import Adversarial
from jaxsynth.train.plan import Plan, make_plan, split_rows
from jaxsynth.train.steps import AXIS, Likelihood, State, Stepper, Turn, schedule

_CUT = 1 / 3  # of the learning rate where the held-out rows stop improving
_CALIBRATION_ROWS = 16_384
_EXAMPLES_A_DEVICE = 100  # rows, or packs of rows, of a batch below which another device costs more than it brings
_SAME = PartitionSpec()  # type: ignore[no-untyped-call]
_SPLIT = PartitionSpec(None, AXIS)  # type: ignore[no-untyped-call]


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
        losses: mean training loss, one a chunk: nats a row, or the critic's loss.
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
    mesh = _mesh(plan.batch, model.game.pack if model.game else 1)
    everywhere = NamedSharding(mesh, _SAME)
    rows, held_rows = jax.device_put((_take(data, kept), _take(data, held)), everywhere)
    init_key, *keys = jax.random.split(jax.random.key(seed), 3)
    vector, restore = ravel_pytree(jax.jit(model.init)(init_key))
    stepper = _stepper(model, layout, plan, restore, plan.batch // mesh.size)
    state = stepper.start(vector, jax.random.fold_in(init_key, 1))
    state, keys, resident = jax.device_put((state, keys, stepper.resident(rows)), everywhere)
    runner = _Runner(model, layout, plan, mesh, restore, stepper)
    later = _Later.compile(runner, (state.average.copy(), held_rows, keys[1]), _calibration_rows(data, kept))
    best = _Best(params=vector.copy(), history=History())
    try:
        for best in _chunks(runner, later, state, (rows, resident), held_rows, keys):
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
    params = _cut_up(restore, jax.device_get(best.params))
    params = jax.device_get(later.calibrate(params))
    if model.finish is not None:
        params = jax.jit(model.finish)(params, jax.random.fold_in(init_key, 2))
    return jax.device_get(params), best.history


def _calibration_rows(data: Packed, kept: np.ndarray) -> Packed:
    """So many of the training rows, evenly picked."""
    count = min(len(kept), _CALIBRATION_ROWS)
    return _take(data, kept[np.linspace(0, len(kept) - 1, count).astype(np.int64)])


def _stepper(
    model: Model, layout: tuple[CodeSpec, ...], plan: Plan, restore: Callable[[jax.Array], Params], share: int
) -> Stepper:
    if model.game is None:
        return Likelihood(model, layout, plan, restore)
    return Adversarial(model.game, layout, plan, restore, share)


def _chunks(
    runner: _Runner, later: _Later, state: State, data: tuple[Packed, Any], held: Packed, keys: list[jax.Array]
) -> Iterator[_Best]:
    """Run chunk after chunk until the plan or the held-out rows say stop; the best so far after each."""
    plan, (run_key, eval_key) = runner.plan, keys
    best = _Best(params=state.params.copy(), history=History())
    cuts, since = plan.training.cuts, plan.settled
    for chunk in range(plan.chunks):
        state, loss = runner.epoch(state, data, run_key)
        score = float(later.evaluate(state.average, held, eval_key)) if len(held.positions) else None
        best = best.updated(state, float(loss), score, settled=chunk >= plan.settled)
        if chunk - max(best.history.best, since) >= plan.patience:
            if not cuts:
                yield best.ended("early")
                return
            state, cuts, since = _cut(state, best), cuts - 1, chunk
        yield best


def _cut(state: State, best: _Best) -> State:
    """Go on from the best parameters at a third of the learning rate."""
    return state._replace(params=best.params.copy(), average=best.params.copy(), scale=state.scale * _CUT)


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
    """What a run computes on its devices."""

    model: Model
    layout: tuple[CodeSpec, ...]
    plan: Plan
    mesh: Mesh
    restore: Callable[[jax.Array], Params]
    stepper: Stepper

    @partial(compiled, static_argnums=0, donate_argnums=1)
    def epoch(self, state: State, data: tuple[Packed, Any], key: jax.Array) -> tuple[State, jax.Array]:
        """One chunk of steps; returns the new state and the mean loss."""
        order = self.stepper.order(jax.random.fold_in(key, state.step))
        steps = jax.shard_map(
            self._steps,
            mesh=self.mesh,
            in_specs=(_SAME, _SAME, _SAME, _SPLIT),
            out_specs=(_SAME, _SAME),
            check_vma=False,
        )
        return steps(state, data, key, order)

    def _steps(
        self, state: State, data: tuple[Packed, Any], key: jax.Array, order: jax.Array
    ) -> tuple[State, jax.Array]:
        """All steps of a chunk on one device's share of each batch."""
        # Keys for the whole chunk at once: in the loop they would cost as much as a layer.
        device_key = jax.random.fold_in(key, jax.lax.axis_index(AXIS))
        numbers = state.step + jnp.arange(len(order))
        keys = jax.vmap(partial(jax.random.fold_in, device_key))(numbers)
        turns = Turn(order, keys, jax.vmap(schedule(self.plan))(numbers))
        state, losses = jax.lax.scan(partial(self.stepper.step, *data), state, turns)
        return state, losses.mean()

    def evaluate(self, vector: jax.Array, data: Packed, key: jax.Array) -> jax.Array:
        """Mean loss over held-out rows, with the same draws each time; the exact likelihood where there is one."""
        params = self.restore(vector)
        rows = len(data.positions)
        batch = min(rows, self.plan.batch)
        steps = rows // batch

        def one(i: jax.Array) -> jax.Array:
            part = jax.tree.map(lambda a: jax.lax.dynamic_slice_in_dim(a, i * batch, batch), data)
            batch_key = jax.random.fold_in(key, i)
            held_rows = to_batch(self.layout, part)
            if self.model.log_prob is not None:
                return -self.model.log_prob(params, held_rows).mean()
            return self.model.loss(params, held_rows, batch_key, jnp.ones(())).mean()

        losses: jax.Array = jax.lax.map(one, jnp.arange(steps))
        return losses.mean()


@dataclass(frozen=True, eq=False)
class _Later:
    """Programs that are compiled beside the first chunk: one core compiles as fast as two.

    Attributes:
        evaluate: see `_Runner.evaluate`.
        calibrate: params -> params, by some of the training rows.
    """

    evaluate: Callable[..., jax.Array]
    calibrate: Callable[[Params], Params]

    @classmethod
    def compile(cls, runner: _Runner, evaluated: tuple[jax.Array, Packed, jax.Array], rows: Packed) -> _Later:
        """For arguments like `evaluated`, and these rows to calibrate by."""
        pool, calibrate = ThreadPoolExecutor(1), runner.model.calibrate
        result = cls(runner.evaluate, lambda params: params)
        if len(evaluated[1].positions):
            result = replace(result, evaluate=compiled_ahead(pool, runner.evaluate, *evaluated))
        if calibrate is not None:
            like = jax.eval_shape(runner.restore, evaluated[0])
            program = compiled_ahead(pool, lambda p, r: calibrate(p, to_batch(runner.layout, r)), like, rows)
            result = replace(result, calibrate=lambda params: program(params, rows))
        pool.shutdown(wait=False)
        return result


def _mesh(batch: int, pack: int) -> Mesh:
    """As many local devices as divide the batch into shares worth having; each holds all rows."""
    devices = jax.local_devices()
    most = min(len(devices), batch // (pack * _EXAMPLES_A_DEVICE))
    usable = [d for d in range(1, most + 1) if batch % d == 0]
    return Mesh(np.array(devices[: max(usable, default=1)]), (AXIS,))


def _cut_up(restore: Callable[[jax.Array], Params], vector: np.ndarray) -> Params:
    """`restore` on the host: on the device, cutting a vector into many leaves takes a second to compile."""
    leaves, tree = jax.tree.flatten(jax.eval_shape(restore, vector))
    ends = np.cumsum([leaf.size for leaf in leaves])[:-1]
    parts = [part.reshape(leaf.shape) for part, leaf in zip(np.split(vector, ends), leaves, strict=True)]
    return dict(jax.tree.unflatten(tree, parts))


def _take(data: Packed, rows: np.ndarray) -> Packed:
    return Packed(tuple(c[rows] for c in data.codes), data.positions[rows])
