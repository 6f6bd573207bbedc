"""The devices of a run and what lies on them: batches are shared out, all else is whole on each."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxsynth.train.steps import AXIS

_EXAMPLES_A_DEVICE = 100  # of a batch, below which another device costs more than it brings

WHOLE = PartitionSpec()  # type: ignore[no-untyped-call]
"""Of what every device has the whole of."""


def row_mesh(examples: int) -> Mesh:
    """As many devices as divide a batch of rows, or of packs, into shares worth having; each holds all rows.

    What training computes does not depend on how many they are, but for rounding. Several processes
    (`jax.distributed`) train together, as many devices of each, and must be given the same rows; where the batch
    is too small for that, each trains by itself, with the same result.
    """
    processes = range(jax.process_count())
    each = [[d for d in jax.devices() if d.process_index == p] for p in processes]
    if examples % len(each) == 0 and (count := _even(examples // len(each), min(map(len, each)))):
        return _mesh([d for own in each for d in own[:count]])
    return _mesh(jax.local_devices()[: max(1, _even(examples, jax.local_device_count()))])


def local_mesh(examples: int) -> Mesh:
    """As many devices of this process as have shares worth having; the last share may have to be filled up."""
    return _mesh(jax.local_devices()[: max(1, examples // _EXAMPLES_A_DEVICE)])


def everywhere(mesh: Mesh) -> NamedSharding:
    """Where to put what all devices of a mesh need."""
    return NamedSharding(mesh, WHOLE)


def placed(tree: Any, mesh: Mesh) -> Any:
    """The whole of each array on every device of a mesh, those of other processes too, which place the same."""
    where = everywhere(mesh)
    if where.is_fully_addressable:
        return jax.device_put(tree, where)
    return jax.tree.map(partial(_placed_by_all, where), tree)


def _placed_by_all(where: NamedSharding, array: Any) -> jax.Array:
    """What lies on a device of one process, or is a key, JAX does not put on devices of several."""
    if not jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        out: jax.Array = jax.device_put(np.asarray(array), where)
        return out
    key: jax.Array = jax.random.wrap_key_data(_placed_by_all(where, jax.random.key_data(array)))
    return key


def _even(examples: int, most: int) -> int:
    """The greatest number of equal shares worth having, or 0."""
    usable = range(1, min(most, examples // _EXAMPLES_A_DEVICE) + 1)
    return max((d for d in usable if examples % d == 0), default=0)


def _mesh(devices: list[jax.Device]) -> Mesh:
    return Mesh(np.array(devices), (AXIS,))
