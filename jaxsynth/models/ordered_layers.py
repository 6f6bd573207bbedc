"""Layers of the autoregressive network, with columns first and rows last.

Each says where its parameters start (`start`) and maps arrays under given parameters when called. Starting
values of all layers come from one vector of normal numbers: a draw each would take longer to compile than a
small table takes to fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsynth.affine import Blocks, Param, added, by_column, masked, mixed, scaled
from jaxsynth.codec.groups import Group
from jaxsynth.models.base import Params

_FREE = 0.1  # weight of an ordered code's own part beside its smooth one


class Start(NamedTuple):
    """How an array of parameters starts: normal numbers."""

    shape: tuple[int, ...]
    scale: float = 0.0
    mean: float = 0.0


def draw_start(key: jax.Array, starts: Any) -> Params:
    """A tree of `Start` as a tree of float32 arrays."""
    leaves, tree = jax.tree.flatten(starts, is_leaf=lambda x: isinstance(x, Start))
    noise = jax.random.normal(key, (sum(prod(s.shape) for s in leaves),))
    out, at = [], 0
    for s in leaves:
        out.append(s.mean + s.scale * noise[at : at + prod(s.shape)].reshape(s.shape))
        at += prod(s.shape)
    return dict(jax.tree.unflatten(tree, out))


@dataclass(frozen=True, eq=False)
class CodeTables:
    """A learned vector for every code: for each group, (g, width, its features).

    Ordered columns: the fixed smooth basis times weights, plus a small free part, so that neighbouring codes
    share what they learn and codes that stand out can still differ.
    """

    groups: tuple[Group, ...]
    features: tuple[int, ...]
    scale: float

    def start(self) -> dict[str, Start]:
        """Starts of both parts."""
        starts = {}
        for i, (group, features) in enumerate(zip(self.groups, self.features, strict=True)):
            starts[f"free{i}"] = Start((len(group.index), group.width, features), self.scale)
            if group.basis is not None:
                shape = len(group.index), group.basis.shape[-1], features
                starts[f"smooth{i}"] = Start(shape, self.scale)
        return starts

    def __call__(self, params: Params) -> list[Param]:
        """The tables."""
        return [self._table(params, i, group) for i, group in enumerate(self.groups)]

    def _table(self, params: Params, i: int, group: Group) -> Param:
        free: Param = params[f"free{i}"]
        return free if group.basis is None else mixed(params[f"smooth{i}"], free, group.basis, _FREE)


@dataclass(frozen=True)
class PairedContext:
    """What each column sees of those before it, by weights of its own for every pair of columns.

    One matrix product: the order is folded into the weights.

    Attributes:
        features: of each column.
        units: of each column.
    """

    features: tuple[int, ...]
    units: tuple[int, ...]

    def start(self) -> dict[str, Start]:
        """Starts of the weights (all units, all features) and biases."""
        features, units = sum(self.features), sum(self.units)
        return {"kernel": Start((units, features), (2 / features) ** 0.5), "bias": Start((units,))}

    def __call__(self, params: Params, features: jax.Array, rank: jax.Array) -> jax.Array:
        """Features (all, b) -> units (all, b), each of which sees the features of columns of lower rank."""
        columns = np.arange(len(self.features))
        blocks = Blocks(rank < rank[:, None], np.repeat(columns, self.units), np.repeat(columns, self.features))
        return added(params["bias"], masked(params["kernel"], features, blocks))


@dataclass(frozen=True)
class SummedContext:
    """As `PairedContext` with weights that grow with the columns and not with their pairs, for wide tables.

    Every column adds one vector to a running sum in order of rank; each column reads the sum so far through a
    scale and a bias of its own (Larochelle and Murray 2011, the neural autoregressive estimator).
    """

    columns: int
    embedding: int
    hidden: int

    def start(self) -> dict[str, Start]:
        """Starts of what columns add, and of what they read."""
        shape = self.columns, self.hidden
        return {
            "kernel": Start((*shape, self.embedding), (2 / (self.columns * self.embedding)) ** 0.5),
            "scale": Start(shape, mean=1.0),
            "bias": Start(shape, 0.1),
        }

    def __call__(self, params: Params, features: jax.Array, rank: jax.Array) -> jax.Array:
        """Features (columns, e, b) and ranks (columns,) -> (columns, hidden, b)."""
        order = jnp.argsort(rank)
        adds = by_column(params["kernel"], features)

        def add(total: jax.Array, column: jax.Array) -> tuple[jax.Array, jax.Array]:
            return total + adds[column], total

        _, before = jax.lax.scan(add, jnp.zeros((self.hidden, features.shape[-1])), order)  # in rank order
        return added(params["bias"], scaled(params["scale"], before[jnp.argsort(order)]))


@dataclass(frozen=True)
class ColumnResidual:
    """A residual layer of low rank of its own for every column."""

    columns: int
    units: int
    rank: int

    def start(self) -> dict[str, Start]:
        """Starts of the way down, which has biases, and of the way up."""
        return {
            "down": Start((self.columns, self.rank, self.units), self.units**-0.5),
            "bias": Start((self.columns, self.rank)),
            "up": Start((self.columns, self.units, self.rank), 0.5 * self.rank**-0.5),
        }

    def __call__(self, params: Params, x: jax.Array) -> jax.Array:
        """(columns, units, b) -> the same shape."""
        inner = jax.nn.relu(added(params["bias"], by_column(params["down"], x)))
        return x + by_column(params["up"], inner)
