"""Copying screens on shares of rows: exact copies and near copies of training rows.

These are screens for copying, not measures of privacy: a generator that passes may still leak membership
or attributes (Ganev and De Cristofaro 2023, arXiv:2312.05114; Yao et al. 2025, arXiv:2505.01524), and a table
of few distinct rows holds copies by chance. The second is why every share is set against real holdout rows.
"""

from __future__ import annotations

import numpy as np

from jaxsynth.audit.intervals import (
    CONFIDENCE,
    Floats,
    detectable_share,
    joint_confidence,
    newcombe,
    quantile,
    wilson,
    z_two_sided,
)
from jaxsynth.audit.result import AuditResult, Question
from jaxsynth.audit.verdict import SHARE

NEAR_PROBABILITY = 0.01
COPIER = "The attacker has the released rows and takes those that look copied for real patients."
EXACT = Question(
    name="exact_copies",
    title="Exact copies (copying screen)",
    question="Does the generator repeat training rows more often than unseen real rows repeat them by chance?",
    threat=COPIER,
    unit="share of rows",
    rule=SHARE,
)
NEAR = Question(
    name="near_copies",
    title="Near copies (copying screen)",
    question="Does the generator place rows closer to training rows than nearly all unseen real rows are?",
    threat=COPIER,
    unit="share of rows",
    rule=SHARE,
)


def exact_copies(synthetic: Floats, holdout: Floats, *, seed: int, confidence: float = CONFIDENCE) -> AuditResult:
    """Share of rows that equal a training row in every modelled column.

    Args:
        synthetic: distance of each synthetic row to its nearest training row. Shape (s,).
        holdout: the same for each holdout row. Shape (h,).
        seed: recorded only; nothing here is drawn.
        confidence: of the limits.
    """
    copies = int(np.sum(synthetic == 0)), int(np.sum(holdout == 0))
    return _compare(EXACT, copies, (len(synthetic), len(holdout)), seed=seed, confidence=(confidence, confidence))


def near_copies(synthetic: Floats, holdout: Floats, *, seed: int, confidence: float = CONFIDENCE) -> AuditResult:
    """Share of rows at most as far from training as the closest 1 % of real unseen rows.

    The holdout is cut into two random halves, and each half is counted at the 1st percentile of the other:
    on the rows that set it, the baseline would be 1 % by construction, and the comparison would take the
    threshold's own sampling error for an excess. The synthetic share is the mean over both thresholds.

    Args:
        synthetic: distance of each synthetic row to its nearest training row. Shape (s,).
        holdout: the same for each holdout row. Shape (h,).
        seed: decides the halves.
        confidence: of the limits.
    """
    order = np.random.default_rng([seed, 1]).permutation(len(holdout))
    first, second = np.sort(holdout[order[::2]]), np.sort(holdout[order[1::2]])
    halves = (first, second) if len(second) else (first, first)
    thresholds = [quantile(half, NEAR_PROBABILITY) for half in halves]
    real = sum(int(np.sum(half <= t)) for half, t in zip(halves, reversed(thresholds), strict=True))
    near = float(np.mean([np.sum(synthetic <= t) for t in thresholds]))
    counts = near, min(real, len(holdout))
    joint = confidence, joint_confidence(confidence)
    return _compare(NEAR, counts, (len(synthetic), len(holdout)), seed=seed, confidence=joint)


def _compare(
    question: Question,
    hits: tuple[float, float],
    rows: tuple[int, int],
    *,
    seed: int,
    confidence: tuple[float, float],
) -> AuditResult:
    """Compare shares; confidence of each, and of their difference."""
    z, joint = map(z_two_sided, confidence)
    (mine, real), (n, real_n) = hits, rows
    return AuditResult.of(
        question,
        estimate=wilson(mine, n, z=z),
        baseline=wilson(real, real_n, z=z),
        excess=newcombe(mine, n, real, real_n, z=joint),
        detectable=detectable_share(n, real, real_n, found=question.rule.found, z=joint),
        n=n,
        n_baseline=real_n,
        seed=seed,
        confidence=confidence[0],
    )
