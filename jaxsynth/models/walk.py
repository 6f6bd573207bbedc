"""The walk over the columns as XLA runs it, for accelerators, wide tables and builds without the native one.

In blocks of rows that stay in cache; columns come first and rows last, as in the network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxsynth.models.base import Params
from jaxsynth.models.copying import NONE, raised
from jaxsynth.models.draw import invert
from jaxsynth.models.ordered import OrderedNet, Span

_ROWS = 256  # rows a block: their features and hidden units stay in a core's cache
_FEW = 16  # columns of one width up to which each gets a program of its own

_Arrays = TypeVar("_Arrays")  # a tree of arrays (d, n)


class Given(NamedTuple):
    """What restricts a walk. Model order.

    Attributes:
        known: bool (d, n), cells that are read and not drawn; None if there are none.
        skip: bool (d,), columns that are not visited.
        allowed: float32 (g, width) for each group, log of the allowed share of each code; None if all are.
        weigh: whether the probability of what is allowed is asked for.
    """

    known: jax.Array | None
    skip: jax.Array
    allowed: list[jax.Array] | None
    weigh: bool = False


class Walked(NamedTuple):
    """What a walk gives.

    Attributes:
        codes: int32 (d, n), model order.
        tilts: float32 (d, n), of continuous columns.
        log_mass: float32 (n,), log probability that the drawn cells are allowed, if asked for.
    """

    codes: jax.Array
    tilts: jax.Array
    log_mass: jax.Array


class _Copied(NamedTuple):
    """A column's gates, or those of several stacked; see `copying.Copying`."""

    kernel: jax.Array  # (k, h)
    bias: jax.Array  # (k,)
    sources: jax.Array  # int (k,)
    codes: jax.Array  # int32 (k, codes of a source)


class _Column(NamedTuple):
    """What drawing one column needs, or several of a group stacked."""

    context: jax.Array  # (h, k) from the features before it, or (h, e) into the running sum
    scale: jax.Array | None  # (h,) of the running sum
    bias: jax.Array  # (h,)
    down: jax.Array  # (rank, h)
    down_bias: jax.Array  # (rank,)
    up: jax.Array  # (h, rank)
    head: jax.Array  # (width, h)
    head_bias: jax.Array  # (width,)
    tilt: jax.Array  # (h,)
    inputs: jax.Array  # (width, e)
    copying: _Copied | None


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


@dataclass(frozen=True, eq=False)
class Walker:
    """Walks of one network."""

    net: OrderedNet

    def walk(self, params: Params, uniforms: jax.Array, given: Given | None, codes: jax.Array) -> Walked:
        """Draw a code for every cell (d, n) from its uniform; `codes` hold the known ones."""
        full = given is not None and given.known is not None
        columns = self._columns(params, full=full)

        def one(part: tuple[jax.Array, jax.Array, jax.Array | None]) -> _Walk:
            own_uniforms, own_codes, known = part
            own = None if given is None else given._replace(known=known)
            return self._walk(columns, own_uniforms, own, own_codes)

        walk = _in_blocks(one, (uniforms, codes, None if given is None else given.known))
        return Walked(walk.codes, walk.tilts, walk.log_mass)

    def _columns(self, params: Params, *, full: bool) -> list[list[_Column] | _Column]:
        """For each group its columns one by one, or stacked if they are many.

        Without known cells (`full` is False) a column's context ends where no earlier column can be.
        """
        out: list[list[_Column] | _Column] = []
        inputs, outputs = self.net.vectors(params), self.net.outputs(params)
        for s, span in enumerate(self.net.spans):
            for g in span.groups:
                count = len(self.net.groups[g].index)
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
                    copying=self._copying(params, g),
                )
                out.append(self._split(stacked, span, at, full=full))
        return out

    def _copying(self, params: Params, g: int) -> _Copied | None:
        own = self.net.copying[g]
        if not own.count:
            return None
        gates = params["copying"][str(g)]
        return _Copied(gates["kernel"], gates["bias"], jnp.asarray(own.sources), jnp.asarray(own.codes))

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
        self, columns: list[list[_Column] | _Column], uniforms: jax.Array, given: Given | None, codes: jax.Array
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
        given: Given | None,
        walk: _Walk,
    ) -> _Walk:
        first, e = self.net.starts[g], span.sizes.embedding
        place = span.features.start + (first - span.columns.start) * e

        def visit(i: int, walk: _Walk, column: _Column) -> _Walk:
            at = _At(first + i, place + i * e)
            if given is None:
                return self._visit(column, uniforms, None, None, at, walk)
            allowed = None if given.allowed is None else given.allowed[g][i]
            drawn = partial(self._visit, column, uniforms, given, allowed, at)
            return jax.lax.cond(given.skip[at.column], lambda w: w, drawn, walk)  # type: ignore[no-any-return]

        if isinstance(own, list):
            for i, column in enumerate(own):
                walk = visit(i, walk, column)
            return walk
        return jax.lax.fori_loop(  # type: ignore[no-any-return]
            0, len(own.head), lambda i, w: visit(i, w, jax.tree.map(lambda a: a[i], own)), walk
        )

    def _start(self, columns: list[list[_Column] | _Column], codes: jax.Array, given: Given | None) -> jax.Array:
        """The state before the first column: features of the known cells."""
        b = codes.shape[1]
        if given is None or given.known is None:
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
        given: Given | None,
        allowed: jax.Array | None,
        at: _At,
        walk: _Walk,
    ) -> _Walk:
        """Draw one column, and enter it into the walk."""
        h = self._hidden(w, walk.state)
        logits, mass = w.head @ h + w.head_bias[:, None], walk.log_mass
        if w.copying is not None:
            logits = self._raised(w.copying, logits, h, given, at, walk)
        known = None if given is None or given.known is None else given.known[at.column]
        if given is not None and allowed is not None:
            inside = logits + allowed[:, None]
            if given.weigh:
                share = jax.nn.logsumexp(inside, axis=0) - jax.nn.logsumexp(logits, axis=0)
                mass = mass + (share if known is None else jnp.where(known, 0.0, share))
            logits = inside
        code = invert(uniforms[at.column], jnp.exp(logits - logits.max(0)))
        if known is not None:
            code = jnp.where(known, walk.codes[at.column], code)
        return _Walk(
            state=self._extended(w, walk.state, code, known, at),
            codes=walk.codes.at[at.column].set(code),
            tilts=walk.tilts.at[at.column].set(w.tilt @ h),
            log_mass=mass,
        )

    def _raised(
        self, w: _Copied, logits: jax.Array, h: jax.Array, given: Given | None, at: _At, walk: _Walk
    ) -> jax.Array:
        """Logits with those of the values of the copied columns raised, where these come before or are known."""
        seen = (w.sources < at.column)[:, None]
        if given is not None:
            seen = seen & ~given.skip[w.sources][:, None] if given.known is None else seen | given.known[w.sources]
        wanted = jnp.take_along_axis(w.codes, walk.codes[w.sources], axis=1)
        gates = jnp.broadcast_to(w.kernel @ h + w.bias[:, None], wanted.shape)
        every = jnp.broadcast_to(logits, (len(logits), wanted.shape[1]))
        return raised(every, gates, jnp.where(seen, wanted, NONE))

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
