"""Drawing from the autoregressive model: column after column, in blocks of rows that stay in cache.

Columns that a row already knows are read and not drawn, so the others follow from them exactly. A condition
that leaves a choice (sets, ranges) is drawn first, from the model restricted to it; where several columns
have a choice, those draws are corrected by importance resampling (Rubin 1987) in a pool of candidates.

As in the network, columns come first and rows last; only what enters and leaves has rows first.
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
from jaxsynth.models.draw import draw_positions, invert, resample
from jaxsynth.models.ordered import OrderedNet, Span
from jaxsynth.models.uniforms import spread_uniforms

_ROWS = 256  # rows a walk: its features and hidden units stay in a core's cache
_POOL = 4  # candidates a row where several columns of a condition have a choice
_FEW = 16  # columns of one width up to which each gets a program of its own


_Arrays = TypeVar("_Arrays")  # a tree of arrays (d, n)


class _Column(NamedTuple):
    """What drawing one column needs, or several of a group stacked."""

    context: jax.Array  # (h, k) from the features before it, or (e, h) into the running sum
    scale: jax.Array | None  # (h,) of the running sum
    bias: jax.Array  # (h,)
    down: jax.Array  # (rank, h)
    down_bias: jax.Array  # (rank,)
    up: jax.Array  # (h, rank)
    head: jax.Array  # (width, h)
    head_bias: jax.Array  # (width,)
    tilt: jax.Array  # (h,)
    inputs: jax.Array  # (width, e)


class _At(NamedTuple):
    """A column's place, and the place of its first feature."""

    column: int
    feature: int


class _Walk(NamedTuple):
    """What a walk over the columns carries, for b rows."""

    state: jax.Array  # features of the cells known so far (k, b), or their running sum (h, b)
    codes: jax.Array  # int32 (d, b), model order
    tilts: jax.Array  # float32 (d, b)
    log_mass: jax.Array  # float32 (b,)


