"""How likely a condition is under the model, and how well its rows can be drawn."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import numpy as np

from jaxsynth.devices import compiled_method
from jaxsynth.errors import CapabilityError
from jaxsynth.models import Condition, Model, Params

DRAWS = 4096


@dataclass(frozen=True, kw_only=True)
class ConditionReport:
    """What a condition means to the model.

    Attributes:
        probability: share of unconditioned rows that would meet it, estimated from `draws` importance weights.
        effective_share: effective sample size of the draws as a share of them (Kong 1992): 1 where the rows
            follow the model's conditional distribution exactly, near 0 where few draws carry all the weight.
        draws: how many.
    """

    probability: float
    effective_share: float
    draws: int

    def __str__(self) -> str:
        return (
            f"probability {self.probability:.3g}, effective sample size {self.effective_share:.0%} "
            f"of {self.draws:,} draws"
        )


@dataclass(frozen=True, eq=False)
class Weigher:
    """Weighs conditions; one compiled program for all of them."""

    model: Model
    params: Params

    @compiled_method
    def _log_mass(self, params: Params, seed: jax.Array, condition: Condition) -> jax.Array:
        assert self.model.log_mass is not None
        return self.model.log_mass(params, jax.random.key(seed), DRAWS, condition)

    def weigh(self, condition: Condition, seed: int) -> ConditionReport:
        """Draw the conditioned columns alone and look at the weights.

        Raises:
            CapabilityError: the model cannot say how likely a condition is.
        """
        if self.model.log_mass is None:
            raise CapabilityError("weigh: this model cannot weigh conditions; fit js.Autoregressive()")
        logs = np.asarray(self._log_mass(self.params, np.uint32(seed), condition), np.float64)
        relative = np.exp(logs - logs.max())
        share = float(relative.sum() ** 2 / np.square(relative).sum() / len(logs))
        return ConditionReport(
            probability=float(np.exp(logs.max()) * relative.mean()), effective_share=share, draws=len(logs)
        )
