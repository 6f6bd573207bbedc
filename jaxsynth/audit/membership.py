"""Membership evidence: scores of members and non-members, and the three figures that follow from them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jaxsynth.audit.evidence import Mask, Rows
from jaxsynth.audit.intervals import CONFIDENCE, POWER, Interval, detectable_share, newcombe, z_two_sided
from jaxsynth.audit.result import AuditResult, Question
from jaxsynth.audit.roc import auc, auc_difference, clopper_pearson, threshold_at
from jaxsynth.audit.verdict import ADVANTAGE, SHARE

CHANCE = Interval(0.5, 0.5, 0.5)
_RATES = {"tpr_1": 0.01, "tpr_01": 0.001}
_QUESTIONS = 1 + len(_RATES)


@dataclass(frozen=True, kw_only=True)
class Attack:
    """A way to guess membership.

    Attributes:
        name: machine name, such as "membership_density".
        title: name for people.
        threat: what the attacker has, knows and wants, in one sentence.
    """

    name: str
    title: str
    threat: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Scores:
    """Scores of the candidates; a higher one says "member" more loudly.

    Attributes:
        members: float64 (m,).
        non_members: float64 (n,).
    """

    members: NDArray[np.float64]
    non_members: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class MembershipEvidence:
    """What one attack says of training rows and of rows the generator has not seen.

    Attributes:
        attack: who attacks, and how.
        members: the training rows attacked.
        non_members: the holdout rows attacked.
        scores: by the synthetic table.
        baseline: by real unseen rows in its place; None where the baseline is chance.
    """

    attack: Attack
    members: Rows
    non_members: Rows
    scores: Scores
    baseline: Scores | None = None

    @property
    def sides(self) -> tuple[Rows, Rows]:
        """Members and non-members."""
        return self.members, self.non_members

    def among(self, attacked: Mask, baseline: Mask) -> MembershipEvidence:
        """The same evidence of some members and some non-members."""

        def chosen(scores: Scores) -> Scores:
            return Scores(members=scores.members[attacked], non_members=scores.non_members[baseline])

        return replace(
            self,
            members=self.members.among(attacked),
            non_members=self.non_members.among(baseline),
            scores=chosen(self.scores),
            baseline=None if self.baseline is None else chosen(self.baseline),
        )

    def results(self, *, seed: int, confidence: float = CONFIDENCE) -> tuple[AuditResult, ...]:
        """Area under the curve, and true positive rates at false positive rates of 1 % and 0.1 %.

        Three questions are put to the same scores, so each excess has limits at `1 - (1 - confidence) / 3`:
        they hold for all three at once (Bonferroni).

        Args:
            seed: decides which non-members set the thresholds.
            confidence: coverage of the limits.
        """
        return (
            self._area(seed, confidence),
            *(self._rate(name, rate, seed, confidence) for name, rate in _RATES.items()),
        )

    def _area(self, seed: int, confidence: float) -> AuditResult:
        excess, baseline = self._excess(_joint(confidence)), CHANCE
        if self.baseline is not None:
            baseline = auc(self.baseline.members, self.baseline.non_members, confidence=confidence)
        return AuditResult.of(
            self._question("auc", "area under the curve"),
            estimate=auc(self.scores.members, self.scores.non_members, confidence=confidence),
            baseline=baseline,
            excess=excess,
            detectable=_detectable_area(excess, _joint(confidence)),
            n=len(self.scores.members),
            n_baseline=len(self.scores.non_members),
            seed=seed,
            confidence=confidence,
        )

    def _excess(self, confidence: float) -> Interval:
        mine, real = self.scores, self.baseline
        if real is None:
            area = auc(mine.members, mine.non_members, confidence=confidence)
            return Interval(*(x - CHANCE.estimate for x in area))
        return auc_difference(
            (mine.members, real.members), (mine.non_members, real.non_members), confidence=confidence
        )

    def _rate(self, name: str, rate: float, seed: int, confidence: float) -> AuditResult:
        order = np.random.default_rng([seed, 22]).permutation(len(self.scores.non_members))
        setting, measured = np.split(self.scores.non_members[order], [len(order) // 2])
        threshold = threshold_at(setting, rate)
        hits, false = (int(np.sum(x > threshold)) for x in (self.scores.members, measured))
        n, n_measured, z = len(self.scores.members), len(measured), z_two_sided(_joint(confidence))
        detectable = detectable_share(n, false, n_measured, found=SHARE.found, z=z)
        return AuditResult.of(
            self._question(name, f"true positive rate at {rate:.1%} false positives"),
            estimate=clopper_pearson(hits, n, confidence=confidence),
            baseline=clopper_pearson(false, n_measured, confidence=confidence),
            excess=newcombe(hits, n, false, n_measured, z=z),
            # Too few rows to set so strict a threshold: the rate was not examined, whatever was counted.
            detectable=detectable if len(setting) * rate >= 1 else 1.0,
            n=n,
            n_baseline=n_measured,
            seed=seed,
            confidence=confidence,
        )

    def _question(self, figure: str, what: str) -> Question:
        area = figure == "auc"
        return Question(
            name=f"{self.attack.name}_{figure}",
            title=f"{self.attack.title}: {what}",
            question=(
                "Does the attacker rank training rows above unseen rows?"
                if area
                else "Does the attacker name training rows while accusing hardly any unseen row?"
            ),
            threat=self.attack.threat,
            unit="AUC" if area else "share of rows",
            rule=ADVANTAGE if area else SHARE,
        )


def _joint(confidence: float) -> float:
    return 1 - (1 - confidence) / _QUESTIONS


def _detectable_area(excess: Interval, confidence: float) -> float:
    """The smallest excess of an area that would have been found with 80 % power."""
    wanted = z_two_sided(2 * POWER - 1)
    # The wider side: the other one is cut short where the areas are 0 or 1.
    error = max(excess.estimate - excess.low, excess.high - excess.estimate) / z_two_sided(confidence)
    return min(1.0, max(z_two_sided(confidence) * error, ADVANTAGE.tolerance) + wanted * error)