class _Given(NamedTuple):
    """What restricts a walk. Model order."""

    known: jax.Array  # bool (d, b): cells that are read
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
            return self._unconditioned(params, key, n)
        given_key, rest_key = jax.random.split(key)
        known = jnp.broadcast_to(condition.active, (n, len(self.layout)))
        codes = self._choose(params, given_key, n, condition)
        batch = Batch(codes, jnp.zeros((n, len(self.net.tilted))))
        uniforms_key, position_key = jax.random.split(rest_key)
        uniforms = spread_uniforms(uniforms_key, len(self.layout), n)
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

    def _unconditioned(self, params: Params, key: jax.Array, n: int) -> Batch:
        code_key, position_key = jax.random.split(key)
        columns = self._columns(params, full=False)

        def one(uniforms: jax.Array) -> _Walk:
            return self._walk(columns, uniforms, None, jnp.zeros(uniforms.shape, jnp.int32))

        walk = _in_blocks(one, spread_uniforms(code_key, len(self.layout), n))
        tilts = walk.tilts[self.net.tilted].T
        positions = draw_positions(position_key, tilts, jnp.zeros_like(tilts), jnp.ones_like(tilts))
        return self._batch(self._rows_first(walk.codes), positions)

    def _restricted(
        self, params: Params, key: jax.Array, n: int, condition: Condition
    ) -> tuple[jax.Array, jax.Array]:
        """The conditioned columns alone, each drawn among its allowed codes; and log p(allowed | earlier)."""
        columns = self._columns(params, full=True)
        allowed = self._allowed(condition)

        def one(uniforms: jax.Array) -> _Walk:
            none = jnp.zeros(uniforms.shape, jnp.bool_)
            given = _Given(none, ~condition.active[self.net.order], allowed)
            return self._walk(columns, uniforms, given, none.astype(jnp.int32))

        walk = _in_blocks(one, spread_uniforms(key, len(self.layout), n))
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
        columns = self._columns(params, full=True)
        allowed = self._allowed(condition)
        owner = np.array([i for i, s in enumerate(self.layout) if s.continuous], np.int64)

        def one(part: tuple[jax.Array, jax.Array, jax.Array]) -> _Walk:
            own_uniforms, codes, cells = part
            return self._walk(columns, own_uniforms, _Given(cells, cells.all(1), allowed), codes)

        walk = _in_blocks(one, (uniforms, batch.codes.T[self.net.order], known.T[self.net.order]))
        codes = self._rows_first(walk.codes)
        low, high = position_limits(self.layout, codes, condition)
        drawn = draw_positions(position_key, walk.tilts[self.net.tilted].T, low, high)
        return self._batch(codes, jnp.where(placed[:, owner], batch.positions, drawn))

    def _rows_first(self, codes: jax.Array) -> jax.Array:
        """Codes (d, n) in the model's order as (n, d) in the layout's."""
        return codes[np.argsort(self.net.order)].T

    def _batch(self, codes: jax.Array, positions: jax.Array) -> Batch:
        """Positions only where the code has one."""
        return Batch(codes, jnp.where(has_position(self.layout, codes), positions, 0.0))

    def _allowed(self, condition: Condition) -> list[jax.Array]:
        """Log of the allowed share of every code, (g, width) for each group; -inf-like where nothing is."""
        return [_log(jnp.asarray(weights(g, condition))[:, 0]) for g in self.groups]

    def _columns(self, params: Params, *, full: bool) -> list[list[_Column] | _Column]:
        """For each group its columns one by one, or stacked if they are many.

        Without known cells (`full` is False) a column's context ends where no earlier column can be.
        """
        out: list[list[_Column] | _Column] = []
        inputs, outputs = self.net.inputs(params), self.net.outputs(params)
        for s, span in enumerate(self.net.spans):
            for g in span.groups:
                count = len(self.groups[g].index)
                at = self.net.starts[g] - span.columns.start
                own = slice(at, at + count)
                deepen = params["deepen"][str(s)]
                context, scale, bias = self._context(params, span, own)
                stacked = _Column(
                    context=context,
                    scale=scale,
                    bias=bias,
                    down=deepen["down"][own],
                    down_bias=deepen["bias"][own],
                    up=deepen["up"][own],
                    head=outputs[g][0],
                    head_bias=outputs[g][1],
                    tilt=params["tilt"][str(s)][own],
                    inputs=inputs[g],
                )
                out.append(self._split(stacked, span, at, full=full))
        return out

    def _context(self, params: Params, span: Span, own: slice) -> tuple[jax.Array, jax.Array | None, jax.Array]:
        """Context, scale and bias of the columns `own` of a span; see `_Column`."""
        context, h = params["context"], span.sizes.hidden
        if not self.net.paired:
            return context["kernel"][own], context["scale"][own], context["bias"][own]
        units = slice(span.units.start + own.start * h, span.units.start + own.stop * h)
        kernel = context["kernel"][units].reshape(own.stop - own.start, h, -1)
        return kernel, None, context["bias"][units].reshape(-1, h)

    def _split(self, stacked: _Column, span: Span, at: int, *, full: bool) -> list[_Column] | _Column:
        """`at` is the first column's place in the span."""
        count, e = len(stacked.head), span.sizes.embedding
        before = [span.features.start + (at + i) * e for i in range(count)]
        cut = self.net.paired and not full
        if count > _FEW:
            return stacked._replace(context=stacked.context[:, :, : before[-1]]) if cut else stacked
        columns = [jax.tree.map(lambda a, i=i: a[i], stacked) for i in range(count)]
        return [c._replace(context=c.context[:, :k]) if cut else c for c, k in zip(columns, before, strict=True)]

    def _walk(
        self, columns: list[list[_Column] | _Column], uniforms: jax.Array, given: _Given | None, codes: jax.Array
    ) -> _Walk:
        """Visit the columns in order. Few columns of a width each get a program of their own, many share one."""
        d, b = codes.shape
        walk = _Walk(self._start(columns, codes, given), codes, jnp.zeros((d, b)), jnp.zeros(b))
        for span in self.net.spans:
            for g in span.groups:
                walk = self._visit_group(columns[g], span, g, uniforms, given, walk)
        return walk

    def _visit_group(
        self,
        own: list[_Column] | _Column,
        span: Span,
        g: int,
        uniforms: jax.Array,
        given: _Given | None,
        walk: _Walk,
    ) -> _Walk:
        first, e = self.net.starts[g], span.sizes.embedding
        place = span.features.start + (first - span.columns.start) * e

        def visit(i: int, walk: _Walk, column: _Column) -> _Walk:
            at = _At(first + i, place + i * e)
            if given is None:
                return self._visit(column, uniforms, None, None, at, walk)
            drawn = partial(self._visit, column, uniforms, given, given.allowed[g][i], at)
            return jax.lax.cond(given.skip[at.column], lambda w: w, drawn, walk)  # type: ignore[no-any-return]

        if isinstance(own, list):
            for i, column in enumerate(own):
                walk = visit(i, walk, column)
            return walk
        return jax.lax.fori_loop(  # type: ignore[no-any-return]
            0, len(own.head), lambda i, w: visit(i, w, jax.tree.map(lambda a: a[i], own)), walk
        )

    def _start(self, columns: list[list[_Column] | _Column], codes: jax.Array, given: _Given | None) -> jax.Array:
        """The state before the first column: features of the known cells."""
        b = codes.shape[1]
        if given is None:
            return jnp.zeros((self.net.features if self.net.paired else self.net.spans[0].sizes.hidden, b))
        features = self.net.lookup(_each(columns, "inputs"), codes)
        sizes = [s.sizes.embedding for s in self.net.spans for _ in s.columns]
        features = jnp.where(jnp.repeat(given.known, np.array(sizes), axis=0), features, 0.0)
        if self.net.paired:
            return features
        kernel = jnp.concatenate(_each(columns, "context"))  # (d, h, e)
        return jnp.einsum("dhe,deb->hb", kernel, features.reshape(len(kernel), -1, b))

    def _visit(
        self,
        w: _Column,
        uniforms: jax.Array,
        given: _Given | None,
        allowed: jax.Array | None,
        at: _At,
        walk: _Walk,
    ) -> _Walk:
        """Draw one column, and enter it into the walk."""
        h = self._hidden(w, walk.state)
        logits, mass = w.head @ h + w.head_bias[:, None], walk.log_mass
        known = None
        if given is not None and allowed is not None:
            known = given.known[at.column]
            inside = logits + allowed[:, None]
            share = jax.nn.logsumexp(inside, axis=0) - jax.nn.logsumexp(logits, axis=0)
            logits, mass = inside, mass + jnp.where(known, 0.0, share)
        code = invert(uniforms[at.column], jnp.exp(logits - logits.max(0)))
        if known is not None:
            code = jnp.where(known, walk.codes[at.column], code)
        return _Walk(
            state=self._extended(w, walk.state, code, known, at),
            codes=walk.codes.at[at.column].set(code),
            tilts=walk.tilts.at[at.column].set(w.tilt @ h),
            log_mass=mass,
        )

    def _hidden(self, w: _Column, state: jax.Array) -> jax.Array:
        """A column's hidden units (h, b), or (h, 1) where no column is before it."""
        if w.scale is not None:
            seen = w.scale[:, None] * state + w.bias[:, None]
        elif w.context.shape[1]:
            seen = w.context @ state[: w.context.shape[1]] + w.bias[:, None]
        else:
            seen = w.bias[:, None]
        h = jax.nn.relu(seen)
        return h + w.up @ jax.nn.relu(w.down @ h + w.down_bias[:, None])

    def _extended(
        self, w: _Column, state: jax.Array, code: jax.Array, known: jax.Array | None, at: _At
    ) -> jax.Array:
        """The state with the column's features in it."""
        features = w.inputs[code].T  # (e, b)
        if self.net.paired:
            return jax.lax.dynamic_update_slice_in_dim(state, features, at.feature, axis=0)
        new = features if known is None else jnp.where(known, 0.0, features)
        return state + w.context @ new


