"""What one optimiser step does to the state; the step of models that have a loss an example."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxsynth.codec.layout import CodeSpec
from jaxsynth.codec.packed import Packed
from jaxsynth.models import Model, Params, Training
from jaxsynth.models.base import to_batch
from jaxsynth.models.row_keys import RowKeys
from jaxsynth.train.plan import Plan

AXIS = "rows"  # of the device mesh
_WARMUP = 200  # steps at most


class Opponent(NamedTuple):
    """The critic of a game: parameters (q,) and its optimiser."""

    params: jax.Array
    optimiser: optax.OptState


class State(NamedTuple):
    """What training carries from step to step.

    Parameters are one vector: the optimiser, the average and the exchange between devices are then one
    operation each and not one a leaf, which is a tenth of a small model's step.
    """

    step: jax.Array
    params: jax.Array  # float32 (p,)
    average: jax.Array  # float32 (p,)
    optimiser: optax.OptState
    scale: jax.Array  # float32, what the learning rate is multiplied by
    opponent: Opponent | None = None
    scores: jax.Array | None = None  # float32, what an audit of private training has gathered


class Turn(NamedTuple):
    """What one step is given.

    The rate is no part of the optimiser: XLA's CPU compiler would compute its cosine anew for every parameter.

    Attributes:
        order: int32 (batch,) or (0,), see `Stepper.order`.
        key: for the loss's own draws, the same on all devices.
        rate: float32, the learning rate.
        noise: what private training adds, see `Draws`.
    """

    order: jax.Array
    key: jax.Array
    rate: jax.Array
    noise: Any = None


class Draws(NamedTuple):
    """What the host drew for the steps of a chunk, where the device must not draw it.

    Attributes:
        order: int32 (steps, batch), in place of `Stepper.order`; a further axis is left to the steps.
        noise: integers (steps, ...), or several such arrays.
    """

    order: Any
    noise: Any


class Step(Protocol):
    """A kind of step, chosen once a run."""

    def step(self, rows: Packed, resident: Any, state: State, turn: Turn) -> tuple[State, jax.Array]:
        """One step on one device's share of the batch, and its loss."""
        ...


class Stepper(Step, Protocol):
    """A kind of step whose batches are drawn on the device."""

    def start(self, vector: jax.Array, key: jax.Array) -> State:
        """The state before the first step, from the model's initial parameters."""
        ...

    def resident(self, rows: Packed) -> Any:
        """What lies on the device beside the rows, from the rows there."""
        ...

    def order(self, key: jax.Array) -> jax.Array:
        """Row numbers of each step of a chunk, int32 (steps, batch), or (steps, 0) if steps draw their own."""
        ...


