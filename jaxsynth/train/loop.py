"""The training loop, written once for every model: one jitted scan a chunk over rows on the devices."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec

from jaxsynth.codec.layout import CodeSpec
from jaxsynth.codec.packed import Packed
from jaxsynth.devices import compiled_method
from jaxsynth.errors import TrainingError, TrainingWarning
from jaxsynth.models import Model, Params, Training
from jaxsynth.train.adversarial import Adversarial
from jaxsynth.train.course import Best, Course, History
from jaxsynth.train.flat import Flat
from jaxsynth.train.mesh import WHOLE, placed, row_mesh
from jaxsynth.train.plan import Plan, split_rows
from jaxsynth.train.rows import Resident, Rows
from jaxsynth.train.scoring import Scoring, make_scoring, take
from jaxsynth.train.steps import AXIS, Draws, Likelihood, State, Step, Stepper, Turn, schedule

_SPLIT = PartitionSpec(None, AXIS)  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Progress:
    """One report to the caller: after each chunk. Private training tells no loss."""

    chunk: int
    chunks: int
    rows: int
    loss: float | None
    held_out: float | None


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
    return train_on(
        model, layout, Resident(take(data, kept)), take(data, held), training, seed=seed, report=report
    )


def train_on(
    model: Model,
    layout: tuple[CodeSpec, ...],
    own: Rows,
    held: Packed,
    training: Training,
    *,
    seed: int,
    report: Callable[[Progress], None] | None = None,
) -> tuple[Params, History]:
    """The same for rows that are split already, wherever those to train on (`own`) lie."""
    plan = own.plan(training)
    mesh = row_mesh(-(-plan.batch // (model.game.pack if model.game else 1)))
    init_key, run_key, eval_key = jax.random.split(jax.random.key(seed), 3)
    scoring = make_scoring(model, layout, plan, held, own.known, eval_key)
    start = jax.jit(model.init)(init_key)
    flat = Flat.like(start)
    stepper = make_stepper(model, layout, plan, flat)
    state = stepper.start(jnp.asarray(flat.vector(start)), jax.random.fold_in(init_key, 1))
    state, run_key = placed((state, run_key), mesh)

    def place(rows: Packed) -> tuple[Packed, Any]:
        there = placed(rows, mesh)
        return there, placed(stepper.resident(there), mesh)

    runner = Runner(plan, mesh, flat, stepper)
    best = Course.start(plan, state).best
    try:
        for best in _chunks(runner, scoring, state, own.chunks(place), run_key):
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
    return finished(model, scoring, flat, best, init_key), best.history


def finished(model: Model, scoring: Scoring, flat: Flat, best: Best, init_key: jax.Array) -> Params:
    """The parameters kept, calibrated and finished, on the host.

    Raises:
        TrainingError: there are none.
    """
    if best.history.best < 0:
        raise TrainingError("training diverged: no pass had a finite loss; lower the learning rate")
    params = scoring.calibrated(flat.on_host(best.params))
    if model.finish is not None:
        params = jax.jit(model.finish)(params, jax.random.fold_in(init_key, 2))
    return dict(jax.device_get(params))


def make_stepper(model: Model, layout: tuple[CodeSpec, ...], plan: Plan, flat: Flat) -> Stepper:
    """The kind of step that trains a model."""
    if model.game is None:
        return Likelihood(model, layout, plan, flat.restore)
    return Adversarial(model.game, layout, plan, flat.restore)


def _chunks(
    runner: Runner, scoring: Scoring, state: State, chunks: Iterator[tuple[Packed, Any]], key: jax.Array
) -> Iterator[Best]:
    """Run chunk after chunk until the plan or the held-out rows say stop; the best so far after each."""
    course = Course.start(runner.plan, state)
    for chunk, data in zip(range(runner.plan.chunks), chunks, strict=False):
        state, loss = runner.epoch(state, data, key)
        score = scoring.held_out(runner.flat.on_host(state.average))
        course, state = course.after(chunk, state, float(loss), score)
        yield course.best
        if course.ended:
            return


def _progress(plan: Plan, history: History) -> Progress:
    held = history.held_out[-1] if history.held_out else None
    return Progress(len(history.losses), plan.chunks, plan.steps * plan.batch, history.losses[-1], held)


@dataclass(frozen=True, eq=False)
class Runner:
    """What a run computes on its devices."""

    plan: Plan
    mesh: Mesh
    flat: Flat
    stepper: Step

    @partial(compiled_method, donate_argnums=0)
    def epoch(self, state: State, data: tuple[Packed, Any], key: jax.Array) -> tuple[State, jax.Array]:
        """One chunk of steps; returns the new state and the mean loss."""
        order_key, step_key = jax.random.split(key)
        order = cast(Stepper, self.stepper).order(jax.random.fold_in(order_key, state.step))
        return self._steps(state, data, step_key, Draws(order, None))

    @partial(compiled_method, donate_argnums=0)
    def epoch_of(
        self, state: State, data: tuple[Packed, Any], key: jax.Array, draws: Draws
    ) -> tuple[State, jax.Array]:
        """The same for steps that the host drew."""
        return self._steps(state, data, key, draws)

    def _steps(
        self, state: State, data: tuple[Packed, Any], key: jax.Array, draws: Draws
    ) -> tuple[State, jax.Array]:
        steps = jax.shard_map(
            partial(take_steps, self.plan, self.stepper),
            mesh=self.mesh,
            in_specs=(WHOLE, WHOLE, WHOLE, _SPLIT, WHOLE),
            out_specs=(WHOLE, WHOLE),
            check_vma=False,
        )
        out: tuple[State, jax.Array] = steps(state, data, key, *draws)
        return out


def take_steps(
    plan: Plan,
    stepper: Step,
    state: State,
    data: tuple[Packed, Any],
    key: jax.Array,
    order: jax.Array,
    noise: jax.Array | None = None,
) -> tuple[State, jax.Array]:
    """All steps of a chunk on one device's share of each batch; the new state and the mean loss."""
    # Keys for the whole chunk at once: in the loop they would cost as much as a layer.
    numbers = state.step + jnp.arange(len(order))
    keys = jax.vmap(partial(jax.random.fold_in, key))(numbers)
    turns = Turn(order, keys, jax.vmap(schedule(plan))(numbers), noise)
    state, losses = jax.lax.scan(partial(stepper.step, *data), state, turns)
    return state, losses.mean()