def _each(columns: list[list[_Column] | _Column], name: str) -> list[jax.Array]:
    """A field of all columns, stacked by group."""
    return [
        jnp.stack([getattr(c, name) for c in own]) if isinstance(own, list) else getattr(own, name)
        for own in columns
    ]


def _in_blocks(walk: Callable[[_Arrays], _Walk], rows: _Arrays) -> _Walk:
    """Walk arrays (d, n) in blocks of their last axis, one block after the other."""
    n = jax.tree.leaves(rows)[0].shape[1]
    b = min(_ROWS, n)
    blocks = -(-n // b)

    def cut(a: jax.Array) -> jax.Array:
        padded = jnp.pad(a, ((0, 0), (0, blocks * b - n)))
        return padded.reshape(len(a), blocks, b).transpose(1, 0, 2)

    out = jax.lax.map(walk, jax.tree.map(cut, rows))
    joined = jax.tree.map(lambda a: jnp.moveaxis(a, 0, -2), out)
    return jax.tree.map(lambda a: a.reshape(*a.shape[:-2], blocks * b)[..., :n], joined)  # type: ignore[no-any-return]


def _log(share: jax.Array) -> jax.Array:
    """Log, far below any logit where the share is nothing."""
    return jnp.where(share > 0, jnp.log(jnp.maximum(share, 1e-30)), 2 * PADDING)
