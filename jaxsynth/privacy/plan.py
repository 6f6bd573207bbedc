"""`Plan`: who may spend what, fixed from public quantities before anything is read, and printed as a table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from jaxsynth.errors import PrivacyError
from jaxsynth.privacy.accounting import calibrate_noise
from jaxsynth.privacy.budget import count_epsilon, delta_left, epsilon_left, levels_variation
from jaxsynth.privacy.events import TrainingEvent
from jaxsynth.privacy.settings import Privacy
from jaxsynth.privacy.trade_off import gaussian_mu
from jaxsynth.privacy.truncation import plan_cut

DISCOVER = "discover"
"""The stage that `Privacy.discover` pays."""

_HEAD = ("stage", "mechanism", "share", "noise")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A part of the budget that measurements share.

    Attributes:
        name: as measurements will give it.
        share: of the squared Gaussian parameter of the whole budget.
        mu: the Gaussian parameter that all measurements of the stage have together.
    """

    name: str
    share: float
    mu: float


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Where a budget goes. `make_plan` makes it; `with_training` adds what is trained on the rest.

    Attributes:
        privacy: what was asked for.
        stages: of measurements.
        training: DP-SGD, once it is planned.
    """

    privacy: Privacy
    stages: tuple[Stage, ...]
    training: TrainingEvent | None = None

    @property
    def epsilon_count(self) -> float:
        """Of the discrete Laplace noise in the number of subjects; 0 where that is public."""
        return count_epsilon(self.privacy)

    @property
    def levels_delta(self) -> float:
        """Total variation that selections of levels may spend together; 0 where discovery is not allowed."""
        return levels_variation(self.privacy)

    @property
    def left(self) -> float:
        """Share of the budget that the stages leave."""
        return 1 - sum(s.share for s in self.stages)

    def stage(self, name: str) -> Stage | None:
        """The stage of that name, if there is one."""
        return next((s for s in self.stages if s.name == name), None)

    def with_training(
        self, *, probability: float, steps: int, parameters: int, units: int, clipping_norm: float
    ) -> Plan:
        """Give all that the stages leave to DP-SGD, whether or not they will spend their parts.

        Args:
            probability: with which each subject is in a batch; rounded to a multiple of 2**-32.
            steps: number of batches, at most 10**5.
            parameters: length of a gradient.
            units: the number of subjects that the ledger counted.
            clipping_norm: bound of the L2 norm of what one subject adds to a sum of gradients.

        Raises:
            PrivacyError: nothing is left to train with, or a number is out of range.
        """
        _check_training(
            probability=probability, steps=steps, parameters=parameters, units=units, norm=clipping_norm
        )
        if self.left < 1e-9:
            raise PrivacyError("plan: the stages take the whole budget; lower their shares to train on the rest")
        probability = max(1, round(probability * 2**32)) / 2**32
        draws = steps * parameters
        multiplier = calibrate_noise(
            probability=probability,
            steps=steps,
            mu=math.hypot(*(s.mu for s in self.stages)),
            epsilon=epsilon_left(self.privacy, draws),
            delta=delta_left(self.privacy, draws),
            adjacency=self.privacy.relation,
        )
        cut = plan_cut(
            probability=probability,
            steps=steps,
            units=units,
            epsilon_count=self.epsilon_count,
            epsilon=self.privacy.epsilon,
            delta=self.privacy.delta,
        )
        training = TrainingEvent(
            probability=probability,
            steps=steps,
            noise_multiplier=multiplier,
            clipping_norm=clipping_norm,
            parameters=parameters,
            units=units,
            units_bound=cut.units_bound,
            batch_size=cut.batch_size,
        )
        return replace(self, training=training)

    def __str__(self) -> str:
        lines = [_HEAD, _count_line(self), *_stage_lines(self), _training_line(self)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(_HEAD))]
        body = ("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines)
        return "\n".join([_title(self.privacy), *body])


def make_plan(privacy: Privacy, stages: Mapping[str, float]) -> Plan:
    """Share out a budget: the count first, then stages by shares of the squared Gaussian parameter.

    Args:
        privacy: the budget; its `discover` becomes a stage "discover".
        stages: share of each stage, above 0; what they leave of 1 is for training.

    Raises:
        PrivacyError: a share out of range, shares above 1, or a reserved name.
    """
    shares = {DISCOVER: privacy.discover} if privacy.discover else {}
    if DISCOVER in stages:
        raise PrivacyError(
            f"plan: stage {DISCOVER!r} gets its share from Privacy(discover=...); leave it out here"
        )
    shares |= stages
    for name, share in shares.items():
        if not 0 < share <= 1:
            raise PrivacyError(f"plan: stage {name!r} has share {share!r}; give a share above 0, at most 1")
    if sum(shares.values()) > 1 + 1e-12:
        raise PrivacyError(f"plan: shares {shares} add up to more than 1; lower one")
    mu = gaussian_mu(epsilon_left(privacy, 0), delta_left(privacy, 0))
    made = tuple(Stage(name=n, share=s, mu=mu * (s * (1 - 1e-12)) ** 0.5) for n, s in shares.items())
    return Plan(privacy=privacy, stages=made)


def _check_training(*, probability: float, steps: int, parameters: int, units: int, norm: float) -> None:
    if not 0 < probability <= 1:
        raise PrivacyError(f"plan: probability is {probability!r}; give a number above 0, at most 1")
    if min(steps, parameters, units) < 1:
        raise PrivacyError(f"plan: steps {steps}, parameters {parameters}, units {units}; each must be at least 1")
    if not 0 < norm < float("inf"):
        raise PrivacyError(f"plan: clipping_norm is {norm!r}; give a positive number")


def _title(privacy: Privacy) -> str:
    void = "NOT PRIVATE (deterministic noise): " if privacy.deterministic_noise else ""
    asked = f"epsilon {privacy.epsilon:g}, delta {privacy.delta:g}, {privacy.relation}"
    return f"{void}{asked}, at most {privacy.rows_per_subject} row(s) of a subject"


def _count_line(plan: Plan) -> tuple[str, ...]:
    if not plan.epsilon_count:
        return "count", "public", "0 %", f"none: {plan.privacy.rows} subjects"
    # Standard deviation of the discrete Laplace distribution.
    spread = math.sqrt(0.5) / math.sinh(plan.epsilon_count / 2)
    share = f"{100 * plan.epsilon_count / plan.privacy.epsilon:.3g} % of epsilon"
    return "count", "discrete Laplace", share, f"subjects +- {spread:.3g}"


def _stage_lines(plan: Plan) -> list[tuple[str, ...]]:
    one = plan.privacy.rows_per_subject * plan.privacy.widening
    return [
        (s.name, f"Gaussian, mu {s.mu:.3g}", f"{100 * s.share:.3g} %", f"counts +- {one / s.mu:.3g}")
        for s in plan.stages
    ]


def _training_line(plan: Plan) -> tuple[str, ...]:
    left, t = f"{100 * plan.left:.3g} %", plan.training
    if t is None:
        return "rest", "none planned", left, ""
    batches = f"DP-SGD, {t.steps} batches, probability {t.probability:.3g}"
    return "training", batches, left, f"sums of gradients +- {t.noise_multiplier * t.clipping_norm:.4g}"
