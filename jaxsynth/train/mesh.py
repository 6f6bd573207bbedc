"""The devices of a run and what lies on them: batches are shared out, all else is whole on each."""

from __future__ import annotations

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxsynth.train.steps import AXIS

_EXAMPLES_A_DEVICE = 100  # rows, or packs of rows, of a batch below which another device costs more than it brings

WHOLE = PartitionSpec()  # type: ignore[no-untyped-call]
"""Of what every device has the whole of."""


def row_mesh(batch: int, pack: int) -> Mesh:
    """As many local devices as divide the batch into shares worth having; each holds all rows."""
    devices = jax.local_devices()
    most = min(len(devices), batch // (pack * _EXAMPLES_A_DEVICE))
    usable = [d for d in range(1, most + 1) if batch % d == 0]
    return Mesh(np.array(devices[: max(usable, default=1)]), (AXIS,))


def everywhere(mesh: Mesh) -> NamedSharding:
    """Where to put what all devices of a mesh need."""
    return NamedSharding(mesh, WHOLE)
