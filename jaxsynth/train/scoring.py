"""What is asked of a model between and after its steps: the loss on held-out rows, and calibration.

Its program is compiled in a thread beside the first chunk: XLA compiles a program of this kind on one core.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxsynth.codec.layout import CodeSpec
from jaxsynth.codec.packed import Packed
from jaxsynth.devices import compiled_ahead
from jaxsynth.models import Model, Params
from jaxsynth.models.base import to_batch
from jaxsynth.models.row_keys import RowKeys
from jaxsynth.train.plan import Plan

_BLOCK = 256  # rows computed at once
_MOST = 4096  # rows a call
CALIBRATION_ROWS = 16_384
_CELLS = 1 << 28  # probabilities a round of calibration computes at most: many codes are calibrated on fewer rows
_ROUNDS = 8  # of calibration


class Scoring(Protocol):
    """The program is compiled meanwhile: make it before what else has to be compiled, and ask it later."""

    def held_out(self, params: Params) -> float | None:
        """Mean loss on the held-out rows, with the same draws each time; None without such rows."""
        ...

    def calibrated(self, params: Params) -> Params:
        """Set to the training rows' frequencies, if the model can be."""
        ...

    def of(self, model: Model, held: Packed, kept: Packed, key: jax.Array) -> Scoring:
        """The same program for another fit of as many rows, whose model may differ in what it is calibrated to."""
        ...


def make_scoring(
    model: Model,
    layout: tuple[CodeSpec, ...],
    plan: Plan,
    held: Packed,
    kept: Packed,
    key: jax.Array,
) -> Scoring:
    """By likelihood where the model has one, else by the loss it is trained by; a game has neither.

    Args:
        model: the generator's functions.
        layout: what the columns of the rows are.
        plan: of the training.
        held: rows held out.
        kept: rows trained on.
        key: of the loss's draws.
    """
    if model.tally is not None:
        return _Likelihoods.make(model, layout, held, kept)
    return _Losses.make(model, layout, plan, held, key)


class _Part(NamedTuple):
    """Rows of one call, all calls alike; `weight` is 0 on the padding."""

    rows: Packed
    weight: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class _Likelihoods:
    """One program for both: it gives the rows' likelihoods and what calibration goes by."""

    model: Model
    layout: tuple[CodeSpec, ...]
    program: Callable[..., tuple[jax.Array, Params]]
    held: list[_Part]
    kept: list[_Part]

    @classmethod
    def make(cls, model: Model, layout: tuple[CodeSpec, ...], held: Packed, kept: Packed) -> _Likelihoods:
        parts = _likelihood_parts(layout, held, kept)
        like = jax.eval_shape(model.init, jax.random.key(0))
        program = compiled_ahead(lambda p, part: _tally(model, layout, p, part), like, parts[1][0])
        return cls(model, layout, program, *parts)

    def of(self, model: Model, held: Packed, kept: Packed, key: jax.Array) -> Scoring:
        del key
        return _Likelihoods(model, self.layout, self.program, *_likelihood_parts(self.layout, held, kept))

    def held_out(self, params: Params) -> float | None:
        if not self.held:
            return None
        logs = [np.asarray(self.program(params, part)[0])[part.weight > 0] for part in self.held]
        return -float(np.concatenate(logs).mean(dtype=np.float64))

    def calibrated(self, params: Params) -> Params:
        assert self.model.calibrate is not None
        once, rows = jax.jit(self.model.calibrate), sum(float(part.weight.sum()) for part in self.kept)
        for _ in range(_ROUNDS):
            tallies = [self.program(params, part)[1] for part in self.kept]
            params = once(params, jax.tree.map(lambda *own: sum(own), *tallies), rows)
        return params


def _likelihood_parts(layout: tuple[CodeSpec, ...], held: Packed, kept: Packed) -> tuple[list[_Part], list[_Part]]:
    """The calls for held-out rows, and those for the training rows that calibration goes by."""
    codes = sum(spec.size for spec in layout)
    known = take_evenly(kept, max(1, min(CALIBRATION_ROWS, _CELLS // codes)))
    size = min(_MOST, _padded(max(len(held.positions), 1)))
    return _parts(held, size), _parts(known, size)


def _tally(model: Model, layout: tuple[CodeSpec, ...], params: Params, part: _Part) -> tuple[jax.Array, Params]:
    """Likelihoods and tallies of the rows of a call, in blocks."""
    assert model.tally is not None
    tally = model.tally
    count = len(part.weight) // _BLOCK
    blocks = jax.tree.map(lambda a: a.reshape(count, _BLOCK, *a.shape[1:]), part)
    logs, sums = jax.lax.map(lambda block: tally(params, to_batch(layout, block.rows), block.weight), blocks)
    return logs.reshape(-1), jax.tree.map(lambda a: a.sum(0), sums)


@dataclass(frozen=True, eq=False)
class _Losses:
    """Held-out loss of a model without a likelihood."""

    program: Callable[..., jax.Array] | None
    held: Packed
    key: jax.Array

    @classmethod
    def make(cls, model: Model, layout: tuple[CodeSpec, ...], plan: Plan, held: Packed, key: jax.Array) -> _Losses:
        if not len(held.positions):
            return cls(None, held, key)
        like = jax.eval_shape(model.init, jax.random.key(0))
        loss = partial(_mean_loss, model, layout, plan.batch)
        return cls(compiled_ahead(loss, like, held, key), held, key)

    def of(self, model: Model, held: Packed, kept: Packed, key: jax.Array) -> Scoring:
        del model, kept
        return _Losses(self.program, held, key)

    def held_out(self, params: Params) -> float | None:
        return None if self.program is None else float(self.program(params, self.held, self.key))

    def calibrated(self, params: Params) -> Params:
        return params


def _mean_loss(
    model: Model, layout: tuple[CodeSpec, ...], batch: int, params: Params, rows: Packed, key: jax.Array
) -> jax.Array:
    """Mean over whole batches, at least one."""
    count = len(rows.positions)
    size = min(count, batch)

    def one(i: jax.Array) -> jax.Array:
        part = jax.tree.map(lambda a: jax.lax.dynamic_slice_in_dim(a, i * size, size), rows)
        keys = RowKeys(key, i * size + jnp.arange(size))
        return model.loss(params, to_batch(layout, part), keys, jnp.ones(())).mean()

    losses: jax.Array = jax.lax.map(one, jnp.arange(count // size))
    return losses.mean()


def _padded(rows: int) -> int:
    return -(-rows // _BLOCK) * _BLOCK


def _parts(rows: Packed, size: int) -> list[_Part]:
    """All rows, so many a call, the last filled up with copies of its last row."""
    count, out = len(rows.positions), []
    for start in range(0, count, size):
        own = np.arange(start, start + size)
        out.append(_Part(take(rows, np.minimum(own, count - 1)), (own < count).astype(np.float32)))
    return out


def take(rows: Packed, which: NDArray[np.int64]) -> Packed:
    """Some of the rows."""
    return Packed(tuple(c[which] for c in rows.codes), rows.positions[which])


def take_evenly(rows: Packed, most: int) -> Packed:
    """At most so many of the rows, evenly picked."""
    count = len(rows.positions)
    return take(rows, np.linspace(0, count - 1, min(count, most)).astype(np.int64))
