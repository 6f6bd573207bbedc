"""Row numbers drawn from more rows than one would permute in memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def draw_rows(rows: int, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """`count` distinct numbers below `rows`, sorted, each set of them as likely: int64 (count,).

    Memory is as the count and not as the rows.
    """
    if 2 * count > rows:
        return np.delete(np.arange(rows), draw_rows(rows, rows - count, rng))
    drawn = np.empty(0, np.int64)
    while len(drawn) < count:  # what was drawn twice is drawn anew
        drawn = np.union1d(drawn, rng.integers(rows, size=count - len(drawn)))
    return drawn


def within(numbers: NDArray[np.int64], start: int, rows: int) -> NDArray[np.int64]:
    """Those of sorted row numbers that lie in `rows` rows from `start`, counted from there."""
    first, last = np.searchsorted(numbers, (start, start + rows))
    return numbers[first:last] - start
