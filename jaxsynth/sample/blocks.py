"""Row blocks on the device: block i of a stream depends on the parameters, the seed and i alone.

One program of one shape computes every block, on whatever device is free, so neither the batch size nor
the number of devices can change a byte. Randomness is counter-based: fold_in(key(seed), block).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import jax
import numpy as np

from jaxsynth.codec.layout import CodeSpec
from jaxsynth.codec.packed import Packed
from jaxsynth.devices import compiled
from jaxsynth.models import Condition, Model, Params
from jaxsynth.models.base import to_packed

BLOCK_ROWS = 4096
_IN_FLIGHT = 2  # blocks a device works ahead of the host


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

    @partial(compiled, static_argnums=0)
    def _draw(self, params: Params, seed: jax.Array, block: jax.Array, condition: Condition | None) -> Packed:
        stream = jax.random.key(seed)
        if condition is None and self.model.sample_block is not None:
            return to_packed(self.layout, self.model.sample_block(params, stream, block, BLOCK_ROWS))
        key = jax.random.fold_in(stream, block)
        return to_packed(self.layout, self.model.sample(params, key, BLOCK_ROWS, condition))

    def blocks(self, seed: int, first: int, count: int, condition: Condition | None) -> Iterator[Packed]:
        """Blocks `first` to `first + count - 1`, in order, as host arrays."""
        devices = jax.local_devices()[: max(count, 1)]
        placed = [jax.device_put((self.params, condition), d) for d in devices]
        queue: deque[Packed] = deque()
        index, end = first, first + count
        while queue or index < end:
            while index < end and len(queue) < _IN_FLIGHT * len(devices):
                which = index % len(devices)
                params, cond = placed[which]
                queue.append(self._draw(params, np.uint32(seed), np.uint32(index), cond))
                index += 1
            yield jax.tree.map(np.asarray, queue.popleft())
