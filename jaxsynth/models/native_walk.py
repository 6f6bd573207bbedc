"""The walk over the columns in compiled code, as a custom call of XLA on CPUs; see csrc/walk.hpp."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxsynth.models.base import Params
from jaxsynth.models.native import registered
from jaxsynth.models.ordered import OrderedNet
from jaxsynth.models.walk import Given, Walked


def can(net: OrderedNet) -> bool:
    """Whether walks of this network can run here."""
    return net.paired and registered("walk")


def walk(net: OrderedNet, params: Params, uniforms: jax.Array, given: Given | None, codes: jax.Array) -> Walked:
    """As `Walker.walk`."""
    d, n = uniforms.shape
    known, skip, allowed = jnp.zeros((0, 0), jnp.bool_), jnp.zeros(d, jnp.bool_), jnp.zeros(0)
    if given is not None:
        known, skip = known if given.known is None else given.known, given.skip
        if given.allowed is not None:
            allowed = jnp.concatenate([a.reshape(-1) for a in given.allowed])
    out = [
        jax.ShapeDtypeStruct((d, n), jnp.int32),  # type: ignore[no-untyped-call]
        jax.ShapeDtypeStruct((d, n), jnp.float32),  # type: ignore[no-untyped-call]
        jax.ShapeDtypeStruct((n,), jnp.float32),  # type: ignore[no-untyped-call]
    ]
    call = jax.ffi.ffi_call("jaxsynth_walk", out)
    drawn = call(
        uniforms,
        codes,
        known,
        skip,
        allowed,
        *_weights(net, params),
        table=_table(net),
        features=np.int64(net.features),
        spans=np.int64(len(net.spans)),
        weigh=np.int64(given is not None and given.weigh),
    )
    return Walked(*drawn)


def _weights(net: OrderedNet, params: Params) -> list[jax.Array | NDArray[np.int32]]:
    """In the order of csrc/walk_call.cpp."""
    out = [params["context"]["kernel"], params["context"]["bias"]]
    for i in range(len(net.spans)):
        deepen = params["deepen"][str(i)]
        out += [deepen["down"], deepen["bias"], deepen["up"], params["tilt"][str(i)]]
    for (head, bias), inputs in zip(net.outputs(params), net.vectors(params), strict=True):
        out += [head, bias, inputs]
    for i, copying in enumerate(net.copying):
        if copying.count:
            gates = params["copying"][str(i)]
            out += [gates["kernel"], gates["bias"], copying.sources.astype(np.int32), copying.codes]
    return out


def _table(net: OrderedNet) -> NDArray[np.int64]:
    """Fifteen numbers a column, the `Entry`s of csrc/walk_call.cpp."""
    rows, allowed, copying = [], 0, 2 + 4 * len(net.spans) + 3 * len(net.groups)
    for s, span in enumerate(net.spans):
        for g in span.groups:
            group = net.groups[g]
            for i in range(len(group.index)):
                j = net.starts[g] + i
                in_span = j - span.columns.start
                sizes = span.sizes
                unit = span.units.start + in_span * sizes.hidden
                feature = span.features.start + in_span * sizes.embedding
                row = [sizes.hidden, net.deepen[s].rank, group.width, sizes.embedding, unit, feature]
                _, copies, copied_codes = net.copying[g].codes.shape
                row += [s, in_span, g, i, allowed, int(j in net.tilted), copies, copied_codes, copying]
                rows.append(row)
                allowed += group.width
            copying += 4 * (net.copying[g].count > 0)
    return np.array(rows, np.int64).reshape(-1)
