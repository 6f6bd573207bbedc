"""The distinct values of a numeric column and how often each occurs, as long as they are few."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jaxsynth.codec.numeric import MAX_EXACT
from jaxsynth.schema.cells import Numbers, to_numbers

_FIRST = 4 * MAX_EXACT  # cells that mostly tell: counting values that are all distinct takes long


@dataclass(frozen=True, eq=False)
class Tally:
    """Values (v,), sorted, and counts int64 (v,)."""

    values: Numbers
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, cells: pa.ChunkedArray) -> Tally | None:
        """Of cells; None if more values are distinct than may each have a code."""
        if len(cells) > _FIRST and cls.of(cells.slice(0, _FIRST)) is None:
            return None
        found = pc.value_counts(cells.drop_null())
        if len(found) > MAX_EXACT:
            return None
        # Once more as numbers: decimals, for one, are rounded to doubles.
        return _summed(to_numbers(found.field("values")), np.asarray(found.field("counts"), np.int64))

    def merged(self, later: Tally | None) -> Tally | None:
        """Of these cells and later ones."""
        if later is None:
            return None
        both = np.concatenate([self.values, later.values]), np.concatenate([self.counts, later.counts])
        out = _summed(*both)
        return out if len(out.values) <= MAX_EXACT else None


def _summed(values: Numbers, counts: NDArray[np.int64]) -> Tally:
    distinct, places = np.unique(values, return_inverse=True)
    sums = np.zeros(len(distinct), np.int64)
    np.add.at(sums, places, counts)
    return Tally(distinct, sums)
