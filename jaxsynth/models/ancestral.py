"""Drawing from the autoregressive model: column after column, in blocks of rows that stay in cache.

Columns that a row already knows are read and not drawn, so the others follow from them exactly. A condition
that leaves a choice (sets, ranges) is drawn first, from the model restricted to it; where several columns
have a choice, those draws are corrected by importance resampling (Rubin 1987) in a pool of candidates.

The uniforms of a block are a Latin hypercube: every row follows the model exactly, and the rows of a block
together follow its marginals more closely than independent draws would.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxsynth.codec.groups import PADDING, Group
from jaxsynth.codec.layout import CodeSpec
from jaxsynth.models.base import Batch, Condition, Params
from jaxsynth.models.conditioning import has_position, position_limits, weights
from jaxsynth.models.draw import draw_positions, pick_codes, resample, stratified
from jaxsynth.models.ordered import OrderedNet

_ROWS = 256  # rows a walk: its features and hidden units stay in a core's cache
_POOL = 4  # candidates a row where several columns of a condition have a choice
_FEW = 16  # columns of one width up to which each gets a program of its own


_Rows = TypeVar("_Rows")


class _Weights(NamedTuple):
    """Parameters arranged for one column after the other. Lists are by group."""

    inputs: list[jax.Array]  # (g, width, e)
    context: dict[str, jax.Array]
    deepen: jax.Array  # (d, hidden, hidden)
    deepen_bias: jax.Array  # (d, hidden)
    heads: list[tuple[jax.Array, jax.Array]]  # (g, hidden, width), (g, width)
    tilt: jax.Array  # (d, hidden), zero for columns without positions


class _Walk(NamedTuple):
    """What a walk over the columns carries, for b rows."""

    state: jax.Array  # features of the cells known so far (b, d, e), or their running sum (b, hidden)
    codes: jax.Array  # int32 (b, d), model order
    tilts: jax.Array  # float32 (b, d)
    log_mass: jax.Array  # float32 (b,)


class _Given(NamedTuple):
    """What restricts a walk. Model order."""

    known: jax.Array  # bool (b, d): cells that are read
    skip: jax.Array  # bool (d,): columns that are not visited
    allowed: list[jax.Array]  # float32 (g, width) for each group, log of the allowed share of each code


@dataclass(frozen=True, eq=False)
class Ancestral:
    """Sampling functions for one layout."""

    groups: tuple[Group, ...]
    layout: tuple[CodeSpec, ...]
    net: OrderedNet

    def sample(self, params: Params, key: jax.Array, n: int, condition: Condition | None) -> Batch:
        """Draw n rows; under a condition every row satisfies it."""
        if condition is None:
            weights = self._arrange(params)
            return _in_blocks(lambda k: self._draw(weights, k, min(_ROWS, n)), key, n)
        given_key, rest_key = jax.random.split(key)
        known = jnp.broadcast_to(condition.active, (n, len(self.layout)))
        codes = self._choose(params, given_key, n, condition)
        batch = Batch(codes, jnp.zeros((n, len(self.net.tilted))))
        return self._complete(params, rest_key, batch, known, known & False, condition)

    def complete(
        self, params: Params, key: jax.Array, batch: Batch, known: jax.Array, condition: Condition
    ) -> Batch:
        """Draw the cells of `batch` that `known` does not mark, given those it marks."""
        return self._complete(params, key, batch, known, known, condition)

    def log_mass(self, params: Params, key: jax.Array, n: int, condition: Condition) -> jax.Array:
        """Log importance weights of n draws of the conditioned columns; their mean weight is its probability."""
        return self._restricted(params, key, n, condition)[1]

    def _choose(self, params: Params, key: jax.Array, n: int, condition: Condition) -> jax.Array:
        """Codes (n, d) of the conditioned columns, 0 elsewhere."""
        draw_key, pick_key = jax.random.split(key)
        open_ended = jnp.stack([(w > 0).sum() > 1 for w in condition.weight]) & condition.active

        def corrected() -> jax.Array:
            codes, log_mass = self._restricted(params, draw_key, _POOL * n, condition)
            return codes[resample(pick_key, log_mass, n)]

        def direct() -> jax.Array:
            return self._restricted(params, draw_key, n, condition)[0]

        # Equalities alone, or one condition alone, leave all weights equal.
        codes: jax.Array = jax.lax.cond(open_ended.any() & (condition.active.sum() > 1), corrected, direct)
        return codes

    def _restricted(
        self, params: Params, key: jax.Array, n: int, condition: Condition
    ) -> tuple[jax.Array, jax.Array]:
        """The conditioned columns alone, each drawn among its allowed codes; and log p(allowed | earlier)."""
        weights = self._arrange(params)
        b = min(_ROWS, n)
        none = jnp.zeros((b, len(self.layout)), jnp.bool_)
        given = _Given(none, ~condition.active[self.net.order], self._allowed(condition))

        def one(k: jax.Array) -> tuple[jax.Array, jax.Array]:
            walk = self._walk(weights, k, b, given, none.astype(jnp.int32))
            return walk.codes[:, np.argsort(self.net.order)], walk.log_mass

        return _in_blocks(one, key, n)

    def _draw(self, weights: _Weights, key: jax.Array, b: int) -> Batch:
        code_key, position_key = jax.random.split(key)
        walk = self._walk(weights, code_key, b, None, jnp.zeros((b, len(self.layout)), jnp.int32))
        tilts = walk.tilts[:, self.net.tilted]
        positions = draw_positions(position_key, tilts, jnp.zeros_like(tilts), jnp.ones_like(tilts))
        return self._batch(walk.codes[:, np.argsort(self.net.order)], positions)

    def _complete(
        self,
        params: Params,
        key: jax.Array,
        batch: Batch,
        known: jax.Array,
        placed: jax.Array,
        condition: Condition,
    ) -> Batch:
        """`placed` marks the known cells whose positions are known too."""
        weights = self._arrange(params)
        n = len(known)
        b = min(_ROWS, n)
        owner = np.array([i for i, s in enumerate(self.layout) if s.continuous], np.int64)

        def one(part: tuple[jax.Array, Batch, jax.Array, jax.Array]) -> Batch:
            k, rows, cells, fixed = part
            code_key, position_key = jax.random.split(k)
            cells_ordered = cells[:, self.net.order]
            given = _Given(cells_ordered, cells_ordered.all(0), self._allowed(condition))
            walk = self._walk(weights, code_key, b, given, rows.codes[:, self.net.order])
            codes = walk.codes[:, np.argsort(self.net.order)]
            low, high = position_limits(self.layout, codes, condition)
            drawn = draw_positions(position_key, walk.tilts[:, self.net.tilted], low, high)
            return self._batch(codes, jnp.where(fixed[:, owner], rows.positions, drawn))

        keys = jax.random.split(key, -(-n // b))
        padded = jax.tree.map(lambda a: _pad(a, len(keys) * b), (batch, known, placed))
        parts = jax.tree.map(lambda a: a.reshape(len(keys), b, *a.shape[1:]), padded)
        out = jax.lax.map(one, (keys, *parts))
        return jax.tree.map(lambda a: a.reshape(len(keys) * b, *a.shape[2:])[:n], out)  # type: ignore[no-any-return]

    def _batch(self, codes: jax.Array, positions: jax.Array) -> Batch:
        """Positions only where the code has one."""
        return Batch(codes, jnp.where(has_position(self.layout, codes), positions, 0.0))

    def _allowed(self, condition: Condition) -> list[jax.Array]:
        """Log of the allowed share of every code, (g, width) for each group; -inf-like where nothing is."""
        return [_log(jnp.asarray(weights(g, condition))[:, 0]) for g in self.groups]

    def _arrange(self, params: Params) -> _Weights:
        tilt = jnp.zeros((len(self.layout), self.net.hidden)).at[self.net.tilted].set(params["tilt"])
        deepen = params["deepen"]
        return _Weights(
            inputs=self.net.inputs(params),
            context=params["context"],
            deepen=deepen["kernel"],
            deepen_bias=deepen["bias"],
            heads=self.net.outputs(params),
            tilt=tilt,
        )

    def _walk(self, w: _Weights, key: jax.Array, b: int, given: _Given | None, codes: jax.Array) -> _Walk:
        """Visit the columns in order. Few columns of a width each get a program of their own, many share one."""
        d = len(self.layout)
        uniforms = stratified(key, d, b)
        walk = _Walk(self._start(w, codes, given), codes, jnp.zeros((b, d)), jnp.zeros(b))
        for g, (group, at) in enumerate(zip(self.groups, self.net.starts, strict=True)):
            visit = partial(self._visit, w, uniforms, given, g)
            if len(group.index) <= _FEW:
                for i in range(len(group.index)):
                    walk = visit(at + i, walk, i, at + i)
            else:
                end = at + len(group.index)
                walk = jax.lax.fori_loop(
                    0, len(group.index), lambda i, x, v=visit, a=at, e=end: v(e, x, i, a + i), walk
                )
        return walk

    def _start(self, w: _Weights, codes: jax.Array, given: _Given | None) -> jax.Array:
        b, d = codes.shape
        size = w.inputs[0].shape[-1]
        if given is None:
            return jnp.zeros((b, d, size) if self.net.paired else (b, self.net.hidden))
        parts = []
        for group, at, table in zip(self.groups, self.net.starts, w.inputs, strict=True):
            own = codes[:, at : at + len(group.index)]
            parts.append(table[np.arange(len(group.index)), own])
        features = jnp.where(given.known[..., None], jnp.concatenate(parts, axis=1), 0.0)
        if self.net.paired:
            return features
        return jnp.einsum("bde,deh->bh", features, w.context["kernel"])

    def _visit(
        self,
        w: _Weights,
        uniforms: jax.Array,
        given: _Given | None,
        g: int,
        seen: int,
        walk: _Walk,
        i: int,
        j: int,
    ) -> _Walk:
        """Draw column j, the i-th of group g; without known cells only the first `seen` columns can matter."""
        if given is None:
            return self._visited(w, uniforms, None, g, seen, walk, i, j)
        d = len(self.layout)
        return jax.lax.cond(  # type: ignore[no-any-return]
            given.skip[j], lambda x: x, lambda x: self._visited(w, uniforms, given, g, d, x, i, j), walk
        )

    def _visited(
        self,
        w: _Weights,
        uniforms: jax.Array,
        given: _Given | None,
        g: int,
        seen: int,
        walk: _Walk,
        i: int,
        j: int,
    ) -> _Walk:
        h = jax.nn.relu(self._context(w, walk.state, seen, j))
        h = h + jax.nn.relu(h @ w.deepen[j] + w.deepen_bias[j])
        kernel, bias = w.heads[g]
        logits, mass = h @ kernel[i] + bias[i], walk.log_mass
        if given is not None:
            before = jax.nn.logsumexp(logits, axis=1)
            logits = logits + given.allowed[g][i]
            inside = jax.nn.logsumexp(logits, axis=1) - before
            mass = mass + jnp.where(given.known[:, j], 0.0, inside)
        code = pick_codes(uniforms[j][None], jax.nn.softmax(logits)[None])[0]
        if given is not None:
            code = jnp.where(given.known[:, j], walk.codes[:, j], code)
        return _Walk(
            state=self._extended(w, walk.state, w.inputs[g][i][code], given, j),
            codes=walk.codes.at[:, j].set(code),
            tilts=walk.tilts.at[:, j].set(h @ w.tilt[j]),
            log_mass=mass,
        )

    def _context(self, w: _Weights, state: jax.Array, seen: int, j: int) -> jax.Array:
        """What column j sees, (b, hidden)."""
        if not self.net.paired:
            return state * w.context["scale"][j] + w.context["bias"][j]
        kernel = w.context["kernel"][:seen, :, j].reshape(-1, self.net.hidden)
        return state[:, :seen].reshape(len(state), -1) @ kernel + w.context["bias"][j]

    def _extended(
        self, w: _Weights, state: jax.Array, features: jax.Array, given: _Given | None, j: int
    ) -> jax.Array:
        """The state with column j's features in it."""
        if self.net.paired:
            return state.at[:, j].set(features)
        new = features if given is None else jnp.where(given.known[:, j, None], 0.0, features)
        return state + new @ w.context["kernel"][j]


def _in_blocks(draw: Callable[[jax.Array], _Rows], key: jax.Array, n: int) -> _Rows:
    """`draw` for as many keys as n rows need, one block after the other; the first n rows."""
    b = min(_ROWS, n)
    out = jax.lax.map(draw, jax.random.split(key, -(-n // b)))
    return jax.tree.map(lambda a: a.reshape(a.shape[0] * a.shape[1], *a.shape[2:])[:n], out)  # type: ignore[no-any-return]


def _log(share: jax.Array) -> jax.Array:
    """Log, far below any logit where the share is nothing."""
    return jnp.where(share > 0, jnp.log(jnp.maximum(share, 1e-30)), 2 * PADDING)


def _pad(a: jax.Array, rows: int) -> jax.Array:
    return jnp.pad(a, [(0, rows - len(a))] + [(0, 0)] * (a.ndim - 1))