@dataclass(frozen=True, eq=False)
class Likelihood:
    """Descend the mean of `Model.loss` over a batch of a fresh permutation.

    Attributes:
        model: its loss is descended.
        layout: of the rows.
        plan: sizes and schedule.
        restore: vector -> params.
    """

    model: Model
    layout: tuple[CodeSpec, ...]
    plan: Plan
    restore: Callable[[jax.Array], Params]

    def start(self, vector: jax.Array, key: jax.Array) -> State:
        """See `Stepper`."""
        del key
        return State(jnp.zeros((), jnp.int32), vector, vector.copy(), self._optimiser.init(vector), jnp.ones(()))

    def resident(self, rows: Packed) -> tuple[()]:
        """Nothing beside the rows."""
        del rows
        return ()

    def order(self, key: jax.Array) -> jax.Array:
        """Fresh permutations, remainders dropped."""
        plan = self.plan
        per_pass = plan.rows // plan.batch
        keys = jax.random.split(key, plan.steps // per_pass)
        # One sort by random words; `jax.random.permutation` sorts twice, a twentieth of a small model's epoch.
        orders = jax.vmap(lambda k: jnp.argsort(jax.random.bits(k, (plan.rows,)))[: per_pass * plan.batch])(keys)
        return orders.reshape(plan.steps, plan.batch)

    def step(self, rows: Packed, resident: Any, state: State, turn: Turn) -> tuple[State, jax.Array]:
        """See `Stepper`."""
        del resident
        batch = to_batch(self.layout, jax.tree.map(lambda a: a[turn.order], rows))
        keys = row_keys(turn.key, len(turn.order))
        progress = state.step / self.plan.total_steps
        loss, grads = slope(lambda p: self.model.loss(p, batch, keys, progress).mean(), self.restore(state.params))
        return self.descended(state, grads, turn.rate), loss

    def descended(self, state: State, grads: jax.Array, rate: jax.Array) -> State:
        """The state after a step along a gradient (p,)."""
        updates, optimiser = self._optimiser.update(grads, state.optimiser, state.params)
        params = state.params - rate * state.scale * updates
        return State(state.step + 1, params, averaged(state, params, self.plan), optimiser, state.scale)

    @property
    def _optimiser(self) -> optax.GradientTransformation:
        return direction(self.plan.training)


def direction(training: Training, b1: float = 0.9, b2: float = 0.999) -> optax.GradientTransformation:
    """AdamW's step at a rate of -1 (Loshchilov and Hutter 2019)."""
    return optax.chain(optax.scale_by_adam(b1, b2), optax.add_decayed_weights(training.weight_decay))


def schedule(plan: Plan) -> optax.Schedule:
    """The rate at a step: warm-up, then a cosine to zero."""
    peak, steps = plan.training.learning_rate, plan.total_steps
    warmup = max(1, min(steps // 20, _WARMUP))
    return optax.warmup_cosine_decay_schedule(peak / 10, peak, warmup, max(steps, warmup + 1))


def averaged(state: State, params: jax.Array, plan: Plan) -> jax.Array:
    """The moving average after a step; early on a plain mean, so that it never holds on to the initial values."""
    decay = jnp.minimum(plan.decay, (1.0 + state.step) / (2.0 + state.step))
    return state.average + (1 - decay) * (params - state.average)


def row_keys(key: jax.Array, share: int) -> RowKeys:
    """Keys of the rows of a batch that this device has, `share` of them as each device has."""
    return RowKeys(key, jax.lax.axis_index(AXIS) * share + jnp.arange(share))


def slope(loss: Callable[[Params], jax.Array], params: Params) -> tuple[jax.Array, jax.Array]:
    """The loss and its gradient as a vector, both means over the devices."""
    value, grads = jax.value_and_grad(loss)(params)
    mean = over_devices((grads, value))  # in one exchange: each has a fixed cost
    return mean[-1], mean[:-1]


def over_devices(tree: Any) -> jax.Array:
    """The mean over the devices of the leaves, end to end."""
    return jax.lax.pmean(joined(jax.tree.leaves(tree)), AXIS)  # type: ignore[no-untyped-call, no-any-return]


def summed(tree: Any) -> jax.Array:
    """The sum over the devices of the leaves, end to end."""
    return jax.lax.psum(joined(jax.tree.leaves(tree)), AXIS)  # type: ignore[no-untyped-call, no-any-return]


def joined(leaves: list[jax.Array]) -> jax.Array:
    """Leaves end to end, written one after the other.

    As a concatenation XLA's CPU compiler computes them inside of it, entry by entry, which took half of a step.
    """
    ends = np.cumsum([leaf.size for leaf in leaves])
    # It must not know of the zeros: it would pad the first leaf with them, computing that leaf for each of them.
    vector: jax.Array = jax.lax.optimization_barrier(jnp.zeros(ends[-1]))  # type: ignore[no-untyped-call]
    for leaf, end in zip(leaves, ends, strict=True):
        vector = jax.lax.dynamic_update_slice(vector, leaf.reshape(-1), (end - leaf.size,))
    return vector
