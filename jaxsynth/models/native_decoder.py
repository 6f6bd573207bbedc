"""Rows of the autoencoder's decoder in compiled code, as a custom call of XLA on CPUs; see csrc/decoder.hpp."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxsynth.codec.groups import Group
from jaxsynth.models.base import Params
from jaxsynth.models.native import registered


def can() -> bool:
    """Whether rows can be drawn so here."""
    return registered("decoder")


def draw(
    groups: Sequence[Group], params: Params, latents: jax.Array, uniforms: jax.Array, continuous: int
) -> tuple[jax.Array, jax.Array]:
    """Codes by inversion, each column for itself given the latents.

    Args:
        groups: the columns.
        params: of the decoder's layers and of the heads.
        latents: float32 (latent, n).
        uniforms: float32 (columns, n) in [0, 1), in layout order.
        continuous: columns that have positions.

    Returns:
        int32 codes (columns, n), in layout order, and float32 tilts (continuous, n) of the positions.
    """
    layers = [params["decoder"][f"dense{i}"] for i in range(len(params["decoder"]))]
    heads, table = params["heads"], _table(groups)
    kernel = heads["joint_kernel"].T
    weights = [part for layer in layers for part in (layer["kernel"].T, layer["bias"])]
    weights += jnp.split(kernel, [len(kernel) - continuous])
    for i, group in enumerate(groups):
        basis = np.zeros(0, np.float32) if group.basis is None else group.basis
        weights += [heads[f"bias{i}"], jnp.asarray(basis)]
    out = [
        jax.ShapeDtypeStruct(uniforms.shape, jnp.int32),  # type: ignore[no-untyped-call]
        jax.ShapeDtypeStruct((continuous, uniforms.shape[1]), jnp.float32),  # type: ignore[no-untyped-call]
    ]
    call = jax.ffi.ffi_call("jaxsynth_decoder", out)
    units = np.array([layer["bias"].size for layer in layers], np.int64)
    codes, tilts = call(latents, uniforms, *weights, table=table, units=units)
    return codes, tilts


def _table(groups: Sequence[Group]) -> NDArray[np.int64]:
    """Six numbers a column, the `Entry`s of csrc/decoder_call.cpp, in layout order."""
    rows, first = {}, 0
    for g, group in enumerate(groups):
        features = 0 if group.basis is None else group.basis.shape[-1]
        for i, (column, size) in enumerate(zip(group.index, group.sizes, strict=True)):
            rows[column] = [size, features, first, g, i, group.width]
            first += features or group.width
    return np.array([rows[column] for column in sorted(rows)], np.int64).reshape(-1)
