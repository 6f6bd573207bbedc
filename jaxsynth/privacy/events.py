"""What can be charged: plain records of numbers. How they compose is `accounting.py`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class CountEvent:
    """The number of subjects, with discrete Laplace noise: pure differential privacy of `epsilon`."""

    epsilon: float


@dataclass(frozen=True, kw_only=True)
class MeasureEvent:
    """Sums over subjects with Gaussian noise.

    Attributes:
        name: of the query.
        stage: of the plan that paid.
        part: of the stage's squared Gaussian parameter.
        sensitivity: L2, to adding or removing one subject.
        sigma: standard deviation of the noise, in the units of the sums.
        mu: the Gaussian parameter under the adjacency: sensitivity (twice, where subjects are replaced) / sigma.
        delta: total variation spent besides, where levels were selected by a threshold.
    """

    name: str
    stage: str
    part: float
    sensitivity: float
    sigma: float
    mu: float
    delta: float = 0.0


@dataclass(frozen=True, kw_only=True)
class TrainingEvent:
    """DP-SGD: clipped gradients of Poisson batches, summed, with Gaussian noise.

    Attributes:
        probability: with which each subject is in a batch, a multiple of 2**-32.
        steps: number of batches.
        noise_multiplier: standard deviation of the noise over the clipping norm.
        clipping_norm: bound of the L2 norm of what one subject adds to a sum.
        parameters: length of a sum.
        units: number of subjects, public or noisy.
        units_bound: what the true number exceeds with negligible probability.
        batch_size: at which batches are cut.
    """

    probability: float
    steps: int
    noise_multiplier: float
    clipping_norm: float
    parameters: int
    units: int
    units_bound: int
    batch_size: int

    @property
    def threshold(self) -> int:
        """The probability in units of 2**-32."""
        return round(self.probability * 2**32)

    @property
    def draws(self) -> int:
        """Numbers of noise."""
        return self.steps * self.parameters


Event = CountEvent | MeasureEvent | TrainingEvent
_KINDS: dict[str, type[Event]] = {"count": CountEvent, "measure": MeasureEvent, "training": TrainingEvent}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def event_to_json(event: Event) -> dict[str, Any]:
    """The event as JSON values, with its kind."""
    return {"kind": _NAMES[type(event)], **asdict(event)}


def event_from_json(data: dict[str, Any]) -> Event:
    """The event that `event_to_json` wrote.

    Raises:
        KeyError: an unknown kind.
        TypeError: an unknown or missing parameter.
    """
    values = dict(data)
    return _KINDS[values.pop("kind")](**values)
