"""When a copying screen fails, passes, or has seen too few rows to say.

A screen **fails** when the 95 % interval of the excess over real-vs-real lies above zero and the excess
itself reaches the tolerance. It **passes** when it does not fail and would have found an excess as large as
the margin with 80 % power. Otherwise it is **underpowered**: nothing was found, and nothing could have been.

The tolerance keeps large tables from failing over differences of no practical weight, which any smooth
generator shows once there are enough rows. The limits themselves keep false alarms rare: of real rows in the
place of synthetic ones, at most one table in twenty fails any of the five copying screens (`benchmarks.audit`).
Each kind of attack adds its own: a figure that just fails deserves a second seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxsynth.audit.intervals import Interval

Verdict = Literal["pass", "fail", "underpowered"]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How large an excess matters.

    Attributes:
        tolerance: the smallest excess that fails, when its interval also excludes zero.
        margin: the excess that a passing audit must have been able to detect.
    """

    tolerance: float
    margin: float

    def found(self, excess: Interval) -> bool:
        """Whether an excess counts as found."""
        return excess.low > 0 and excess.estimate >= self.tolerance

    def verdict(self, excess: Interval, detectable: float) -> Verdict:
        """Judge an excess, given the smallest that could have been detected."""
        if self.found(excess):
            return "fail"
        return "pass" if detectable <= self.margin else "underpowered"


SHARE = Rule(tolerance=0.001, margin=0.01)
"""For shares of rows: one row in a thousand, one in a hundred."""

DISTANCE = Rule(tolerance=0.02, margin=0.10)
"""For relative shortfalls of a distance or a ratio: two per cent, ten per cent."""

ADVANTAGE = Rule(tolerance=0.01, margin=0.05)
"""For the area under a membership attack's curve over the same attack on real rows."""

RESIDUAL = Rule(tolerance=0.01, margin=0.05)
"""For the success of an attack on training rows over that on rows the generator has not seen, of what was left."""
