"""The programs of fits that run at once: their axis is shared over the devices and vectorised on each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxsynth.codec.packed import Packed
from jaxsynth.devices import compiled_method
from jaxsynth.train.loop import take_steps
from jaxsynth.train.mesh import WHOLE, everywhere
from jaxsynth.train.plan import Plan
from jaxsynth.train.steps import AXIS, State, Stepper

_FITS = "fits"  # the axis of the device mesh along which fits are shared out; that of rows has one device
_EACH = PartitionSpec(_FITS)  # type: ignore[no-untyped-call]


@dataclass(frozen=True, eq=False)
class SideBySide:
    """Fits with the same sizes and kind of step, on rows of one table. Everything of a fit has fits first.

    Attributes:
        plan: sizes and schedule.
        stepper: one step of one fit.
        mesh: devices, by fits and by rows of a batch.
        data: the table, on every device.
    """

    plan: Plan
    stepper: Stepper
    mesh: Mesh
    data: Packed

    @classmethod
    def make(cls, plan: Plan, stepper: Stepper, data: Packed, size: int) -> SideBySide:
        """For `size` fits at once, on as many local devices as they can be dealt to evenly."""
        devices = jax.local_devices()
        count = max(d for d in range(1, min(size, len(devices)) + 1) if size % d == 0)
        mesh = Mesh(np.array(devices[:count])[:, None], (_FITS, AXIS))
        return cls(plan, stepper, mesh, jax.device_put(data, everywhere(mesh)))

    def placed(self, of_fits: Any) -> Any:
        """Arrays with fits first, each on its fit's device."""
        return jax.device_put(of_fits, NamedSharding(self.mesh, _EACH))

    def resident(self, which: jax.Array) -> Any:
        """See `Stepper.resident`; `which` are the rows of each fit, int32 (fits, rows)."""
        return self._resident(self.data, which)

    def chunk(self, states: State, which: jax.Array, resident: Any, keys: jax.Array) -> tuple[State, jax.Array]:
        """One chunk of steps of every fit; the new states and the mean losses (fits,)."""
        out: tuple[State, jax.Array] = self._chunk(states, self.data, which, resident, keys)
        return out

    @compiled_method
    def _resident(self, data: Packed, which: jax.Array) -> Any:
        return jax.vmap(lambda own: self.stepper.resident(_gathered(data, own)))(which)

    @partial(compiled_method, donate_argnums=0)
    def _chunk(
        self, states: State, data: Packed, which: jax.Array, resident: Any, keys: jax.Array
    ) -> tuple[State, jax.Array]:
        steps = jax.shard_map(
            self._some,
            mesh=self.mesh,
            in_specs=(_EACH, WHOLE, _EACH, _EACH, _EACH),
            out_specs=(_EACH, _EACH),
            check_vma=False,
        )
        return steps(states, data, which, resident, keys)

    def _some(
        self, states: State, data: Packed, which: jax.Array, resident: Any, keys: jax.Array
    ) -> tuple[State, jax.Array]:
        """The fits of one device."""

        def one(state: State, own: jax.Array, index: Any, key: jax.Array) -> tuple[State, jax.Array]:
            order_key, step_key = jax.random.split(key)
            order = self.stepper.order(jax.random.fold_in(order_key, state.step))
            return take_steps(self.plan, self.stepper, state, (_gathered(data, own), index), step_key, order)

        fits = (states, which, resident, keys)
        if len(which) > 1:
            return jax.vmap(one)(*fits)
        # Vectorised over one fit, products would still be batched ones, which are slow on CPUs.
        return jax.tree.map(lambda a: a[None], one(*jax.tree.map(lambda a: a[0], fits)))  # type: ignore[no-any-return]


def _gathered(data: Packed, rows: jax.Array) -> Packed:
    return jax.tree.map(lambda a: a[rows], data)  # type: ignore[no-any-return]
