"""Copying screen: how often a synthetic row lies nearer a training row than an equally large unseen sample.

The "DCR share" of Platzer and Reutterer (2021, arXiv:2104.00635): one half where training rows are no nearer
than other rows of the population. A screen for copying, not a measure of privacy, like every figure made of
distances alone (Yao et al. 2025, arXiv:2505.01524).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jaxsynth.audit.clusters import Sample, share_resamples
from jaxsynth.audit.copies import COPIER
from jaxsynth.audit.distance import LEAST_ROWS
from jaxsynth.audit.evidence import Mask, Rows
from jaxsynth.audit.inputs import AuditTables, take
from jaxsynth.audit.intervals import (
    CONFIDENCE,
    Floats,
    detectable_effect,
    joint_confidence,
    percentile,
    unknown,
)
from jaxsynth.audit.result import AuditResult, Question
from jaxsynth.audit.verdict import ADVANTAGE
from jaxsynth.neighbours import Cells, search_each

SHARE_CLOSER = Question(
    name="dcr_share",
    title="Share closer to training (copying screen)",
    question="Do synthetic rows lie nearer training rows than as many unseen rows, more than real rows do?",
    threat=COPIER,
    unit="share of rows",
    rule=ADVANTAGE,
)


@dataclass(frozen=True, eq=False)
class ShareEvidence:
    """Which of two equally large samples each row lies nearer to: training rows or holdout rows.

    Attributes:
        synthetic: the rows audited.
        holdout: holdout rows of neither sample, by which real rows are seen to behave.
        mine: of the synthetic rows: 1 nearer the training sample, 0 nearer the other, 1/2 at equal distances,
            with the nearest training row as its cluster.
        real: the same of the holdout rows.
    """

    synthetic: Rows
    holdout: Rows
    mine: Sample
    real: Sample

    @property
    def sides(self) -> tuple[Rows, Rows]:
        return self.synthetic, self.holdout

    def among(self, attacked: Mask, baseline: Mask) -> ShareEvidence:
        mine = Sample(self.mine.clusters[attacked], self.mine.hits[attacked])
        real = Sample(self.real.clusters[baseline], self.real.hits[baseline])
        return ShareEvidence(self.synthetic.among(attacked), self.holdout.among(baseline), mine, real)

    def results(self, *, seed: int, confidence: float = CONFIDENCE) -> tuple[AuditResult, ...]:
        drawn = share_resamples([self.mine, self.real], np.random.default_rng([seed, 4]))
        mine, real = float(self.mine.hits.mean()), float(self.real.hits.mean())
        difference, joint = drawn[0] - drawn[1], joint_confidence(confidence)
        excess = percentile(mine - real, difference, joint)
        detectable = min(1.0, max(ADVANTAGE.tolerance, detectable_effect(difference, joint)))
        known = min(len(self.mine.hits), len(self.real.hits)) >= LEAST_ROWS
        return (
            AuditResult.of(
                SHARE_CLOSER,
                estimate=percentile(mine, drawn[0], confidence),
                baseline=percentile(real, drawn[1], confidence),
                excess=excess if known else unknown(excess),
                detectable=detectable if known else 1.0,
                n=len(self.mine.hits),
                n_baseline=len(self.real.hits),
                seed=seed,
                confidence=confidence,
            ),
        )


def share_closer(tables: AuditTables, *, seed: int) -> ShareEvidence:
    """Compare distances to a sample of training rows with those to as many holdout rows.

    Half of the holdout, or as much of it as there are training rows, is the second sample; the rest shows how
    real rows behave.
    """
    rng = np.random.default_rng([seed, 5])
    n, h = len(tables.train[0]), len(tables.holdout[0])
    size = min(n, h // 2)
    trained = np.sort(rng.permutation(n)[:size])
    order = rng.permutation(h)
    unseen, others = np.sort(order[:size]), np.sort(order[size:])
    samples = [take(tables.train, trained), take(tables.holdout, unseen)]
    asked = take(tables.holdout, others)
    return ShareEvidence(
        Rows("synthetic", np.arange(len(tables.synthetic[0]))),
        Rows("holdout", others),
        _closer(tables, samples, tables.synthetic),
        _closer(tables, samples, asked),
    )


def _closer(tables: AuditTables, samples: list[Cells], rows: Cells) -> Sample:
    trained, unseen = search_each(samples, rows, tables.schema, k=1, threads=tables.threads)
    return Sample(trained.rows[:, 0], _halves(trained.distances[:, 0], unseen.distances[:, 0]))


def _halves(trained: Floats, unseen: Floats) -> Floats:
    return np.where(trained < unseen, 1.0, np.where(trained > unseen, 0.0, 0.5))
