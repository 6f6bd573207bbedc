"""Layers. The only file that imports flax; parameters are plain nested dicts, keys are explicit.

No layer couples the examples of a batch (LayerNorm at most, never BatchNorm), so that per-example
gradients mean something.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxsynth.codec.groups import PADDING, Group

_WIDE = 64  # unordered columns with more codes than this get a learned embedding instead of a one-hot
_EMBEDDING = 16

Params = dict[str, Any]


def apply(module: nn.Module, params: Params, *inputs: jax.Array) -> Any:
    """The module's output under these parameters; nothing is mutated."""
    return module.apply({"params": params}, *inputs)


class MLP(nn.Module):
    """Dense layers with ReLU between them; (b, in) -> (b, widths[-1]), no activation after the last."""

    widths: tuple[int, ...]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for i, width in enumerate(self.widths):
            x = nn.Dense(width, name=f"dense{i}")(x)
            if i + 1 < len(self.widths):
                x = nn.relu(x)
        return x


class TableEmbed(nn.Module):
    """Codes (b, columns) and positions (b, v) -> features (b, f).

    Ordered columns enter by their fixed smooth basis, narrow unordered ones as one-hots (the next dense
    layer is their embedding table), wide ones by a learned embedding.
    """

    groups: tuple[Group, ...]

    @nn.compact
    def __call__(self, codes: jax.Array, positions: jax.Array) -> jax.Array:
        parts = [positions - 0.5]
        for i, group in enumerate(self.groups):
            own = codes[:, np.array(group.index)]  # (b, g)
            parts.append(self._features(i, group, own).reshape(len(codes), -1))
        return jnp.concatenate(parts, axis=1)

    def _features(self, i: int, group: Group, own: jax.Array) -> jax.Array:
        columns = len(group.index)
        if group.basis is not None:
            return jnp.asarray(group.basis)[np.arange(columns), own]  # (b, g, f)
        if group.width <= _WIDE:
            return jax.nn.one_hot(own, group.width)  # (b, g, width)
        table = self.param(
            f"embedding{i}", nn.initializers.normal(0.3), (columns, group.width, _EMBEDDING), jnp.float32
        )
        return table[np.arange(columns), own]


class TableHeads(nn.Module):
    """Hidden (b, h) -> for each group, logits (g, b, width); and tilts (b, v) of the positions.

    Columns come first: products with the basis are then plain matrix products, one a column, and run
    twice as fast on a CPU as with rows first.
    """

    groups: tuple[Group, ...]
    continuous: int

    @nn.compact
    def __call__(self, hidden: jax.Array) -> tuple[list[jax.Array], jax.Array]:
        widths = [len(g.index) * (g.width if g.basis is None else g.basis.shape[-1]) for g in self.groups]
        joint = nn.Dense(sum(widths) + self.continuous, use_bias=False, name="joint")(hidden)
        *parts, tilts = jnp.split(joint, np.cumsum(widths), axis=1)
        return [self._logits(i, g, p) for i, (g, p) in enumerate(zip(self.groups, parts, strict=True))], tilts

    def _logits(self, i: int, group: Group, part: jax.Array) -> jax.Array:
        own = part.reshape(len(part), len(group.index), -1).transpose(1, 0, 2)  # (g, b, f or width)
        if group.basis is not None:
            own = own @ jnp.asarray(group.basis.transpose(0, 2, 1))
        bias = self.param(f"bias{i}", lambda _: jnp.maximum(jnp.asarray(group.prior), -20.0))
        padding = jnp.where(jnp.asarray(group.prior) <= PADDING, PADDING, 0.0)
        return own + (bias + padding)[:, None]
