"""Layers. The only file that imports flax; parameters are plain nested dicts, keys are explicit.

No layer couples the examples of a batch (LayerNorm at most, never BatchNorm), so that per-example
gradients mean something; and `Dense`, `Norm` and the table's layers use their parameters by `affine` alone, so
that those gradients' norms can be told without the gradients.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxsynth.affine import added, dense, dense_last, lookup, offset, shifted
from jaxsynth.codec.groups import PADDING, Group

_WIDE = 64  # unordered columns with more codes than this get a learned embedding instead of a one-hot
_EMBEDDING = 16
_TIME_WAVES = 32  # features of the noise level
_RANK_WAVES = 8  # cosines of a noisy number's rank

Params = dict[str, Any]


def apply(module: nn.Module, params: Params, *inputs: jax.Array) -> Any:
    """The module's output under these parameters; nothing is mutated."""
    return module.apply({"params": params}, *inputs)


class Dense(nn.Module):
    """(b, in) -> (b, width)."""

    width: int
    bias: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        y = dense(self.param("kernel", nn.initializers.lecun_normal(), (x.shape[1], self.width), jnp.float32), x)
        return offset(self.param("bias", nn.initializers.zeros, (self.width,)), y) if self.bias else y


class Norm(nn.Module):
    """Each example of (b, n) to a mean of 0 and a variance of 1, then scaled and shifted (Ba et al. 2016)."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        scale = self.param("scale", nn.initializers.ones, (x.shape[1],))
        bias = self.param("bias", nn.initializers.zeros, (x.shape[1],))
        mean = x.mean(1, keepdims=True)
        variance = jnp.maximum(jnp.square(x).mean(1, keepdims=True) - jnp.square(mean), 0.0)
        return shifted(scale, bias, (x - mean) * jax.lax.rsqrt(variance + 1e-6))


class MLP(nn.Module):
    """Dense layers with ReLU between them; (b, in) -> (b, widths[-1]), no activation after the last."""

    widths: tuple[int, ...]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for i, width in enumerate(self.widths):
            x = Dense(width, name=f"dense{i}")(x)
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
        return lookup([table], own.T).swapaxes(0, 1)


class TableHeads(nn.Module):
    """Hidden (b, h) -> for each group, logits (g, width, b); and tilts (b, v) of the positions.

    Columns come first and rows last: products with the basis are then plain matrix products, one a column, and
    sums over the codes add whole vectors of rows. With rows first, a CPU takes several times as long.
    """

    groups: tuple[Group, ...]
    continuous: int

    @nn.compact
    def __call__(self, hidden: jax.Array) -> tuple[list[jax.Array], jax.Array]:
        widths = [len(g.index) * (g.width if g.basis is None else g.basis.shape[-1]) for g in self.groups]
        shape = (hidden.shape[1], sum(widths) + self.continuous)
        kernel = self.param("joint_kernel", nn.initializers.lecun_normal(), shape, jnp.float32)
        *parts, tilts = jnp.split(dense_last(kernel, hidden), np.cumsum(widths))
        return [self._logits(i, g, p) for i, (g, p) in enumerate(zip(self.groups, parts, strict=True))], tilts.T

    def _logits(self, i: int, group: Group, part: jax.Array) -> jax.Array:
        own = part.reshape(len(group.index), -1, part.shape[1])  # (g, f or width, b)
        if group.basis is not None:
            own = jnp.asarray(group.basis) @ own
        bias = self.param(f"bias{i}", lambda _: jnp.maximum(jnp.asarray(group.prior), -20.0))
        padding = jnp.where(jnp.asarray(group.prior) <= PADDING, PADDING, 0.0)
        return added(bias, own) + padding[..., None]


class TimedBlock(nn.Module):
    """A residual layer that knows the time: (b, w) and time features (b, f) -> (b, w).

    `keep` are factors of the hidden units, (b, inner) for dropout or (1, 1).
    """

    inner: int

    @nn.compact
    def __call__(self, x: jax.Array, time: jax.Array, keep: jax.Array) -> jax.Array:
        scale, shift = jnp.split(nn.Dense(2 * self.inner, name="time")(time), 2, axis=1)
        hidden = nn.Dense(self.inner, name="into")(nn.LayerNorm(name="norm")(x))
        hidden = nn.silu(hidden * (1 + scale) + shift) * keep
        return x + nn.Dense(x.shape[1], kernel_init=nn.initializers.zeros, name="out")(hidden)


class JointDenoiser(nn.Module):
    """What masked codes and noisy numbers were, from codes (b, d), numbers (b, v) and the log of the noise (b,).

    Gives logits (g, width, b) for each group of codes, and one output (b, v) for each number.
    `embedded` are the groups of the codes with one more code a column, the mask; `groups` those without it.
    Numbers enter as they are and by cosines of their rank, of unit variance; where `absent`, they enter as 0.
    `keep` (depth, b, 2 * width) or (depth, 1, 1) are factors of the hidden units.
    """

    embedded: tuple[Group, ...]
    groups: tuple[Group, ...]
    numbers: int
    width: int
    depth: int

    @nn.compact
    def __call__(
        self, codes: jax.Array, numbers: jax.Array, absent: jax.Array, log_noise: jax.Array, keep: jax.Array
    ) -> tuple[list[jax.Array], jax.Array]:
        wave = log_noise[:, None] * np.geomspace(0.2, 4.0, _TIME_WAVES // 2)
        time = jnp.concatenate([jnp.cos(wave), jnp.sin(wave)], axis=1)
        time = nn.silu(nn.Dense(2 * _TIME_WAVES, name="time")(time))
        rank = jax.scipy.special.ndtr(numbers)[..., None]
        waves = np.sqrt(2) * jnp.cos(np.pi * rank * np.arange(1, _RANK_WAVES + 1))
        seen = jnp.concatenate([numbers[..., None], waves], axis=2)
        seen = jnp.where(absent[..., None], 0.0, seen).reshape(len(numbers), -1)
        known = TableEmbed(self.embedded, name="embed")(codes, jnp.zeros((len(codes), 0)))
        x = nn.Dense(self.width, name="join")(jnp.concatenate([known, seen], axis=1))
        for i in range(self.depth):
            x = TimedBlock(2 * self.width, name=f"block{i}")(x, time, keep[i])
        return TableHeads(self.groups, self.numbers, name="heads")(nn.LayerNorm(name="norm")(x))


class SlotDense(nn.Module):
    """A dense layer of features and learned embeddings of slots: (b, f) and int (b, k) -> (b, width)."""

    slots: int
    embedding: int
    width: int

    @nn.compact
    def __call__(self, x: jax.Array, slot: jax.Array) -> jax.Array:
        table = self.param("slots", nn.initializers.normal(1.0), (self.slots, self.embedding), jnp.float32)
        # Two products, not one of both side by side: the slots' gradient would cost one as wide as the features'.
        own = Dense(self.width, bias=False, name="slot")(table[slot].reshape(len(x), -1))
        return Dense(self.width, name="dense")(x) + own


class LeakyMLP(nn.Module):
    """Dense layers, (b, in) -> (b, widths[-1]), a leaky ReLU before each, a LayerNorm before that if `norm`."""

    widths: tuple[int, ...]
    norm: bool

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for i, width in enumerate(self.widths):
            x = nn.leaky_relu(Norm(name=f"norm{i}")(x) if self.norm else x, 0.2)
            x = Dense(width, name=f"dense{i}")(x)
        return x
