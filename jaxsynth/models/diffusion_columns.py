"""How a table's codes become what diffuses: masked codes, and numbers that are standard normal by construction.

An ordered column with positions, or with few rows a code, is one number: the normal quantile of its rank.
Its codes that stand alone (missing, inflated values) are states of a masked code beside that number. Every
other column is a masked code.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr, ndtri
from numpy.typing import NDArray

from jaxsynth.codec.layout import CodeSpec
from jaxsynth.models.base import Batch

_FEW = 16  # exact columns up to this many codes are masked codes however few the rows
_COMMON = 30  # rows from which a code's own feature is worth having beside the smooth ones
_FINEST = 1e-6  # ranks keep this distance from 0 and 1, where normal quantiles are infinite
_UNSEEN = 1e-3  # rows a code without training rows counts for, so that every code has a place


class Cells(NamedTuple):
    """Rows in the form that diffuses.

    Attributes:
        codes: int32 (b, d), masked codes before masking: codes of discrete columns and states of numbers.
        numbers: float32 (b, v), standard normal over the training rows; noise where the state has none.
    """

    codes: jax.Array
    numbers: jax.Array


@dataclass(frozen=True, eq=False)
class Tables:
    """What the codes of v numbers mean, a row a number, padded to m codes.

    Attributes:
        begin: float32 (v, m), rank at which each code begins among the regular codes.
        width: float32 (v, m), share of each code among them; 0 for special codes.
        place: bool (v, m), codes whose place inside is a position and not dequantisation.
        state_of: int32 (v, m), 0 for regular codes, else which special state a code is.
        code_of: int32 (v, s), the code of each state.
        edges: float32 (v, r), ranks between regular codes, increasing, padded with 2.
        regular: int32 (v, r + 1), regular codes in order of rank.
    """

    begin: NDArray[np.float32]
    width: NDArray[np.float32]
    place: NDArray[np.bool_]
    state_of: NDArray[np.int32]
    code_of: NDArray[np.int32]
    edges: NDArray[np.float32]
    regular: NDArray[np.int32]

    @classmethod
    def make(cls, specs: list[CodeSpec], special: list[NDArray[np.bool_]]) -> Tables:
        """For numbers and, for each, which of its codes no rank stands for."""
        v = len(specs)
        most = max((s.size for s in specs), default=1)
        states = 1 + max((int(s.sum()) for s in special), default=0)
        ranks = max((int((~s).sum()) for s in special), default=1)
        out = cls(
            begin=np.zeros((v, most), np.float32),
            width=np.zeros((v, most), np.float32),
            place=np.zeros((v, most), np.bool_),
            state_of=np.zeros((v, most), np.int32),
            code_of=np.zeros((v, states), np.int32),
            edges=np.full((v, ranks - 1), 2.0, np.float32),
            regular=np.zeros((v, ranks), np.int32),
        )
        for i, (spec, own) in enumerate(zip(specs, special, strict=True)):
            out._fill(i, spec, own)
        return out

    def _fill(self, i: int, spec: CodeSpec, special: NDArray[np.bool_]) -> None:
        regular = np.flatnonzero(~special)
        regular = regular[np.argsort(spec.rank[regular], kind="stable")]
        mass = spec.counts[regular] + _UNSEEN
        ends = np.cumsum(mass) / mass.sum()
        alone = np.flatnonzero(special)
        self.begin[i, regular] = np.concatenate([[0.0], ends[:-1]])
        self.width[i, regular] = mass / mass.sum()
        self.place[i, : spec.size] = spec.has_position
        self.state_of[i, alone] = 1 + np.arange(len(alone))
        self.code_of[i, 1 : 1 + len(alone)] = alone
        self.edges[i, : len(regular) - 1] = ends[:-1]
        self.regular[i] = np.pad(regular, (0, self.regular.shape[1] - len(regular)), mode="edge")


@dataclass(frozen=True, eq=False)
class Columns:
    """The way from a layout's codes and positions to `Cells` and back.

    Attributes:
        specs: the masked codes: discrete columns in layout order, then the states of numbers that have any.
        plain: which layout columns the first of `specs` are.
        numeric: which layout columns are numbers.
        stated: bool (v,), numbers that have a state.
        state: int (v,), which masked code holds a number's state; 0 where it has none.
        slot: int (v,), which position belongs to a number; 0 where it has none.
        owner: int (positions,), which of the numbers each position belongs to.
        tables: what the codes of the numbers mean.
    """

    specs: tuple[CodeSpec, ...]
    plain: tuple[int, ...]
    numeric: tuple[int, ...]
    stated: NDArray[np.bool_]
    state: NDArray[np.int64]
    slot: NDArray[np.int64]
    owner: NDArray[np.int64]
    tables: Tables

    @classmethod
    def make(cls, layout: tuple[CodeSpec, ...], rows_a_code: float) -> Columns:
        """Decide for each column what it is; `rows_a_code` as in `Diffusion`."""
        numeric = tuple(i for i, s in enumerate(layout) if _is_number(s, rows_a_code))
        plain = tuple(i for i in range(len(layout)) if i not in set(numeric))
        numbers = [layout[i] for i in numeric]
        special = [_special(s) for s in numbers]
        stated = np.array([bool(s.any()) for s in special], np.bool_)
        states = [_state_spec(s, own) for s, own in zip(numbers, special, strict=True) if own.any()]
        positions = [i for i, s in enumerate(layout) if s.continuous]
        return cls(
            specs=(*(_plain_spec(layout[i]) for i in plain), *states),
            plain=plain,
            numeric=numeric,
            stated=stated,
            state=np.where(stated, len(plain) + np.cumsum(stated) - 1, 0),
            slot=np.array([positions.index(i) if i in positions else 0 for i in numeric], np.int64),
            owner=np.array([numeric.index(i) for i in positions], np.int64),
            tables=Tables.make(numbers, special),
        )

    def encode(self, batch: Batch, inside: jax.Array) -> Cells:
        """Rows as they diffuse; uniforms (b, v) dequantise exact codes and fill numbers in a special state."""
        codes = batch.codes[:, np.array(self.plain, np.int64)]
        if not self.numeric:
            return Cells(codes, jnp.zeros((len(codes), 0)))
        own = batch.codes[:, np.array(self.numeric)]
        place = self._place(own, batch.positions, inside)
        column = np.arange(len(self.numeric))
        states = jnp.asarray(self.tables.state_of)[column, own]
        width = jnp.asarray(self.tables.width)[column, own]
        rank = jnp.where(states == 0, jnp.asarray(self.tables.begin)[column, own] + width * place, inside)
        numbers = ndtri(jnp.clip(rank, _FINEST, 1 - _FINEST))
        return Cells(jnp.concatenate([codes, states[:, self.stated]], axis=1), numbers)

    def _place(self, own: jax.Array, positions: jax.Array, inside: jax.Array) -> jax.Array:
        if not len(self.owner):
            return inside
        held = jnp.asarray(self.tables.place)[np.arange(len(self.numeric)), own]
        return jnp.where(held, positions[:, self.slot], inside)

    def decode(self, cells: Cells) -> Batch:
        """Codes and positions of finished rows; the inverse of `encode` up to dequantisation."""
        if not self.numeric:
            return Batch(cells.codes, jnp.zeros((len(cells.codes), 0)))
        column = np.arange(len(self.numeric))
        rank = ndtr(cells.numbers)
        order = jax.vmap(lambda e, u: jnp.searchsorted(e, u, side="right"), (0, 1), 1)(self.tables.edges, rank)
        code = jnp.asarray(self.tables.regular)[column, order]
        width = jnp.maximum(jnp.asarray(self.tables.width)[column, code], 1e-12)
        place = jnp.clip((rank - jnp.asarray(self.tables.begin)[column, code]) / width, 0.0, 1.0 - 2.0**-24)
        states = self.states(cells.codes)
        code = jnp.where(states > 0, jnp.asarray(self.tables.code_of)[column, states], code)
        place = jnp.where(jnp.asarray(self.tables.place)[column, code], place, 0.0)
        order_back = np.argsort(np.array([*self.plain, *self.numeric]))
        codes = jnp.concatenate([cells.codes[:, : len(self.plain)], code], axis=1)[:, order_back]
        return Batch(codes.astype(jnp.int32), place[:, self.owner])

    def states(self, codes: jax.Array) -> jax.Array:
        """The state of each number, (b, v), among masked codes (b, d); 0 where a number has no states."""
        if not len(self.specs):
            return jnp.zeros((len(codes), len(self.numeric)), codes.dtype)
        return jnp.where(self.stated, codes[:, self.state], 0)


def _is_number(spec: CodeSpec, rows_a_code: float) -> bool:
    if spec.continuous:
        return True
    regular = int((np.isfinite(spec.rank) & ~spec.free).sum())
    return regular > _FEW and spec.counts.sum() < rows_a_code * spec.size


def _special(spec: CodeSpec) -> NDArray[np.bool_]:
    """Codes that no rank stands for: missing, heavy ties, and exact values of a continuous column."""
    special = spec.free | ~np.isfinite(spec.rank)
    return special | ~spec.has_position if spec.continuous else special


def _state_spec(spec: CodeSpec, special: NDArray[np.bool_]) -> CodeSpec:
    counts = np.concatenate([[spec.counts[~special].sum()], spec.counts[special]])
    return _unordered(spec.name, counts)


def _unordered(name: str, counts: NDArray[np.int64]) -> CodeSpec:
    size = len(counts)
    return CodeSpec(name, counts, np.full(size, np.nan), np.ones(size, np.bool_), np.zeros(size, np.bool_))


def _plain_spec(spec: CodeSpec) -> CodeSpec:
    """Common codes get a feature of their own, and ranks are measured without the heavy ones."""
    ordered = np.isfinite(spec.rank)
    if not ordered.any():
        return spec
    mass = np.where(ordered & ~spec.free, spec.counts + _UNSEEN, 0.0)
    if not mass.any():
        return spec
    order = np.argsort(np.where(ordered, spec.rank, 2.0), kind="stable")
    rank = np.empty(spec.size)
    rank[order] = (np.cumsum(mass[order]) - mass[order] / 2) / mass.sum()
    return replace(spec, rank=np.where(ordered, rank, np.nan), free=spec.free | (spec.counts >= _COMMON))
