"""Conditions in the terms of grouped codes: what the generators that draw column by column share."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from jaxsynth.codec.groups import PADDING, Group
from jaxsynth.codec.layout import CodeSpec
from jaxsynth.models.base import Condition


def weights(group: Group, condition: Condition) -> jax.Array:
    """Allowed shares of a group's codes, (g, width), zero on padding."""
    rows = [jnp.pad(condition.weight[i], (0, group.width - len(condition.weight[i]))) for i in group.index]
    return jnp.stack(rows)


def probabilities(group: Group, logits: jax.Array, condition: Condition | None) -> jax.Array:
    """Probabilities (g, width, b) of codes within the condition; some allowed code is never below rounding."""
    if condition is None:
        return jax.nn.softmax(logits, axis=1)
    return jax.nn.softmax(
        logits + jnp.log(jnp.maximum(weights(group, condition), jnp.exp(PADDING)))[..., None], axis=1
    )


def log_inside(groups: tuple[Group, ...], logits: list[jax.Array], condition: Condition) -> list[jax.Array]:
    """For each group, log probability (g, b) that a conditioned column's code is allowed; 0 for the others."""
    out = []
    for group, own in zip(groups, logits, strict=True):
        inside = (jax.nn.softmax(own, axis=1) * weights(group, condition)[..., None]).sum(1)
        active = condition.active[np.array(group.index)]
        out.append(jnp.where(active[:, None], jnp.log(inside + 1e-30), 0.0))
    return out


def has_position(layout: tuple[CodeSpec, ...], codes: jax.Array) -> jax.Array:
    """Which codes (b, columns) carry a position, bool (b, v)."""
    own = [(i, s.has_position) for i, s in enumerate(layout) if s.continuous]
    columns = [jnp.asarray(holds)[codes[:, i]] for i, holds in own]
    return jnp.stack(columns, axis=1) if columns else jnp.zeros((len(codes), 0), jnp.bool_)


def position_limits(
    layout: tuple[CodeSpec, ...], codes: jax.Array, condition: Condition | None
) -> tuple[jax.Array, jax.Array]:
    """Where positions inside these codes may begin and end, both (b, v)."""
    owner = [i for i, s in enumerate(layout) if s.continuous]
    shape = (len(codes), len(owner))
    if condition is None or not owner:
        return jnp.zeros(shape), jnp.ones(shape)
    low = jnp.stack([condition.low[i][codes[:, i]] for i in owner], axis=1)
    return low, jnp.stack([condition.high[i][codes[:, i]] for i in owner], axis=1)
