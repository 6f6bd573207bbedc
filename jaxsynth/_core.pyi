"""Compiled code: exact nearest rows in mixed tables, rows drawn and decoded, and noise for privacy."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

class Tables:
    """Two tables of the same columns, and what a difference costs in each. The Arrow arrays are kept, not copied.

    The distance of two rows is the sum over the columns, in their order and in float64, of

    - `abs(a - b) * scale[j]` for a numeric column, each cell first converted to float64;
    - `scale[j]` for a categorical column if the codes differ, else 0;
    - `null_cost[j]` if one of the cells is null, and 0 if both are, in a column of either kind.

    A numeric column of scale 0 costs nothing between values. Every result is the same, bit for bit, for
    every number of threads, index and processor. Ctrl-C ends a running search. Beside the result a search
    needs a byte a categorical column and four a numeric one for every reference row, and five more.

    Args:
        reference: c columns of n rows, each an object with `__arrow_c_array__` such as a `pyarrow.Array`
            of int8 to int64, uint8 to uint64, float32 or float64; slices and nulls are fine.
        queries: the same c columns, in the same order, of q rows; a column's type may differ in width.
        categorical: (c,) whether the column holds category codes, compared for equality. Codes are
            integers of at most 2**53 in magnitude and mean the same category on both sides.
        scale: (c,) float64, finite and not negative.
        null_cost: (c,) float64, finite and not negative.
        threads: how many threads to use; 0 means as many as the machine runs at once.

    Raises:
        ValueError: by any method: there are no columns; the numbers or lengths of columns disagree; a column
            exports no Arrow array, has another type, or is categorical with floats or with codes beyond 2**53;
            a numeric cell is NaN or infinite (the message names column and row); a scale or null cost is
            negative or not finite; `threads` is negative; n is 2**32 or more; the environment variable
            JAXSYNTH_ISA names no instruction set that runs here.
        TypeError: an argument cannot be converted to its declared type.
        MemoryError: the encoded rows or the result do not fit.
        KeyboardInterrupt: Ctrl-C was pressed during a search.
    """

    def __init__(
        self,
        reference: Sequence[object],
        queries: Sequence[object],
        categorical: Sequence[bool],
        scale: NDArray[np.float64],
        null_cost: NDArray[np.float64],
        threads: int,
    ) -> None: ...
    def nearest(
        self, k: int, parts: Sequence[int], exclude_self: bool, index: str
    ) -> tuple[NDArray[np.float64], NDArray[np.int64], str, str]:
        """Find the `k` nearest rows in each part of the reference, exactly.

        Args:
            k: how many neighbours, between 1 and the rows of the smallest part.
            parts: the rows of each consecutive part of the reference; they add up to n.
            exclude_self: query row i does not see reference row i; the first part has q rows.
            index: "scan", "tree", or "auto" for what costs less.

        Returns:
            (q, parts, k) float64 distances and (q, parts, k) int64 reference row numbers, ordered by (distance,
            row number), so that among equal distances the lowest row numbers are kept; the index that was used,
            and the instruction set.

        Raises:
            ValueError: also if `k` exceeds the rows that a query can see, `parts` do not add up, or `index` is
                another word.
        """

    def within(
        self, radii: NDArray[np.float64], exclude_self: bool, index: str
    ) -> tuple[NDArray[np.int64], str, str]:
        """Count the reference rows within each query's radius, those at it included.

        Returns:
            (q,) int64 counts, the index that was used, and the instruction set.

        Raises:
            ValueError: also if a radius is negative or NaN, or their number is not q.
        """

    def equal(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Find the reference rows that equal each query in every cell, nulls included.

        Returns:
            (q,) int64 lowest such row or -1, and (q,) int64 how many there are.
        """

