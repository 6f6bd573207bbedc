"""What a user asks of privacy: `Privacy`, checked where it is made. Nothing here reads a table or spends."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Literal, get_args

from jaxsynth.errors import PrivacyError, PrivacyWarning

Adjacency = Literal["add-remove", "zero-out", "replace"]
Noise = Literal["chacha20", "threefry"]

EPSILONS = (0.01, 20.0)
"""Below, sums over a population drown in noise. Above, odds may change by e**20 = 5e8, which protects nobody, and
e**epsilon times the rounding errors of the accounting is no longer small beside delta."""

DELTAS = (1e-9, 1e-2)
"""Below, the accountant's Fourier transforms round by as much as delta itself. At 1e-2, publishing the rows of
one person in a hundred would count as private."""

LARGEST_DISCOVER = 0.5


@dataclass(frozen=True, kw_only=True)
class Privacy:
    """Differential privacy that a fit has to keep.

    Attributes:
        epsilon: the bound of the privacy loss, .01 to 20, for everything that is released.
        delta: the probability that the bound does not hold, 1e-9 to below 1e-2.
        rows: the number of subjects, where it is public; None: it is private and a part of epsilon pays for it.
        adjacency: which tables must look alike. "add-remove": all rows of one subject are added or removed.
            "zero-out": one subject's rows are emptied, the number of subjects staying as it was. "replace": one
            subject's rows are replaced by another's, for twice the noise. None: "zero-out" where `rows` is given,
            "add-remove" where it is not.
        rows_per_subject: how many rows of a subject are kept at most, chosen at random.
        discover: the share of the budget, in squared Gaussian parameter, that may find undeclared bounds and
            levels; 0 to .5, and 0 allows none.
        noise: the generator of the noise in training, "chacha20" (cryptographic) or "threefry" (faster on
            accelerators, not cryptographic).
        deterministic_noise: derive all noise from the seed. For tests only: nothing is private then.

    Raises:
        PrivacyError: a value out of its range, or an adjacency that `rows` contradicts.
    """

    epsilon: float
    delta: float = 1e-6
    rows: int | None = None
    adjacency: Adjacency | None = None
    rows_per_subject: int = 1
    discover: float = 0.0
    noise: Noise = "chacha20"
    deterministic_noise: bool = False

    def __post_init__(self) -> None:
        _in_range("epsilon", self.epsilon, self.epsilon > 0 and _within(self.epsilon, EPSILONS), "0.01 to 20")
        _in_range("delta", self.delta, DELTAS[0] <= self.delta < DELTAS[1], "1e-9 to below 1e-2, as 1e-6")
        _in_range("discover", self.discover, _within(self.discover, (0, LARGEST_DISCOVER)), "0 to 0.5, as 0.1")
        _whole("rows_per_subject", self.rows_per_subject)
        if self.rows is not None:
            _whole("rows", self.rows)
        if self.noise not in get_args(Noise):
            raise PrivacyError(f"privacy: noise is {self.noise!r}; give one of {list(get_args(Noise))}")
        self._settle_adjacency()
        if self.deterministic_noise:
            warnings.warn(
                "NOT PRIVATE: deterministic_noise can be replayed and subtracted", PrivacyWarning, stacklevel=3
            )

    def _settle_adjacency(self) -> None:
        known = get_args(Adjacency)
        if self.adjacency is None:
            object.__setattr__(self, "adjacency", "add-remove" if self.rows is None else "zero-out")
        elif self.adjacency not in known:
            raise PrivacyError(f"privacy: adjacency is {self.adjacency!r}; give one of {list(known)}")
        elif self.adjacency == "add-remove" and self.rows is not None:
            raise PrivacyError("privacy: adjacency 'add-remove' keeps the number of rows private; leave rows out")
        elif self.adjacency != "add-remove" and self.rows is None:
            raise PrivacyError(
                f"privacy: adjacency {self.adjacency!r} needs the public number of subjects; give rows=..."
            )

    @property
    def relation(self) -> Adjacency:
        """The adjacency, never None."""
        assert self.adjacency is not None
        return self.adjacency

    @property
    def widening(self) -> int:
        """What multiplies the sensitivity to adding one subject: 2 where a subject is replaced."""
        return 2 if self.adjacency == "replace" else 1


def _within(value: float, limits: tuple[float, float]) -> bool:
    return math.isfinite(value) and limits[0] <= value <= limits[1]


def _in_range(name: str, value: float, good: bool, allowed: str) -> None:  # noqa: FBT001
    if not good:
        raise PrivacyError(f"privacy: {name} is {value!r}; give {allowed}")


def _whole(name: str, value: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise PrivacyError(f"privacy: {name} is {value!r}; give a whole number, at least 1")
