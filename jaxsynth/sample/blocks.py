"""Row blocks on the device: block i of a stream depends on the parameters, the seed and i alone.

One program of one shape computes every block, on whatever device is free, so neither the batch size nor
the number of devices can change a byte. Randomness is counter-based: fold_in(key(seed), block).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import jax
import numpy as np

from jaxsynth.codec.layout import CodeSpec
from jaxsynth.codec.packed import Columns
from jaxsynth.devices import compiled_method
from jaxsynth.models import Condition, Model, Params
from jaxsynth.models.base import to_columns

BLOCK_ROWS = 4096
_AHEAD = 8  # blocks an accelerator works on while the host encodes a batch, so that it does not run dry
_AHEAD_CPU = 2  # enough where host and device are one; more would be drawn for nothing if the reader stops


@dataclass(frozen=True, eq=False)
class BlockSampler:
    """Draws blocks of `BLOCK_ROWS` rows.

    Attributes:
        model: the generator's functions.
        layout: its columns.
        params: trained parameters.
    """

    model: Model
    layout: tuple[CodeSpec, ...]
    params: Params

    @compiled_method
    def _draw(self, params: Params, seed: jax.Array, block: jax.Array, condition: Condition | None) -> Columns:
        stream = jax.random.key(seed)
        if condition is None and self.model.sample_block is not None:
            return to_columns(self.layout, self.model.sample_block(params, stream, block, BLOCK_ROWS))
        key = jax.random.fold_in(stream, block)
        return to_columns(self.layout, self.model.sample(params, key, BLOCK_ROWS, condition))

    def blocks(self, seed: int, first: int, count: int, condition: Condition | None) -> Iterator[Columns]:
        """Blocks `first` to `first + count - 1`, in order, as host arrays; the next are being drawn meanwhile."""
        devices = jax.local_devices()[: max(count, 1)]
        placed = [jax.device_put((self.params, condition), d) for d in devices]
        ahead = len(devices) * (_AHEAD_CPU if devices[0].platform == "cpu" else _AHEAD)
        queue: deque[Columns] = deque()
        for index in range(first, first + count):
            params, cond = placed[index % len(devices)]
            queue.append(self._draw(params, np.uint32(seed), np.uint32(index), cond))
            jax.tree.map(lambda a: a.copy_to_host_async(), queue[-1])
            if len(queue) > ahead:
                yield jax.tree.map(np.asarray, queue.popleft())
        while queue:
            yield jax.tree.map(np.asarray, queue.popleft())
