"""`Books`: what has been charged of a plan. Numbers only; it never sees a table."""

from __future__ import annotations

import math
from collections.abc import Mapping

from jaxsynth.errors import BudgetError
from jaxsynth.privacy.events import CountEvent, Event, MeasureEvent, TrainingEvent
from jaxsynth.privacy.plan import Plan, Stage


class Books:
    """Charges in order, refused where the plan does not cover them.

    Attributes:
        plan: what may be spent.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._events: list[Event] = []
        self._parts = dict.fromkeys((s.name for s in plan.stages), 0.0)

    @property
    def events(self) -> tuple[Event, ...]:
        """What was charged so far, in order."""
        return tuple(self._events)

    @property
    def parts(self) -> Mapping[str, float]:
        """How much of each stage is spent, 0 to 1."""
        return dict(self._parts)

    def noise(self, sensitivity: float, *, stage: str, part: float) -> float:
        """Return the standard deviation of the noise that a part of a stage pays for.

        Raises:
            BudgetError: no such stage, or the part is not above 0.
        """
        if not 0 < part < math.inf:
            raise BudgetError(f"ledger: part is {part!r}; give a number above 0, at most 1")
        return sensitivity * self.plan.privacy.widening / (self._stage(stage).mu * math.sqrt(part))

    def measure(self, name: str, sensitivity: float, *, stage: str, part: float, variation: float = 0.0) -> None:
        """Charge Gaussian noise, and total variation besides for a selection of levels.

        Raises:
            BudgetError: no such stage, or more than is left.
        """
        sigma = self.noise(sensitivity, stage=stage, part=part)
        self._cover(name, stage, part)
        self._cover_variation(name, variation)
        mu = self._stage(stage).mu * math.sqrt(part)
        self._parts[stage] += part
        self._events.append(
            MeasureEvent(
                name=name, stage=stage, part=part, sensitivity=sensitivity, sigma=sigma, mu=mu, delta=variation
            )
        )

    def count(self) -> None:
        """Charge the number of subjects.

        Raises:
            BudgetError: it was charged before.
        """
        if any(isinstance(e, CountEvent) for e in self._events):
            raise BudgetError("ledger: the subjects were counted before; use that number")
        self._events.append(CountEvent(epsilon=self.plan.epsilon_count))

    def train(self, training: TrainingEvent) -> None:
        """Charge DP-SGD, and before it what the stages have left: its noise was planned beside whole stages.

        Raises:
            BudgetError: it was charged before.
        """
        if any(isinstance(e, TrainingEvent) for e in self._events):
            raise BudgetError(
                "ledger: the rows were handed to a training before; a new training needs a new ledger"
            )
        for stage in self.plan.stages:
            self._forgo(stage)
        self._events.append(training)

    def _forgo(self, stage: Stage) -> None:
        left = 1 - self._parts[stage.name]
        if left > 1e-9:
            self.measure("nothing, left over", 1.0, stage=stage.name, part=left)

    def _stage(self, name: str) -> Stage:
        stage = self.plan.stage(name)
        if stage is None:
            raise BudgetError(
                f"ledger: no stage {name!r} in the plan, which has {list(self._parts)}; plan it first"
            )
        return stage

    def _cover(self, name: str, stage: str, part: float) -> None:
        left = 1 - self._parts[stage]
        if part > left + 1e-9:
            raise BudgetError(
                f"ledger: query {name!r} asks for part {part:.4g} of stage {stage!r}, which has {left:.4g} left; "
                "nothing was read; ask for less"
            )

    def _cover_variation(self, name: str, variation: float) -> None:
        spent = math.fsum(e.delta for e in self._events if isinstance(e, MeasureEvent))
        left = self.plan.levels_delta - spent
        if variation > left + 1e-9 * self.plan.levels_delta:
            raise BudgetError(
                f"ledger: query {name!r} asks for delta {variation:.3g} for levels, {max(left, 0.0):.3g} is left; "
                "nothing was read; ask for less, or allow it by Privacy(discover=...)"
            )
