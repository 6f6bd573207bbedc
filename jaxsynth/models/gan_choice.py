"""Choices: one column and one of its levels a row, drawn on the device, and training rows that answer them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxsynth.codec.layout import CodeSpec
from jaxsynth.models.base import Batch, Condition
from jaxsynth.models.draw import invert
from jaxsynth.models.row_keys import RowKeys

_UNSEEN = 1e-9  # frequency of an allowed level that the training rows do not have


class Choice(NamedTuple):
    """What rows are asked to have: one level in one column each.

    Attributes:
        column: int32 (b,), which layout column; -1 if the table has none to choose from.
        level: int32 (b,), which of its codes.
        slot: int32 (b,), number of the pair among all pairs.
    """

    column: jax.Array
    level: jax.Array
    slot: jax.Array


class RowIndex(NamedTuple):
    """Training rows by column and level, in compressed sparse rows.

    Attributes:
        order: int32 (c, n), for each column of choice the row numbers sorted by its code.
        start: int32 (c, m + 1), where each level begins in them.
        rows: int32 (), how many rows there are.
    """

    order: jax.Array
    start: jax.Array
    rows: jax.Array


@dataclass(frozen=True, eq=False)
class Choices:
    """Which columns can be chosen and how often their levels occur.

    Attributes:
        columns: int32 (c,), layout columns of choice.
        offset: int32 (c,), slot of each column's first level.
        slots: pairs of column and level; at least 1.
        share: float32 (c, m), frequency of each level in the training rows, zero on padding.
    """

    columns: NDArray[np.int32]
    offset: NDArray[np.int32]
    slots: int
    share: NDArray[np.float32]

    @classmethod
    def make(cls, layout: tuple[CodeSpec, ...], columns: tuple[int, ...]) -> Choices:
        """Choices among the levels of these columns."""
        sizes = np.array([layout[i].size for i in columns], np.int64)
        share = np.zeros((len(columns), int(sizes.max(initial=1))), np.float32)
        for own, i in zip(share, columns, strict=True):
            own[: layout[i].size] = layout[i].counts / max(1, layout[i].counts.sum())
        return cls(
            columns=np.array(columns, np.int32),
            offset=np.concatenate([[0], np.cumsum(sizes)[:-1]])[: len(columns)].astype(np.int32),
            slots=max(1, int(sizes.sum())),
            share=share,
        )

    def index(self, rows: Batch) -> RowIndex:
        """Sort row numbers by code, one column of choice after the other."""
        own = rows.codes[:, self.columns].T
        levels = jnp.arange(self.share.shape[1] + 1)
        order = jnp.argsort(own, axis=1, stable=True).astype(jnp.int32)
        start = jax.vmap(lambda codes: jnp.searchsorted(jnp.sort(codes), levels))(own).astype(jnp.int32)
        return RowIndex(order, start, jnp.asarray(len(rows.codes), jnp.int32))

    def draw(self, key: jax.Array, n: int, condition: Condition | None = None) -> Choice:
        """A column uniformly, then a level by its true frequency.

        Under a condition the column is one of the conditioned ones if any of them can be chosen, and the
        level is an allowed one.
        """
        column_key, level_key = jax.random.split(key)
        return self.picked(jax.random.uniform(column_key, (n,)), jax.random.uniform(level_key, (n,)), condition)

    def picked(self, column: jax.Array, level: jax.Array, condition: Condition | None = None) -> Choice:
        """The same by uniforms (n,) each."""
        if not len(self.columns):
            return self._none(len(column))
        share = jnp.asarray(self.share)
        among = jnp.ones(len(self.columns))
        if condition is not None:
            among = condition.active[self.columns].astype(jnp.float32)
            among = jnp.where(among.any(), among, 1.0)
            share = jnp.where(condition.active[self.columns][:, None], self._allowed(condition), share)
        which = _pick(column, jnp.broadcast_to(among[:, None], (len(among), len(column))))
        return self._choice(which, _pick(level, share.T[:, which]))

    def draw_rows(self, index: RowIndex, keys: RowKeys, power: float) -> tuple[Choice, jax.Array]:
        """Training by sampling: a column uniformly, a level by a power of its frequency, a row uniformly.

        Args:
            index: of the training rows.
            keys: of as many choices.
            power: 1 draws levels as they occur, 0 all levels alike.
        """
        column, level, row = keys.split(3)
        if not len(self.columns):
            return self._none(len(keys.place)), _below(row, index.rows)
        counts = jnp.diff(index.start, axis=1)
        weight = jnp.where(counts > 0, jnp.maximum(counts, 1).astype(jnp.float32) ** power, 0.0)
        which = _below(column, jnp.asarray(len(self.columns)))
        own = _pick(level.each(jax.random.uniform), weight.T[:, which])
        place = index.start[which, own] + _below(row, counts[which, own])
        return self._choice(which, own), index.order[which, place]

    def _allowed(self, condition: Condition) -> jax.Array:
        """Frequencies (c, m) within the condition; allowed levels without training rows stay possible."""
        width = self.share.shape[1]
        weights = [condition.weight[i] for i in self.columns]
        return (jnp.asarray(self.share) + _UNSEEN) * jnp.stack([jnp.pad(w, (0, width - len(w))) for w in weights])

    def _choice(self, which: jax.Array, level: jax.Array) -> Choice:
        return Choice(jnp.asarray(self.columns)[which], level, jnp.asarray(self.offset)[which] + level)

    def _none(self, n: int) -> Choice:
        zero = jnp.zeros(n, jnp.int32)
        return Choice(zero - 1, zero, zero)


def _below(keys: RowKeys, most: jax.Array) -> jax.Array:
    """A number from 0 to below `most`, () or (n,), a row; int32 (n,)."""
    return (keys.each(jax.random.bits) % most.astype(jnp.uint32)).astype(jnp.int32)


def _pick(uniforms: jax.Array, weight: jax.Array) -> jax.Array:
    """One entry a column of `weight` (m, n), in proportion to it, by uniforms (n,)."""
    return invert(uniforms, weight).astype(jnp.int32)
