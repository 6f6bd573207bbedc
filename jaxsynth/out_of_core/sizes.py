"""How much of a table that does not fit into memory is there at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Bounds on rows in memory; the defaults keep a fit under 4 GB.

    Attributes:
        sample: rows from which numeric columns are cut into intervals, at most.
        sample_cells: cells of that sample, at most: tables of many columns have fewer rows in it.
        held: held-out rows, at most.
        block: neighbouring rows that are read together.
        window: rows on the devices at a time, at most.
        window_bytes: of their codes, at most.
    """

    sample: int = 1_000_000
    sample_cells: int = 1 << 25
    held: int = 100_000
    block: int = 4096
    window: int = 1 << 20
    window_bytes: int = 1 << 27

    def sampled(self, rows: int, columns: int) -> int:
        """Rows of the sample of a table."""
        return min(rows, self.sample, max(1, self.sample_cells // columns))

    def windowed(self, row_bytes: int) -> int:
        """Rows of a window, if there are so many."""
        return max(self.block, min(self.window, self.window_bytes // row_bytes))
