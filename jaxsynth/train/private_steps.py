"""One step of private training of models that have a loss an example."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxsynth.affine import WatchError
from jaxsynth.codec.layout import CodeSpec
from jaxsynth.codec.packed import Packed
from jaxsynth.errors import PrivacyWarning
from jaxsynth.models import Batch, Model, Params
from jaxsynth.models.base import to_batch
from jaxsynth.models.row_keys import RowKeys
from jaxsynth.privacy import ghost, per_example
from jaxsynth.train.mechanism import Mechanism
from jaxsynth.train.steps import AXIS, Likelihood, State, Turn, joined


@dataclass(frozen=True, eq=False)
class PrivateLikelihood:
    """Descend a noisy sum of clipped gradients of `Model.loss` over a Poisson batch.

    Attributes:
        plain: the same step without privacy.
        mechanism: what a step releases.
        portion: subjects of a device's share that are taken at a time, until no more come; 0: the whole share.
    """

    plain: Likelihood
    mechanism: Mechanism
    portion: int = 0

    def start(self, vector: jax.Array, key: jax.Array) -> State:
        """See `Stepper`."""
        return self.plain.start(vector, key)

    def step(self, rows: Packed, slots: jax.Array, state: State, turn: Turn) -> tuple[State, jax.Array]:
        """See `Stepper`; `slots` are the rows of each subject. The loss is not told."""
        mean = self.mechanism.mean(self.total(rows, slots, state, turn), turn.noise)
        return self.plain.descended(state, mean, turn.rate), jnp.zeros(())

    def total(self, rows: Packed, slots: jax.Array, state: State, turn: Turn) -> jax.Array:
        """The sum of the batch's clipped gradients over all devices, (p,): private until noise is added."""
        none, each = len(slots) - 1, slots.shape[1]
        order, places = _portions(turn.order, self.portion or len(turn.order), none, each)
        progress = state.step / self.plain.plan.total_steps
        params = self.plain.restore(state.params)

        def part(i: Any) -> jax.Array:
            batch, weight = gathered(self.plain.layout, rows, slots, order[i])
            keys, clip = RowKeys(turn.key, places[i]), self.mechanism.row_clip
            return clipped(self.plain.model, params, batch, weight, keys, progress, clip)

        # Places are kept for the largest of Poisson batches; the last ones are seldom taken.
        taken = jnp.max(jnp.where((order != none).any(1), jnp.arange(len(order)), 0)) + 1
        total = jax.lax.fori_loop(1, taken, lambda i, total: total + part(i), part(0))
        return jax.lax.psum(total, AXIS)  # type: ignore[no-untyped-call, no-any-return]


def _portions(order: jax.Array, portion: int, none: int, each: int) -> tuple[jax.Array, jax.Array]:
    """A device's share of a batch in parts (m, portion), filled up with `none`, and its rows' places in the batch.

    Subjects were dealt out to the devices in turn, `each` rows with each.
    """
    parts = -(-len(order) // portion)
    filled = jnp.pad(order, (0, parts * portion - len(order)), constant_values=none)
    subject = jnp.arange(len(filled)) * jax.lax.axis_size(AXIS) + jax.lax.axis_index(AXIS)
    places = subject[:, None] * each + jnp.arange(each)
    return filled.reshape(parts, portion), places.reshape(parts, portion * each)


def gathered(
    layout: tuple[CodeSpec, ...], rows: Packed, slots: jax.Array, order: jax.Array
) -> tuple[Batch, jax.Array]:
    """The rows of the subjects in a batch, and which of them are any: float32, 0 for padding."""
    which = slots[order].reshape(-1)
    batch = to_batch(layout, jax.tree.map(lambda a: a[jnp.maximum(which, 0)], rows))
    return batch, (which >= 0).astype(jnp.float32)


def clipped(
    model: Model,
    params: Params,
    batch: Batch,
    weight: jax.Array,
    keys: RowKeys,
    progress: jax.Array,
    clip: float,
) -> jax.Array:
    """The sum of clipped gradients, end to end: in one pass where the model allows, else example by example.

    What the loss draws for an example is drawn by its place in the batch, which depends on the other examples;
    as all places draw alike from secret randomness, it might as well have been drawn by the example.
    """
    try:
        total, _ = ghost.clipped_sum(lambda p: model.loss(p, batch, keys, progress), params, weight, clip)
    except WatchError as error:
        warnings.warn(
            f"gradients are clipped example by example, which is slow: {error}", PrivacyWarning, stacklevel=2
        )
        loss = partial(_loss_of_one, model, progress, keys.common)
        total, _ = per_example.clipped_sum(loss, params, (batch, keys.place), weight, clip)
    return joined(jax.tree.leaves(total))


def _loss_of_one(
    model: Model, progress: jax.Array, common: jax.Array, params: Params, example: tuple[Batch, jax.Array]
) -> jax.Array:
    row, place = jax.tree.map(lambda a: a[None], example)
    return model.loss(params, row, RowKeys(common, place), progress)[0]
