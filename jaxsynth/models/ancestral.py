"""Drawing from the autoregressive model: column after column.

Columns that a row already knows are read and not drawn, so the others follow from them exactly. A condition
that leaves a choice (sets, ranges) is drawn first, from the model restricted to it; where several columns
have a choice, those draws are corrected by importance resampling (Rubin 1987) in a pool of candidates.

As in the network, columns come first and rows last; only what enters and leaves has rows first.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from jaxsynth.codec.groups import PADDING, Group
from jaxsynth.codec.layout import CodeSpec
from jaxsynth.models import native_walk
from jaxsynth.models.base import Batch, Condition, Params
from jaxsynth.models.conditioning import has_position, position_limits, weights
from jaxsynth.models.draw import draw_positions, resample
from jaxsynth.models.ordered import OrderedNet
from jaxsynth.models.uniforms import spread_uniforms
from jaxsynth.models.walk import Given, Walked, Walker

_POOL = 4  # candidates a row where several columns of a condition have a choice


@dataclass(frozen=True, eq=False)
class Ancestral:
    """Sampling functions for one layout."""

    groups: tuple[Group, ...]
    layout: tuple[CodeSpec, ...]
    net: OrderedNet

    def sample(self, params: Params, key: jax.Array, n: int, condition: Condition | None) -> Batch:
        """Draw n rows; under a condition every row satisfies it."""
        if condition is None:
            return self.sample_block(params, key, 0, n)
        choose_key, uniforms_key, position_key = jax.random.split(key, 3)
        uniforms = spread_uniforms(uniforms_key, 0, len(self.layout), n)
        codes = self._choose(params, choose_key, uniforms, condition)
        batch = Batch(codes, jnp.zeros((n, len(self.net.tilted))))
        known = jnp.broadcast_to(condition.active, codes.shape)
        return self._complete(params, (uniforms, position_key), batch, known, known & False, condition)

    def complete(
        self, params: Params, key: jax.Array, batch: Batch, known: jax.Array, condition: Condition
    ) -> Batch:
        """Draw the cells of `batch` that `known` does not mark, given those it marks."""
        code_key, position_key = jax.random.split(key)
        # Independent: what is known may follow the rows' order, which spread uniforms have one of, too.
        uniforms = jax.random.uniform(code_key, known.T.shape)
        return self._complete(params, (uniforms, position_key), batch, known, known, condition)

    def log_mass(self, params: Params, key: jax.Array, n: int, condition: Condition) -> jax.Array:
        """Log importance weights of n draws of the conditioned columns; their mean weight is its probability."""
        return self._restricted(params, spread_uniforms(key, 0, len(self.layout), n), condition)[1]

    def _choose(self, params: Params, key: jax.Array, uniforms: jax.Array, condition: Condition) -> jax.Array:
        """Codes (n, d) of the conditioned columns, 0 elsewhere; from uniforms (d, n), if one a row will do."""
        draw_key, pick_key = jax.random.split(key)
        d, n = uniforms.shape
        open_ended = jnp.stack([(w > 0).sum() > 1 for w in condition.weight]) & condition.active

        def corrected() -> jax.Array:
            pool = spread_uniforms(draw_key, 0, d, _POOL * n)
            codes, log_mass = self._restricted(params, pool, condition)
            return codes[resample(pick_key, log_mass, n)]

        def direct() -> jax.Array:
            return self._restricted(params, uniforms, condition)[0]

        # Equalities alone, or one condition alone, leave all weights equal.
        codes: jax.Array = jax.lax.cond(open_ended.any() & (condition.active.sum() > 1), corrected, direct)
        return codes

    def sample_block(self, params: Params, key: jax.Array, block: jax.Array | int, n: int) -> Batch:
        """Draw block number `block` of n rows each of a stream; all its blocks share sequences of uniforms."""
        code_key, position_key = jax.random.split(key)
        position_key = jax.random.fold_in(position_key, block)
        uniforms = spread_uniforms(code_key, block, len(self.layout), n)
        walk = self._walk(params, uniforms, None, jnp.zeros(uniforms.shape, jnp.int32))
        tilts = walk.tilts[self.net.tilted].T
        share = jax.random.uniform(position_key, tilts.shape)
        positions = draw_positions(share, tilts, jnp.zeros_like(tilts), jnp.ones_like(tilts))
        return self._batch(self._rows_first(walk.codes), positions)

    def _restricted(
        self, params: Params, uniforms: jax.Array, condition: Condition
    ) -> tuple[jax.Array, jax.Array]:
        """The conditioned columns alone, each drawn among its allowed codes; and log p(allowed | earlier)."""
        given = Given(None, ~condition.active[self.net.order], self._allowed(condition), weigh=True)
        walk = self._walk(params, uniforms, given, jnp.zeros(uniforms.shape, jnp.int32))
        return self._rows_first(walk.codes), walk.log_mass

    def _complete(
        self,
        params: Params,
        randomness: tuple[jax.Array, jax.Array],
        batch: Batch,
        known: jax.Array,
        placed: jax.Array,
        condition: Condition,
    ) -> Batch:
        """From uniforms (d, n) and a key; `placed` marks the known cells whose positions are known too."""
        uniforms, position_key = randomness
        owner = np.array([i for i, s in enumerate(self.layout) if s.continuous], np.int64)
        cells = known.T[self.net.order]
        given = Given(cells, cells.all(1), self._allowed(condition))
        walk = self._walk(params, uniforms, given, batch.codes.T[self.net.order])
        codes = self._rows_first(walk.codes)
        low, high = position_limits(self.layout, codes, condition)
        share = jax.random.uniform(position_key, low.shape)
        drawn = draw_positions(share, walk.tilts[self.net.tilted].T, low, high)
        return self._batch(codes, jnp.where(placed[:, owner], batch.positions, drawn))

    def _walk(self, params: Params, uniforms: jax.Array, given: Given | None, codes: jax.Array) -> Walked:
        if native_walk.can(self.net):
            return native_walk.walk(self.net, params, uniforms, given, codes)
        return Walker(self.net).walk(params, uniforms, given, codes)

    def _rows_first(self, codes: jax.Array) -> jax.Array:
        """Codes (d, n) in the model's order as (n, d) in the layout's."""
        return codes[np.argsort(self.net.order)].T

    def _batch(self, codes: jax.Array, positions: jax.Array) -> Batch:
        """Positions only where the code has one."""
        return Batch(codes, jnp.where(has_position(self.layout, codes), positions, 0.0))

    def _allowed(self, condition: Condition) -> list[jax.Array]:
        """Log of the allowed share of every code, (g, width) for each group; -inf-like where nothing is."""
        return [_log(weights(g, condition)) for g in self.groups]


def _log(share: jax.Array) -> jax.Array:
    """Log, far below any logit where the share is nothing."""
    return jnp.where(share > 0, jnp.log(jnp.maximum(share, 1e-30)), 2 * PADDING)
