"""The measure that the noisy counts of a tree speak of: consistent between levels, and nowhere negative.

Weighted least squares over all levels, from the leaves up and from the root down (Hay et al. 2010, "Boosting the
accuracy of differentially private histograms through consistency"), the second pass onto non-negative counts.
"""

from __future__ import annotations

import numpy as np

from jaxsynth.privacy.histogram import Histogram
from jaxsynth.privacy.simplex import Floats, to_simplex
from jaxsynth.privacy.tree import Tree

_DOUBT = 0.5  # standard deviations taken off a node that is not opened: noise in the void would move the mean
_NOTHING = 1e-9  # variance of counts that are known to be zero


def consistent(tree: Tree, total: float) -> tuple[Floats, Histogram]:
    """The non-negative counts nearest to all noisy ones.

    Args:
        tree: noisy counts.
        total: how many rows there are.

    Returns:
        The counts of the cells that lie on no leaf, (a,), and the measure over the leaves.
    """
    shape, square = tree.shape, tree.noise**2
    estimates, variances = _upwards(tree)
    for layer, estimate in zip(tree.layers, estimates, strict=True):
        estimate[~layer.opened] -= _DOUBT * tree.noise
    top = np.concatenate([tree.apart, estimates[0]])
    variance = np.concatenate([np.full(len(tree.apart), square), variances[0]])
    settled = to_simplex(top[None], variance[None], np.array([total]))[0]
    apart, mass = settled[: len(tree.apart)], [settled[len(tree.apart) :]]
    for layer, z, v in zip(tree.layers[:-1], estimates[1:], variances[1:], strict=True):
        children = (-1, shape.branching)
        mass.append(to_simplex(z.reshape(children), v.reshape(children), mass[-1][layer.opened]).ravel())
    return apart, _cells(tree, mass)


def _upwards(tree: Tree) -> tuple[list[Floats], list[Floats]]:
    """Each node's best estimate from itself and all below it, and the variance of that."""
    estimates: list[Floats] = []
    variances: list[Floats] = []
    for level, layer in reversed(list(enumerate(tree.layers, 1))):
        inside = layer.nodes * tree.shape.width(level) < tree.shape.leaves
        z, v = np.where(inside, layer.noisy, 0.0), np.where(inside, tree.noise**2, _NOTHING)
        if estimates:
            below = estimates[0].reshape(-1, tree.shape.branching).sum(axis=1)
            spread = variances[0].reshape(-1, tree.shape.branching).sum(axis=1)
            own = v[layer.opened]
            v[layer.opened] = 1 / (1 / own + 1 / spread)
            z[layer.opened] = v[layer.opened] * (z[layer.opened] / own + below / spread)
        estimates.insert(0, z)
        variances.insert(0, v)
    return estimates, variances


def _cells(tree: Tree, mass: list[Floats]) -> Histogram:
    """The nodes that were not opened: they tile the range."""
    begin, end, kept = [], [], []
    for level, (layer, own) in enumerate(zip(tree.layers, mass, strict=True), 1):
        width, nodes = tree.shape.width(level), layer.nodes[~layer.opened]
        begin.append(nodes * width)
        end.append((nodes + 1) * width)
        kept.append(own[~layer.opened])
    first, last = np.concatenate(begin), np.minimum(np.concatenate(end), tree.shape.leaves)
    order = np.argsort(first, kind="stable")
    order = order[first[order] < tree.shape.leaves]
    edges = np.append(first[order], last[order[-1]])
    return Histogram(edges=edges, mass=np.concatenate(kept)[order])
