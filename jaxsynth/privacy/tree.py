"""Noisy histograms in a tree over a public range: coarse everywhere, fine where there is something to see.

Level by level, the nodes whose noisy count stands out of the noise are opened and their children counted, much as
in Zhang et al. 2016, "PrivTree". `consistency.py` says what the counts of all levels together mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jaxsynth.privacy.measurer import Measurer
from jaxsynth.privacy.query import Query
from jaxsynth.privacy.simplex import Floats

_BRANCHING = 4  # children of a node, about
_OPEN = 3.0  # standard deviations of noise from which a node is opened

Places = Callable[[pa.Table], NDArray[np.int64]]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The nodes of a tree.

    Attributes:
        leaves: cells of the finest partition, numbered from 0.
        branching: children of each node.
        depth: levels below the root.
    """

    leaves: int
    branching: int
    depth: int

    @classmethod
    def of(cls, leaves: int, branching: int = _BRANCHING) -> Shape:
        """The shape for so many leaves: as even as the branching comes near to what was asked."""
        depth = max(1, round(math.log(leaves, branching)))
        even = max(2, math.ceil(leaves ** (1 / depth) - 1e-9))
        return cls(leaves=leaves, branching=even, depth=depth)

    def width(self, level: int) -> int:
        """Leaves under a node of a level; the root is level 0."""
        return int(self.branching ** (self.depth - level))


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """The counted nodes of one level.

    Attributes:
        nodes: int64 (c,), their numbers, ascending; siblings side by side.
        noisy: float64 (c,), noisy counts.
        opened: bool (c,), whether the next layer has their children.
    """

    nodes: NDArray[np.int64]
    noisy: Floats
    opened: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Tree:
    """Noisy counts of a tree.

    Attributes:
        shape: its nodes.
        apart: float64 (a,), noisy counts of cells that lie on no leaf.
        layers: from the children of the root downwards.
        noise: standard deviation of every count.
    """

    shape: Shape
    apart: Floats
    layers: tuple[Layer, ...]
    noise: float


@dataclass(frozen=True, kw_only=True)
class Ask:
    """How a tree is asked for.

    Attributes:
        name: the column, for the record.
        places: table -> int64 (n,), the leaf of each row, or -1 - i for the i-th of the cells that lie on no leaf.
        apart: how many such there are.
        stage: the stage of the ledger that pays.
        part: the part of the stage, which the levels share equally.
    """

    name: str
    places: Places
    apart: int
    stage: str
    part: float


def measure_tree(ledger: Measurer, shape: Shape, ask: Ask) -> Tree:
    """Count the tree from the root down; how many levels are paid for does not depend on what is found."""
    part = ask.part / shape.depth
    parents, layers, apart, noise = np.zeros(1, np.int64), [], np.zeros(ask.apart), 0.0
    for level in range(1, shape.depth + 1):
        query = _level_query(shape, ask, level, parents, ledger.rows_per_subject)
        noise = ledger.noise(query, stage=ask.stage, part=part)
        noisy = ledger.measure(query, stage=ask.stage, part=part)
        if level == 1:
            apart, noisy = noisy[: ask.apart], noisy[ask.apart :]
        layer = _layer(shape, level, parents, noisy, _OPEN * noise)
        layers.append(layer)
        parents = layer.nodes[layer.opened]
        if not len(parents):
            break
    return Tree(shape=shape, apart=apart, layers=tuple(layers), noise=noise)


def _layer(shape: Shape, level: int, parents: NDArray[np.int64], noisy: Floats, threshold: float) -> Layer:
    nodes = _children(parents, shape.branching)
    opened = (noisy > threshold) & (nodes * shape.width(level) < shape.leaves) & (level < shape.depth)
    return Layer(nodes=nodes, noisy=noisy, opened=opened)


def _children(parents: NDArray[np.int64], branching: int) -> NDArray[np.int64]:
    return (parents[:, None] * branching + np.arange(branching)).ravel()


def _level_query(shape: Shape, ask: Ask, level: int, parents: NDArray[np.int64], rows_per_subject: int) -> Query:
    apart = ask.apart if level == 1 else 0
    size = apart + len(parents) * shape.branching

    def statistic(table: pa.Table) -> NDArray[np.int64]:
        places = ask.places(table)
        leaf = places[places >= 0]
        node, parent = leaf // shape.width(level), leaf // shape.width(level - 1)
        at = np.minimum(np.searchsorted(parents, parent), len(parents) - 1)
        slot = apart + at * shape.branching + node - parent * shape.branching
        seen = np.concatenate([slot[parents[at] == parent], -1 - places[places < 0] if apart else slot[:0]])
        return np.bincount(seen, minlength=size).astype(np.int64)

    return Query(
        name=f"histogram of {ask.name!r}, level {level}", sensitivity=float(rows_per_subject), statistic=statistic
    )
