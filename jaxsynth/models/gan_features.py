"""What the critic sees of codes: fixed features, for drawn codes and for the probabilities they came from."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxsynth.codec.groups import Group

_WIDE = 64  # unordered columns with more codes show random signs instead of one-hots
_SIGNS = 32

Looks = NDArray[np.float32]  # (g, width, f), features of each code of a group's columns


def looks(group: Group) -> Looks | None:
    """Features of a group's codes: the smooth basis of ordered ones; None stands for one-hots."""
    if group.basis is not None or group.width <= _WIDE:
        return group.basis
    signs = np.random.default_rng(0).integers(0, 2, (len(group.index), group.width, _SIGNS))
    return np.asarray((2 * signs - 1) / np.sqrt(_SIGNS), np.float32)


def width(group: Group, look: Looks | None) -> int:
    """Features of a whole group, its columns side by side."""
    return len(group.index) * (group.width if look is None else look.shape[2])


def of_codes(group: Group, look: Looks | None, codes: jax.Array) -> jax.Array:
    """Features (g, b, f) of codes (g, b)."""
    if look is None:
        return jax.nn.one_hot(codes, group.width)
    return jnp.asarray(look)[np.arange(len(look))[:, None], codes]


def of_probabilities(look: Looks | None, p: jax.Array) -> jax.Array:
    """Mean features (g, b, f) under probabilities (g, b, width)."""
    return p if look is None else p @ jnp.asarray(look)


def side_by_side(parts: list[jax.Array]) -> jax.Array:
    """Features (g, b, f) of each group as one matrix (b, all features)."""
    return jnp.concatenate([p.transpose(1, 0, 2).reshape(p.shape[1], -1) for p in parts], axis=1)
