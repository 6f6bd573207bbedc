"""What the stages that build a codec ask of the ledger: noisy answers, and how noisy they are."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from jaxsynth.privacy.levels import KeyQuery
from jaxsynth.privacy.query import Query
from jaxsynth.schema import Level


class Measurer(Protocol):
    """Noisy answers about a private table; the ledger is one.

    Every call charges the `part` of its stage; parts of a stage add up to at most 1.
    """

    @property
    def rows_per_subject(self) -> int:
        """How many rows of a subject are kept at most."""

    def measure(self, query: Query, *, stage: str, part: float = 1.0) -> NDArray[np.float64]:
        """The statistic with Gaussian noise on every component."""

    def noise(self, query: Query | KeyQuery, *, stage: str, part: float = 1.0) -> float:
        """The standard deviation of the noise that `measure` or `select` would add: public."""

    def select(self, query: KeyQuery, *, stage: str, part: float = 1.0) -> dict[Level, float]:
        """The keys whose noisy counts exceed `query.threshold`, with these counts."""
