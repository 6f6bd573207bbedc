"""The bootstrap of shares over clusters: rows that lie nearest one record share its luck and are drawn together.

Several synthetic rows near one training row are not so many observations; a bootstrap over rows takes them for
that and gives intervals that are too short. Resampling whole clusters (Davison and Hinkley 1997, section 3.8)
does not. Clusters with the same counts are alike, so only how many of each kind are drawn matters: a million
clusters cost no more than their few kinds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jaxsynth.audit.intervals import RESAMPLES, Floats, quantile

_AT_ONCE = 4_000_000  # drawn numbers held in memory


class Sample(NamedTuple):
    """Rows of one table.

    Attributes:
        clusters: the cluster of each row, non-negative. Int64 of shape (n,).
        hits: what is averaged, in halves: 0, 1/2 or 1. Float64 of shape (n,).
    """

    clusters: NDArray[np.int64]
    hits: Floats


def share_resamples(samples: Sequence[Sample], rng: np.random.Generator, resamples: int = RESAMPLES) -> Floats:
    """Draw the mean of each sample in bootstrap samples of the clusters that they have in common.

    Args:
        samples: s of them, each of at least one row; their cluster numbers mean the same.
        rng: where the draws come from.
        resamples: how many, r.

    Returns:
        Float64 of shape (s, r): resample i of all samples is of the same clusters. A sample of which no cluster
        was drawn has its mean.
    """
    counts = np.concatenate([_counts(samples, x) for x in samples])
    kinds, weights = _kinds(counts)
    chosen = weights / weights.sum()
    totals = np.empty((resamples, len(kinds)))
    step = max(1, _AT_ONCE // kinds.shape[1])
    for first in range(0, resamples, step):
        drawn = rng.multinomial(weights.sum(), chosen, min(step, resamples - first))
        totals[first : first + step] = drawn @ kinds.T
    sizes, hits = totals[:, 0::2].T, totals[:, 1::2].T
    means = np.array([x.hits.mean() for x in samples])[:, None]
    shares: Floats = np.divide(hits / 2, sizes, out=np.broadcast_to(means, sizes.shape).copy(), where=sizes > 0)
    return shares


def quantile_resamples(values: Sequence[Floats], clusters: Sequence[NDArray[np.int64]], p: float,
                       rng: np.random.Generator, resamples: int = RESAMPLES) -> Floats:  # fmt: skip
    """Draw the `p` quantile of each sample in bootstrap samples of the clusters that they have in common.

    A resample with more rows below the quantile than the sample has its quantile as much farther down (Bahadur
    1966): what is drawn are shares, and the quantiles are read off the sample itself. How much farther is told on
    the scale of square roots, on which shares of few rows spread alike wherever they lie.

    Args:
        values: s samples, each of at least one row.
        clusters: the clusters of their rows.
        p: which quantile.
        rng: where the draws come from.
        resamples: how many, r.

    Returns:
        Float64 of shape (s, r); see `share_resamples`.
    """
    ordered = [np.sort(x) for x in values]
    below = [x <= quantile(o, p) for x, o in zip(values, ordered, strict=True)]
    samples = [Sample(c, b.astype(np.float64)) for c, b in zip(clusters, below, strict=True)]
    drawn = share_resamples(samples, rng, resamples)
    moved = [np.sqrt(p) + np.sqrt(b.mean()) - np.sqrt(d) for b, d in zip(below, drawn, strict=True)]
    return np.stack([_at(o, np.square(np.maximum(m, 0))) for o, m in zip(ordered, moved, strict=True)])


def _at(ordered: Floats, p: Floats) -> Floats:
    places = np.ceil(len(ordered) * p - 1e-9).astype(np.int64) - 1
    return ordered[np.clip(places, 0, len(ordered) - 1)]


def _counts(samples: Sequence[Sample], sample: Sample) -> NDArray[np.int64]:
    """Rows and half hits of each cluster. Shape (2, clusters)."""
    size = 1 + max(int(x.clusters.max()) for x in samples)
    halves = np.bincount(sample.clusters, 2 * sample.hits, size)
    return np.stack([np.bincount(sample.clusters, minlength=size), halves.astype(np.int64)])


def _kinds(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Distinct columns that are not all zero, and how often each occurs. Shapes (c, kinds) and (kinds,)."""
    counts = counts[:, counts.any(axis=0)]
    key = np.zeros(counts.shape[1], np.int64)
    for row in counts:
        levels, code = np.unique(row, return_inverse=True)
        _, key = np.unique(key * len(levels) + code, return_inverse=True)
    _, first, weights = np.unique(key, return_index=True, return_counts=True)
    return counts[:, first], weights
