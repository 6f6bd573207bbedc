"""Alpha-precision and beta-recall: do generated rows lie where real ones do, and are real ones all covered.

Alaa et al. 2022, "How faithful is your synthetic data?", in the variant without a learned embedding that
published tables report: rows as points, numbers scaled to [0, 1] by the real table's range, categories
one-hot, Euclidean distance, 30 levels from 0 to 1.

* Alpha-precision. The ball around the real mean that holds a share a of the real rows should hold a share a of
  the generated ones. The figure is 1 - sum |share - a| / sum a over the levels.
* Beta-recall. A real row is covered if a generated row lies at least as near as its nearest other real row.
  At level b, a row counts if it is covered and its nearest generated row is among the share b of those
  nearest rows closest to the generated mean. The figure is 1 - sum |share - b| / sum b.

Distances are exact over all rows; the larger table is cut to the size of the smaller, as the definition asks.
A missing number stands at the real mean, with a category of its own that says it is missing.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxsynth.quality.frames import Frame, Frames

LEVELS = np.linspace(0.0, 1.0, 30)
_BLOCK = 512  # rows compared at a time: the block of distances stays below 150 MB at 70,000 rows

Squares = NDArray[np.float64]


@dataclass(frozen=True)
class Points:
    """A table as points.

    Attributes:
        numbers: float32 (n, p), scaled by the real table's range.
        codes: int32 (n, c), one-hot in spirit: two different codes are sqrt(2) apart.
    """

    numbers: NDArray[np.float32]
    codes: NDArray[np.int32]

    def take(self, rows: NDArray[np.int64]) -> Points:
        """Some of the rows."""
        return Points(self.numbers[rows], self.codes[rows])

    def __len__(self) -> int:
        return len(self.numbers)


def points(frames: Frames, real: Frame, frame: Frame) -> Points:
    """Lay out one table, scaled by `real`."""
    numbers: list[NDArray[np.float64]] = []
    codes: list[NDArray[np.int64]] = []
    for column in frames.columns:
        if not column.is_numeric:
            codes.append(frame.codes[column.name] + 1)
            continue
        known = real.numbers[column.name][~np.isnan(real.numbers[column.name])]
        low, width = (known.min(), np.ptp(known)) if len(known) else (0.0, 0.0)
        scaled = (frame.numbers[column.name] - low) / (width or 1.0)
        missing = np.isnan(scaled)
        centre = (known.mean() - low) / (width or 1.0) if len(known) else 0.0
        numbers.append(np.where(missing, centre, scaled))
        codes.append(missing.astype(np.int64))
    # Shaped from the rows, for a table may have no column of one of the kinds.
    return Points(
        np.array(numbers, np.float32).reshape(len(numbers), frame.rows).T,
        np.array(codes, np.int32).reshape(len(codes), frame.rows).T,
    )


def precision_recall(real: Points, synthetic: Points, *, seed: int) -> tuple[float, float]:
    """Alpha-precision and beta-recall, both at most 1."""
    size = min(len(real), len(synthetic))
    rng = np.random.default_rng(seed)
    real, synthetic = (p.take(np.sort(rng.permutation(len(p))[:size])) for p in (real, synthetic))
    return _alpha_precision(real, synthetic), _beta_recall(real, synthetic)


def _alpha_precision(real: Points, synthetic: Points) -> float:
    radii = np.quantile(_to_centre(real, real), LEVELS)
    distance = _to_centre(synthetic, real)
    return _closeness([(distance <= radius).mean() for radius in radii])


def _beta_recall(real: Points, synthetic: Points) -> float:
    own, _ = nearest(real, real, exclude_self=True)
    nearest_square, rows = nearest(real, synthetic)
    depth = _to_centre(synthetic, synthetic)[rows]
    radii = np.quantile(depth, LEVELS)
    covered = nearest_square <= own
    return _closeness([(covered & (depth <= radius)).mean() for radius in radii])


def _closeness(shares: list[float]) -> float:
    return float(1.0 - np.abs(np.array(shares) - LEVELS).sum() / LEVELS.sum())


def _to_centre(p: Points, of: Points) -> Squares:
    """Squared distance of each row of `p` to the mean of `of`. Shape (n,)."""
    square = np.square(p.numbers - of.numbers.mean(axis=0, dtype=np.float64)).sum(axis=1)
    for own, others in zip(p.codes.T, of.codes.T, strict=True):
        share = np.bincount(others, minlength=int(own.max(initial=0)) + 1) / len(of)
        square += 1.0 - 2.0 * share[own] + np.square(share).sum()
    # Rounded, so that a row equal to one on the ball's surface is inside whatever the order of its sums.
    return np.asarray(np.round(square, 10), np.float64)


def nearest(
    queries: Points, reference: Points, *, exclude_self: bool = False
) -> tuple[Squares, NDArray[np.int64]]:
    """Squared distance to the nearest row of `reference`, and that row; all pairs are compared."""
    count = len(queries)
    squares, rows = np.empty(count), np.empty(count, np.int64)
    columns = tuple(jnp.asarray(np.ascontiguousarray(a.T)) for a in (reference.numbers, _narrow(reference.codes)))
    for start in range(0, count, _BLOCK):
        stop = min(start + _BLOCK, count)
        block = queries.take(np.arange(start, start + _BLOCK) % count)
        distance = np.array(_squares((block.numbers, _narrow(block.codes)), columns))[: stop - start]
        at = np.arange(stop - start)
        if exclude_self:
            distance[at, at + start] = np.inf
        rows[start:stop] = distance.argmin(axis=1)
        squares[start:stop] = distance[at, rows[start:stop]]
    return squares, rows


def _narrow(codes: NDArray[np.int32]) -> NDArray[np.int16]:
    return codes.astype(np.int16)  # tables with more than 32,767 levels in a column are not compared here


@jax.jit
def _squares(
    block: tuple[jax.typing.ArrayLike, jax.typing.ArrayLike], columns: tuple[jax.Array, jax.Array]
) -> jax.Array:
    """Squared distances of a block to all reference rows. Shape (block, n), float32."""
    (numbers, codes), (others, other_codes) = (jnp.asarray(block[0]), jnp.asarray(block[1])), columns
    total = jnp.zeros((numbers.shape[0], others.shape[1]), jnp.float32)
    for i in range(others.shape[0]):
        total += jnp.square(numbers[:, i, None] - others[i][None])
    differ = jnp.zeros(total.shape, jnp.int16)
    for i in range(other_codes.shape[0]):
        differ += (codes[:, i, None] != other_codes[i][None]).astype(jnp.int16)
    return total + 2.0 * differ.astype(jnp.float32)
