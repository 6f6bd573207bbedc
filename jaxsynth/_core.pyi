"""Exact nearest rows in mixed tables, and rows drawn from networks, in compiled code."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

def nearest(
    reference: Sequence[object],
    queries: Sequence[object],
    categorical: Sequence[bool],
    scale: NDArray[np.float64],
    null_cost: NDArray[np.float64],
    k: int,
    exclude_self: bool,
    threads: int,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Find the `k` nearest reference rows of every query row, exactly.

    The distance of two rows is the sum over the columns, in their order and in float64, of

    - `abs(a - b) * scale[j]` for a numeric column, each cell first converted to float64;
    - `scale[j]` for a categorical column if the codes differ, else 0;
    - `null_cost[j]` if one of the cells is null, and 0 if both are, in a column of either kind.

    A numeric column of scale 0 costs nothing between values. The result is the same, bit for bit, for
    every number of threads and on every processor. Ctrl-C ends a running search. Reads the Arrow
    buffers where they lie; memory for a float64 copy of both tables and for the result is needed,
    never for all pairs of rows.

    Args:
        reference: c columns of n rows, each an object with `__arrow_c_array__` such as a `pyarrow.Array`
            of int8 to int64, uint8 to uint64, float32 or float64; slices and nulls are fine.
        queries: the same c columns, in the same order, of q rows; a column's type may differ in width.
        categorical: (c,) whether the column holds category codes, compared for equality. Codes are
            integers of at most 2**53 in magnitude and mean the same category on both sides.
        scale: (c,) float64, finite and not negative.
        null_cost: (c,) float64, finite and not negative.
        k: how many neighbours, between 1 and n (n - 1 with `exclude_self`).
        exclude_self: query row i does not see reference row i; needs n == q.
        threads: how many threads to use; 0 means as many as the machine runs at once.

    Returns:
        (q, k) float64 distances and (q, k) int64 reference row numbers, each row ordered by
        (distance, row number), so that among equal distances the lowest row numbers are kept.

    Raises:
        ValueError: there are no columns; the numbers or lengths of columns disagree; a column exports
            no Arrow array, has another type, or is categorical with floats or with codes beyond 2**53;
            a numeric cell is NaN or infinite (the message names column and row); a scale or null cost
            is negative or not finite; `k` exceeds the rows that a query can see; `exclude_self` with
            tables of different lengths; `threads` is negative.
        TypeError: an argument cannot be converted to its declared type.
        MemoryError: the copies or the result do not fit.
        KeyboardInterrupt: Ctrl-C was pressed during the search.
    """

def walk_call() -> object | None:
    """The handler of the custom call that draws rows column by column, for `jax.ffi`, or None without one."""

def decoder_call() -> object | None:
    """The handler of the custom call that draws rows from a decoder, for `jax.ffi`, or None without one."""
