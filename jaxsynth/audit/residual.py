"""Attacks that succeed or fail: success rates, the residual risk between two of them, and its limits.

The residual risk R = (a - c) / (1 - c) of Giomi et al. (2023, "A unified framework for quantifying privacy
risk in synthetic data", PoPETs, arXiv:2211.10459, section 3) says which part of what an attack misses on rows
the generator has not seen (success rate c) it gets right on training rows (success rate a).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import NormalDist

from jaxsynth.audit.evidence import Mask, Rows
from jaxsynth.audit.intervals import CONFIDENCE, POWER, Floats, Interval, wilson, z_two_sided
from jaxsynth.audit.result import AuditResult, Question

LEAST = 10
"""Fewer attacks on a side bear no limits: one success of one would lie above a control rate of 15 %."""

_UNKNOWN = Interval(0.0, -1.0, 1.0)


def residual_risk(count_a: float, n_a: int, count_c: float, n_c: int, *, z: float | None = None) -> Interval:
    """Bound the residual risk of success rate a over success rate c.

    R is one minus the ratio of the two failure rates, which are independent shares: the ratio's limits follow
    from their Wilson limits (Donner and Zou 2012, "Closed-form confidence intervals for functions of the
    normal mean and standard deviation", Stat. Methods Med. Res. 21(4), the MOVER for ratios). They are not
    symmetric, and stay inside the possible values without being cut there.

    Args:
        count_a: successes on training rows, 0 <= count_a <= n_a; fractions of a success are allowed.
        n_a: attacks on training rows, at least 1.
        count_c: successes on rows the generator has not seen.
        n_c: attacks on those, at least 1.
        z: half-width in standard normal units; None: that of a 95 % interval.

    Returns:
        R in [-1, 1]; below -1 is written as -1. If every attack on unseen rows succeeds nothing is left to
        gain, R is unknown, and the interval is 0 with limits -1 and 1.
    """
    missed, baseline = wilson(n_a - count_a, n_a, z=z), wilson(n_c - count_c, n_c, z=z)
    if baseline.estimate <= 0:
        return _UNKNOWN
    ratio = _quotient(missed, baseline)
    return Interval(*(max(-1.0, 1 - x) for x in (ratio.estimate, ratio.high, ratio.low)))


def _quotient(x: Interval, y: Interval) -> Interval:
    """Bound x / y of independent x >= 0 and y > 0: the roots r of the limits of x - r * y."""
    product, ratio = x.estimate * y.estimate, x.estimate / y.estimate
    a, c = y.high * (2 * y.estimate - y.high), x.low * (2 * x.estimate - x.low)
    # This form of the smaller root also holds where a <= 0, which is where y may be twice its estimate.
    low = c / (product + math.sqrt(max(product * product - a * c, 0.0))) if c > 0 else 0.0
    a, c = y.low * (2 * y.estimate - y.low), x.high * (2 * x.estimate - x.high)
    high = (product + math.sqrt(max(product * product - a * c, 0.0))) / a if a > 0 else math.inf
    return Interval(ratio, min(low, ratio), max(high, ratio))


def detectable_residual(
    n_a: int,
    count_c: float,
    n_c: int,
    *,
    found: Callable[[Interval], bool],
    z: float | None = None,
    power: float = POWER,
) -> float:
    """Find the smallest residual risk that `found` would call with probability `power`.

    As `detectable_share` does it: the least count that is called, then the upper limit of the risk at it that
    leaves out `1 - power`.

    Args:
        n_a: attacks on training rows.
        count_c: observed successes on unseen rows.
        n_c: attacks on unseen rows.
        found: whether an interval of `residual_risk` counts as found; monotone in the attack's success.
        z: that of the interval, as in `residual_risk`.
        power: the wanted probability.

    Returns:
        A residual risk in [0, 1]; 1.0, the largest there is, where no count would be called.
    """
    least = bisect_left(range(n_a + 1), 1, key=lambda count: found(residual_risk(count, n_a, count_c, n_c, z=z)))
    if least > n_a:
        return 1.0
    # Half a count less: `count >= c` and `count > c - 1/2` are one event, and the normal limit sits between.
    one_sided = NormalDist().inv_cdf(power)
    return max(0.0, residual_risk(max(least - 0.5, 0.0), n_a, count_c, n_c, z=one_sided).high)


@dataclass(frozen=True, eq=False, kw_only=True)
class AttackEvidence:
    """Which attacks succeeded, on training rows and on rows the generator has not seen.

    An attack that does no better than guessing has shown nothing by failing: unless it succeeds on training
    rows more often than on unseen ones, its verdict is "underpowered", and the smallest detectable excess 1.
    No better means a success rate on training rows at or below that of the guess, the condition under which
    Giomi et al. distrust an attack.

    Attributes:
        question: what was attacked.
        attacked: success of each attack on training rows, true or false or in [0, 1]. Shape (n,).
        control: the same of each attack on holdout rows. Shape (m,).
        naive: chance that a guess without knowledge of the target would have succeeded, for each attack on
            training rows. Shape (n,).
        sides: the rows behind `attacked` and `control`.
        scale: factor from the residual risk of the two rates to that of the whole training table, >= 1.
        questions: how many questions of its kind the audit asks, whose limits of the risk cover all of them at
            once (Bonferroni): who tries many columns finds one by chance.
    """

    question: Question
    attacked: Mask | Floats
    control: Mask | Floats
    naive: Floats
    sides: tuple[Rows, Rows]
    scale: float = 1.0
    questions: int = 1

    def among(self, attacked: Mask, baseline: Mask) -> AttackEvidence:
        """The attacks that two masks mark. Shapes (n,) and (m,)."""
        return replace(
            self,
            attacked=self.attacked[attacked],
            control=self.control[baseline],
            naive=self.naive[attacked],
            sides=(self.sides[0].among(attacked), self.sides[1].among(baseline)),
        )

    def results(self, *, seed: int, confidence: float = CONFIDENCE) -> tuple[AuditResult, ...]:
        """Count and judge. Fewer than `LEAST` attacks on a side leave the risk unknown: "underpowered"."""
        z, a, c = z_two_sided(confidence), self.attacked, self.control
        joint = z_two_sided(1 - (1 - confidence) / self.questions)
        counts = float(a.sum()), len(a), float(c.sum()), len(c)
        possible = min(len(a), len(c)) >= LEAST
        result = AuditResult.of(
            self.question,
            estimate=_rate(counts[0], len(a), z),
            baseline=_rate(counts[2], len(c), z),
            excess=self._scaled(residual_risk(*counts, z=joint)) if possible else _UNKNOWN,
            detectable=self._detectable(joint) if possible else 1.0,
            n=len(a),
            n_baseline=len(c),
            seed=seed,
            confidence=confidence,
        )
        return (result,)

    def _detectable(self, z: float) -> float:
        if self.attacked.mean() <= self.naive.mean():
            return 1.0
        least = detectable_residual(
            len(self.attacked),
            float(self.control.sum()),
            len(self.control),
            found=lambda risk: self.question.rule.found(self._scaled(risk)),
            z=z,
        )
        return min(1.0, least * self.scale)

    def _scaled(self, risk: Interval) -> Interval:
        return Interval(*(min(1.0, max(-1.0, x * self.scale)) for x in risk))


def _rate(count: float, n: int, z: float) -> Interval:
    return wilson(count, n, z=z) if n else Interval(0.0, 0.0, 1.0)
