"""Predicates on ranked tables: how many rows they match, and how to draw some that match a single row.

A predicate is a conjunction of ranges of ranks, such as "age >= 97 and unit = 'icu'"; equality is a range of one
rank, and so is "is null". Nothing here knows what a predicate is for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jaxsynth.audit.ranks import NULL, Ranks

Rng = np.random.Generator

_TOP = np.iinfo(np.int32).max
_BLOCK = 1 << 22
_SAMPLES = (64, 1024, 16384)
_ROUNDS = 50
_DRAWS = 10


@dataclass(frozen=True, eq=False)
class RankedTable:
    """A table of ranks with the order of each column.

    Attributes:
        ranks: int32 of shape (columns, rows).
        order: row positions by ascending rank, for each column. Int32 of the same shape.
        ordered: the ranks in that order.
        is_ordered: for each column, whether the order of its ranks means something.
    """

    ranks: Ranks
    order: Ranks
    ordered: Ranks
    is_ordered: NDArray[np.bool_]

    @classmethod
    def of(cls, columns: Sequence[Ranks], is_ordered: NDArray[np.bool_]) -> RankedTable:
        """Sort the columns. Each of shape (rows,)."""
        ranks = np.stack(columns)
        order = np.argsort(ranks, axis=1, kind="stable").astype(np.int32)
        return cls(ranks, order, np.take_along_axis(ranks, order, axis=1), is_ordered)

    def among(self, rows: NDArray[np.int64]) -> RankedTable:
        """Some of the rows."""
        return RankedTable.of(list(self.ranks[:, rows]), self.is_ordered)

    def __len__(self) -> int:
        return int(self.ranks.shape[1])


@dataclass(frozen=True, eq=False)
class Predicates:
    """Conjunctions of c conditions `low <= rank of column <= high`.

    Attributes:
        columns: which column each condition looks at, ascending in each predicate. Int64 of shape (q, c).
        low: int32 of shape (q, c).
        high: the same.
        rows: the row each predicate was made from, -1 for none. Int64 of shape (q,).
    """

    columns: NDArray[np.int64]
    low: Ranks
    high: Ranks
    rows: NDArray[np.int64]

    def among(self, chosen: slice | NDArray[np.int64] | NDArray[np.bool_]) -> Predicates:
        """Some of the predicates, by position or by mask."""
        return Predicates(self.columns[chosen], self.low[chosen], self.high[chosen], self.rows[chosen])

    def joined(self, other: Predicates) -> Predicates:
        """Those of both with the same number of conditions, each predicate once, where it came first."""
        both = Predicates(
            np.concatenate([self.columns, other.columns]),
            np.concatenate([self.low, other.low]),
            np.concatenate([self.high, other.high]),
            np.concatenate([self.rows, other.rows]),
        )
        _, first = np.unique(np.hstack([both.columns, both.low, both.high]), axis=0, return_index=True)
        return both.among(np.sort(first))

    def __len__(self) -> int:
        return len(self.rows)


def count_matches(predicates: Predicates, table: RankedTable) -> NDArray[np.int64]:
    """Count the rows that each predicate matches.

    The rows of a predicate's narrowest condition are read off the column's order, and only these are held
    against its other conditions.

    Returns:
        Int64 of shape (q,).
    """
    begin, end = _spans(predicates, table)
    by_width = np.argsort(end - begin, axis=1, kind="stable")
    begin, end, columns = (np.take_along_axis(a, by_width, axis=1) for a in (begin, end, predicates.columns))
    low, high = (np.take_along_axis(a, by_width, axis=1) for a in (predicates.low, predicates.high))
    sizes = end[:, 0] - begin[:, 0]
    if columns.shape[1] == 1:
        return sizes
    counts = np.zeros(len(predicates), np.int64)
    for part in _blocks(sizes):
        owner = np.repeat(part, sizes[part])
        first = np.repeat(begin[part, 0] - np.cumsum(sizes[part]) + sizes[part], sizes[part])
        rows = table.order[columns[owner, 0], first + np.arange(len(owner))]
        for j in range(1, columns.shape[1]):
            found = table.ranks[columns[owner, j], rows]
            kept = (low[owner, j] <= found) & (found <= high[owner, j])
            owner, rows = owner[kept], rows[kept]
        counts += np.bincount(owner, minlength=len(counts))
    return counts


def _spans(predicates: Predicates, table: RankedTable) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where in its column's order each condition begins and ends. Shapes (q, c)."""
    begin, end = (np.zeros(predicates.columns.shape, np.int64) for _ in range(2))
    for j, ordered in enumerate(table.ordered):
        here = predicates.columns == j
        begin[here] = np.searchsorted(ordered, predicates.low[here], "left")
        end[here] = np.searchsorted(ordered, predicates.high[here], "right")
    return begin, end