class SecureStream:
    """Random arrays from a ChaCha20 key that never leaves compiled code and cannot be shown, copied or pickled.

    The key comes from the operating system, and a forked process draws its own. Each array has a key of its own,
    and the stream's key is replaced before it is drawn, so that what memory holds later tells nothing of it. Calls
    release the interpreter's lock; other threads may call at the same time. Ctrl-C ends a call.

    Every method takes `threads`, 0 for as many as the machine runs at once; the values do not depend on it.

    Raises:
        ValueError: by any method: an argument is out of its bounds, or `out` is read-only.
        TypeError: `out` is not a C-contiguous int32 array; a stream is copied or pickled.
        RuntimeError: the operating system gives no random bytes.
    """

    def __init__(self) -> None: ...
    @staticmethod
    def for_tests(key: bytes) -> SecureStream:
        """Make a stream with a known key of 32 bytes: the same arrays each time, and no privacy at all."""

    def discrete_gaussian(self, out: NDArray[np.int32], sigma: float, threads: int = 0) -> None:
        """Fill `out` with draws of the discrete Gaussian, P(x) ~ exp(-x^2 / (2 sigma^2)), 1 <= sigma <= 2**27.

        Each draw is within 2**-120 in total variation of the discrete Gaussian whose parameter is `sigma` up to a
        factor of 1 +- 2**-52 (the proof is in discrete_gaussian.hpp). Not constant in time: an array is drawn as
        a whole, so that single draws cannot be timed.
        """

    def poisson_batches(self, out: NDArray[np.int32], units: int, threshold: int, threads: int = 0) -> None:
        """Fill `out` (steps, size) with Poisson batches of the units 0 to `units` - 1.

        Each step takes every unit independently with probability `threshold` / 2**32, exactly, 0 <= threshold <=
        2**32. Units are ascending, and `units` fills the places left. Of more than `size` the first are kept.
        """

    def words(self, n: int, threads: int = 0) -> NDArray[np.uint32]:
        """Draw (n,) uniform 32-bit words."""

class Reading:
    """What the codes of a column become. Where cells may be missing, the code after those of values says so."""

    @staticmethod
    def levels(present: int, missing: bool, width: int) -> Reading:
        """Each of the codes 0 to `present` - 1 is its cell, in 1, 2, 4 or 8 bytes; missing cells hold 0.

        Raises:
            ValueError: another width, or one that does not hold the codes.
        """

    @staticmethod
    def table(cells: NDArray[np.unsignedinteger], missing: bool) -> Reading:
        """Each code has a cell, in any type's memory as uint8 to uint64 (codes,); missing cells hold 0.

        Raises:
            ValueError: `cells` has another type.
        """

    @staticmethod
    def numbers(
        atoms: NDArray[np.number[Any]],
        intervals: int,
        values: NDArray[np.float64],
        ranks: NDArray[np.float64],
        starts: NDArray[np.int32],
        grid: tuple[float, float, float, float],
        missing: bool,
    ) -> Reading:
        """Codes of atoms, then of intervals of equal probability with positions inside them: float64 cells.

        The distribution function is linear between its knots. Missing cells hold any value.

        Args:
            atoms: (a,) values of the first codes.
            intervals: how many there are, at least 1.
            values: (m,) of the knots, increasing, m >= 2.
            ranks: (m,) of the knots, increasing from 0 to 1.
            starts: (k,) the knot at or below each of k equally spaced ranks from 0 to 1, so close that no two
                knots lie between two of them; at most m - 2. Empty if there is no such table; knots are then
                searched for.
            grid: scale, step, low and high: values in intervals are rounded to multiples of step / scale, of
                which one is 1, and held between low and high. Scale 0 means no rounding.
            missing: whether cells may be missing.

        Raises:
            ValueError: lengths disagree, there are too few knots, a start is no knot below the last, or there is
                no interval.
        """

    @property
    def width(self) -> int:
        """Bytes of a cell."""

    @property
    def missing(self) -> bool:
        """Whether cells may be missing."""

def decode(
    readings: Sequence[Reading],
    parts: Sequence[tuple[Sequence[NDArray[np.unsignedinteger]], Sequence[NDArray[np.floating]]]],
    cells: Sequence[object],
    bits: Sequence[object | None],
) -> list[int]:
    """Write the cells of all columns, and the bits that say which there are, as Arrow lays them out.

    Releases the interpreter's lock once for all columns.

    Args:
        readings: of each column.
        parts: the rows one after the other: the columns' codes, each (n,) uint8, uint16 or uint32, and of the
            columns of numbers between knots, in order, positions (n,) float32 or float64 in [0, 1].
        cells: for each column a writable buffer of `width` bytes a row.
        bits: for each column whose cells may be missing a writable buffer of a bit a row, else None.

    Returns:
        How many cells of each column are missing.

    Raises:
        ValueError: a code is none of its column's (the message names column and row); arrays or buffers have
            another type or length.
    """

def instruction_sets() -> list[str]:
    """What JAXSYNTH_ISA may name here, the slowest first."""

def walk_call() -> object | None:
    """The handler of the custom call that draws rows column by column, for `jax.ffi`, or None without one."""

def decoder_call() -> object | None:
    """The handler of the custom call that draws rows from a decoder, for `jax.ffi`, or None without one."""
