"""Windows of the cached rows: blocks from all over the file, in another order each pass.

What is neighbours in the file (sorted tables) is spread over a pass block by block, and inside a window row by row
by the steps that use it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from jaxsynth.codec.packed import Packed
from jaxsynth.out_of_core.cache import Cache
from jaxsynth.out_of_core.records import from_records
from jaxsynth.out_of_core.sizes import Sizes


@dataclass(frozen=True, eq=False)
class Windows:
    """All windows have as many rows. A pass leaves out what fills no window, other rows each time.

    Attributes:
        cache: the rows.
        seed: of the orders.
        sizes: of blocks and windows.
    """

    cache: Cache
    seed: int
    sizes: Sizes

    @cached_property
    def a_pass(self) -> int:
        """Windows in a pass over the rows."""
        most = self.sizes.windowed(self.cache.type.itemsize) // self._block
        return -(-self._blocks // most)

    @property
    def rows(self) -> int:
        """Rows of a window."""
        return self._blocks // self.a_pass * self._block

    def read(self, number: int) -> Packed:
        """The rows of a window, as they come after one another over all passes."""
        epoch, window = divmod(number, self.a_pass)
        width = self._blocks // self.a_pass
        return from_records(
            self.cache.read(self._starts(epoch)[window * width : (window + 1) * width], self._block)
        )

    def evenly(self, most: int) -> Packed:
        """At most so many of all rows, evenly picked."""
        starts = np.linspace(0, self._count - 1, min(self._count, most)).astype(np.int64)
        return from_records(self.cache.read(starts, 1))

    @cached_property
    def _count(self) -> int:
        return self.cache.rows

    @property
    def _block(self) -> int:
        return min(self.sizes.block, self._count)

    @property
    def _blocks(self) -> int:
        return self._count // self._block

    def _starts(self, epoch: int) -> NDArray[np.int64]:
        """Where the blocks of a pass begin, in its order; the rows left over lie before and behind them."""
        rng = np.random.default_rng([self.seed, 2, epoch])
        first = int(rng.integers(self._count - self._blocks * self._block + 1))
        return first + rng.permutation(self._blocks) * self._block