def _blocks(sizes: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Positions in runs of about `_BLOCK` rows together, so that memory does not grow with their number."""
    at = np.cumsum(sizes) // _BLOCK
    yield from np.split(np.arange(len(sizes)), np.flatnonzero(np.diff(at)) + 1)


def rare_values(table: RankedTable, n: int, rng: Rng) -> Predicates:
    """Draw predicates on one column that match one row: a value it alone has, or the least or greatest.

    Returns:
        At most `n`, in random order; fewer where the table has no more.
    """
    edges = [_edges(table, j) for j in range(len(table.ranks))]
    every = Predicates(*(np.concatenate(parts) for parts in zip(*edges, strict=True)))
    alone = np.flatnonzero(count_matches(every, table) == 1)
    return every.among(rng.permutation(alone)[:n])


def _edges(table: RankedTable, j: int) -> tuple[NDArray[np.int64], Ranks, Ranks, NDArray[np.int64]]:
    """Equality to each value of a column; if ordered, also at most the least and at least the greatest."""
    values, first = np.unique(table.ordered[j], return_index=True)
    low, high, at = values, values, first
    if table.is_ordered[j] and values[-1] != NULL:
        least = int(values[0] == NULL)
        low, high = np.append(low, [0, values[-1]]), np.append(high, [values[least], _TOP])
        at = np.append(at, [first[least], first[-1]])
    shape = (len(low), 1)
    return np.full(shape, j), low.reshape(shape), high.reshape(shape), table.order[j, at].astype(np.int64)


def rare_combinations(table: RankedTable, n: int, n_columns: int, rng: Rng) -> Predicates:
    """Draw predicates on several columns that match one row: random rows in random columns, see `_corners`.

    Returns:
        At most `n`, each once; fewer where 500 draws for every one wanted do not find
            them, or 10 in a row no new one.
    """
    # Most match several rows, and a few rows show it.
    mixed = rng.permutation(len(table))
    samples = [table.among(mixed[:size]) for size in _SAMPLES if size < len(table)]
    found = _corners(table, 0, n_columns, rng)
    for _ in range(_ROUNDS):
        drawn = _corners(table, _DRAWS * n, n_columns, rng)
        for sample in samples:
            drawn = drawn.among(count_matches(drawn, sample) <= 1)
        before = len(found)
        found = found.joined(drawn.among(count_matches(drawn, table) == 1))
        if len(found) >= n or len(found) == before:
            break
    return found.among(slice(n))


def _corners(table: RankedTable, n: int, n_columns: int, rng: Rng) -> Predicates:
    """Categories of random rows, and numbers as far or farther on the same side of the median."""
    rows, columns = rng.integers(len(table), size=n), _columns(table, n, n_columns, rng)
    medians = np.array([np.median(o[o != NULL]) if o[-1] != NULL else 0 for o in table.ordered])
    value, ordered = table.ranks[columns, rows[:, None]], table.is_ordered[columns]
    above = ordered & (value > medians[columns])
    below = ordered & ~above & (value != NULL)
    return Predicates(columns, np.where(below, 0, value), np.where(above, _TOP, value), rows)


def random_predicates(table: RankedTable, n: int, n_columns: int, rng: Rng) -> Predicates:
    """Draw random values of random columns: equal to them or, in ordered columns, bounded by them."""
    columns = _columns(table, n, n_columns, rng)
    value = np.zeros(columns.shape, np.int32)
    for j, ordered in enumerate(table.ordered):
        here = columns == j
        value[here] = rng.choice(np.unique(ordered), int(here.sum()))
    sort = np.where(table.is_ordered[columns] & (value != NULL), rng.integers(3, size=columns.shape), 0)
    return Predicates(columns, np.where(sort == 1, 0, value), np.where(sort == 2, _TOP, value), np.full(n, -1))


def _columns(table: RankedTable, n: int, n_columns: int, rng: Rng) -> NDArray[np.int64]:
    """Distinct random columns, ascending in each row. Shape (n, n_columns)."""
    return np.sort(np.argsort(rng.random((n, len(table.ranks))), axis=1)[:, :n_columns], axis=1)
