"""What parameters met, for b examples, and the gradients that follow: one class a kind of map.

All are pytrees of arrays, so that they can leave a function that is traced.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import register_dataclass
from numpy.typing import NDArray

from jaxsynth.affine.columns import EXACT, FEW, all_square_sums, square_sums
from jaxsynth.affine.leaves import Leaf


class Use(Protocol):
    """What a parameter met. `delta` are the gradients by what came out of it.

    Attributes:
        rows: the axis of the examples in `delta`.
    """

    rows: ClassVar[int]

    def kept(self, keep: jax.Array) -> Use:
        """Nothing met by the examples that `keep`, bool (b,), leaves out: 0 times NaN would be NaN in a sum."""
        ...

    def squares(self, leaf: Leaf, delta: jax.Array) -> jax.Array:
        """Squared norm of each example's gradient by the parameters, (b,)."""
        ...

    def weighted(self, delta: jax.Array) -> jax.Array:
        """Sum of the examples' gradients by the value; weights are factors of `delta` already."""
        ...


def along(weights: jax.Array, like: jax.Array, axis: int) -> jax.Array:
    """Weights (b,) in a shape that goes with an array whose examples lie along an axis."""
    return jnp.expand_dims(weights, tuple(i for i in range(like.ndim) if i != axis % like.ndim))


@dataclass(frozen=True, eq=False)
class _Met:
    """The parameter met x, whose examples lie along `rows` too."""

    x: jax.Array
    rows: ClassVar[int] = -1

    def kept(self, keep: jax.Array) -> Self:
        return replace(self, x=jnp.where(along(keep, self.x, self.rows), self.x, 0.0))


@dataclass(frozen=True, eq=False)
class _Nothing:
    """The parameter was added."""

    rows: ClassVar[int] = -1

    def kept(self, keep: jax.Array) -> Self:
        del keep
        return self

    def squares(self, leaf: Leaf, delta: jax.Array) -> jax.Array:
        del leaf
        return all_square_sums(delta) if self.rows == -1 else jnp.square(delta).sum(1)

    def weighted(self, delta: jax.Array) -> jax.Array:
        return delta.sum(self.rows)


@register_dataclass
@dataclass(frozen=True, eq=False)
class Product(_Met):
    """(g, out, in) times x (g, in, b)."""

    def squares(self, leaf: Leaf, delta: jax.Array) -> jax.Array:
        return (leaf.squares(delta) * square_sums(self.x)).sum(0)

    def weighted(self, delta: jax.Array) -> jax.Array:
        if len(self.x) > FEW:
            return jnp.einsum("gob,gib->goi", delta, self.x)
        return jnp.stack([delta[i] @ self.x[i].T for i in range(len(self.x))])


@register_dataclass
@dataclass(frozen=True, eq=False)
class Dot(_Met):
    """(g, in) times x (g, in, b), summed over the inputs."""

    def squares(self, leaf: Leaf, delta: jax.Array) -> jax.Array:
        del leaf
        return (jnp.square(delta) * square_sums(self.x)).sum(0)

    def weighted(self, delta: jax.Array) -> jax.Array:
        return (self.x * delta[:, None]).sum(-1)


@register_dataclass
@dataclass(frozen=True, eq=False)
class Scale(_Met):
    """(...) times x (..., b), entry by entry."""

    def squares(self, leaf: Leaf, delta: jax.Array) -> jax.Array:
        del leaf
        return jnp.square(delta * self.x).sum(range(delta.ndim - 1))

    def weighted(self, delta: jax.Array) -> jax.Array:
        return (delta * self.x).sum(-1)


@register_dataclass
@dataclass(frozen=True, eq=False)
class ScaleFirst(_Met):
    """(n,) times x (b, n), entry by entry."""

    rows: ClassVar[int] = 0

    def squares(self, leaf: Leaf, delta: jax.Array) -> jax.Array:
        del leaf
        return jnp.square(delta * self.x).sum(1)

    def weighted(self, delta: jax.Array) -> jax.Array:
        return (delta * self.x).sum(0)


@register_dataclass
@dataclass(frozen=True, eq=False)
class Dense(_Met):
    """x (b, in) times (in, out)."""

    rows: ClassVar[int] = 0

    def squares(self, leaf: Leaf, delta: jax.Array) -> jax.Array:
        del leaf
        return jnp.square(self.x).sum(1) * jnp.square(delta).sum(1)

    def weighted(self, delta: jax.Array) -> jax.Array:
        return self.x.T @ delta


@register_dataclass
@dataclass(frozen=True, eq=False)
class DenseLast(_Met):
    """(in, out), transposed, times x (in, b)."""

    def squares(self, leaf: Leaf, delta: jax.Array) -> jax.Array:
        del leaf
        return jnp.square(self.x).sum(0) * jnp.square(delta).sum(0)

    def weighted(self, delta: jax.Array) -> jax.Array:
        return self.x @ delta.T


@register_dataclass
@dataclass(frozen=True, eq=False)
class Sum(_Nothing):
    """(...) added to (..., b)."""


@register_dataclass
@dataclass(frozen=True, eq=False)
class SumFirst(_Nothing):
    """(n,) added to (b, n)."""

    rows: ClassVar[int] = 0


@register_dataclass
@dataclass(frozen=True, eq=False)
class Lookup:
    """Rows of a table (columns, n, e) by codes (columns, b); what came out is (columns, b, e)."""

    codes: jax.Array
    table: jax.Array
    rows: ClassVar[int] = 1

    def kept(self, keep: jax.Array) -> Self:
        del keep
        return self

    def squares(self, leaf: Leaf, delta: jax.Array) -> jax.Array:
        own = leaf.row_squares(self.table.shape)[self._at]
        return (own * jnp.square(delta).sum(-1)).sum(0)

    def weighted(self, delta: jax.Array) -> jax.Array:
        return jnp.zeros_like(self.table).at[self._at].add(delta)

    @property
    def _at(self) -> tuple[Any, jax.Array]:
        return np.arange(len(self.codes))[:, None], self.codes


@register_dataclass
@dataclass(frozen=True, eq=False)
class Blocks:
    """Which weights between outputs and inputs count, by the columns that they belong to.

    Attributes:
        before: bool (d, d), whether column i reads column j.
        reader: int (out,), the column of each output.
        owner: int (in,), the column of each input.
    """

    before: jax.Array
    reader: NDArray[np.int64]
    owner: NDArray[np.int64]

    @property
    def sees(self) -> jax.Array:
        """Bool (out, in)."""
        return self.before[self.reader[:, None], self.owner]


@register_dataclass
@dataclass(frozen=True, eq=False)
class Masked(_Met):
    """(out, in) times x (in, b), by the weights that `blocks` lets count."""

    blocks: Blocks

    def squares(self, leaf: Leaf, delta: jax.Array) -> jax.Array:
        del leaf
        met, read = _sums(self.blocks.owner, self.x), _sums(self.blocks.reader, delta)
        before = self.blocks.before.astype(jnp.float32)
        return (read[: len(before)] * jnp.matmul(before, met, precision=EXACT)).sum(0)

    def weighted(self, delta: jax.Array) -> jax.Array:
        return jnp.where(self.blocks.sees, delta @ self.x.T, 0.0)


def _sums(column: NDArray[np.int64], values: jax.Array) -> jax.Array:
    """Sums of squares (d, b) of the rows (n, b) of each column."""
    own = jnp.asarray(np.arange(column.max() + 1)[:, None] == column, jnp.float32)
    return jnp.matmul(own, jnp.square(values), precision=EXACT)
