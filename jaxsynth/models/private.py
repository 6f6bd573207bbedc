"""What generators become where training is private: settings that do well under noise, by public rules."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from jaxsynth.errors import PrivacyError
from jaxsynth.models.autoregressive import Autoregressive
from jaxsynth.models.base import Generator
from jaxsynth.models.gan import GAN
from jaxsynth.models.vae import VAE


@dataclass(frozen=True, kw_only=True)
class PrivateSteps:
    """How much private training.

    Noise in a mean gradient falls with the rows of a batch faster than it grows with the probability of being in
    one, so batches are large and few.

    Attributes:
        probability: with which each subject is in a batch, on tables of up to `most` subjects.
        most: subjects beyond which batches grow no further.
        steps: batches at an epsilon of 1; they grow with its square root.
        clip: norm of what one row adds to a gradient at most. Adam makes up for its size.
    """

    probability: float = 0.25
    most: int = 400_000
    steps: int = 160
    clip: float = 0.5

    def probability_of(self, units: int) -> float:
        """With which each of so many subjects is in a batch."""
        return self.probability * min(1.0, self.most / max(units, 1))

    def steps_at(self, epsilon: float) -> int:
        """Batches, a multiple of 20."""
        return 20 * max(1, round(self.steps * math.sqrt(min(max(epsilon, 0.25), 16.0)) / 20))


@dataclass(frozen=True, kw_only=True)
class _Recipe:
    """Values that fields take, and how much training."""

    values: Mapping[str, Any]
    steps: PrivateSteps


_RECIPES: dict[type, _Recipe] = {
    Autoregressive: _Recipe(
        values={
            "embedding": 6, "hidden": 16, "rank": 8, "dropout": 0.0, "networks": 1, "max_intervals": 32,
            "learning_rate": 0.02, "weight_decay": 0.0, "validation": 0.0, "ema": 0.1,
        },
        steps=PrivateSteps(),
    ),
    GAN: _Recipe(
        values={
            "asking": False, "pack": 1, "hidden": (64, 64), "latent": 32, "max_intervals": 32,
            "critic_rate": 0.1, "generator_steps": 4, "learning_rate": 0.002, "weight_decay": 0.0, "ema": 0.1,
        },
        steps=PrivateSteps(steps=400, clip=1.0),
    ),
    VAE: _Recipe(
        values={
            "latent": 8, "hidden": (64,), "max_intervals": 32,
            "learning_rate": 0.01, "weight_decay": 0.0, "validation": 0.0, "ema": 0.1,
        },
        steps=PrivateSteps(),
    ),
}  # fmt: skip


def under_privacy(generator: Generator) -> tuple[Generator, PrivateSteps]:
    """The generator with the fields that were left at their defaults set for private training, and how much of it.

    Raises:
        PrivacyError: it has no private training.
    """
    recipe = _RECIPES.get(type(generator))
    if recipe is None:
        able = ", ".join(f"{kind.__name__}()" for kind in _RECIPES)
        raise PrivacyError(f"generator: {type(generator).__name__} has no private training; use one of {able}")
    default = {f.name: f.default for f in fields(generator)}  # type: ignore[arg-type]
    left = {k: v for k, v in recipe.values.items() if getattr(generator, k) == default[k]}
    return replace(generator, **left), recipe.steps  # type: ignore[type-var]
