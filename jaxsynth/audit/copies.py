"""Copying screens on shares of rows: exact copies and near copies of training rows.

These are screens for copying, not measures of privacy: a generator that passes may still leak membership
or attributes (Ganev and De Cristofaro 2023, arXiv:2312.05114; Yao et al. 2025, arXiv:2505.01524), and a table
of few distinct rows holds copies by chance. The second is why every share is set against real holdout rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jaxsynth.audit.intervals import detectable_share, newcombe, quantile, wilson
from jaxsynth.audit.result import AuditResult
from jaxsynth.audit.verdict import SHARE

NEAR_PROBABILITY = 0.01


def exact_copies(synthetic: NDArray[np.float64], holdout: NDArray[np.float64], *, seed: int) -> AuditResult:
    """Share of rows that equal a training row in every modelled column.

    Args:
        synthetic: distance of each synthetic row to its nearest training row. Shape (s,).
        holdout: the same for each holdout row. Shape (h,).
        seed: recorded only; nothing here is drawn.
    """
    return _compare(
        "exact_copies",
        "Exact copies (copying screen)",
        "Does the generator repeat training rows more often than unseen real rows repeat them by chance?",
        int(np.sum(synthetic == 0)),
        len(synthetic),
        int(np.sum(holdout == 0)),
        len(holdout),
        seed,
    )


def near_copies(synthetic: NDArray[np.float64], holdout: NDArray[np.float64], *, seed: int) -> AuditResult:
    """Share of rows at most as far from training as the closest 1 % of real unseen rows.

    The holdout is cut into two random halves, and each half is counted at the 1st percentile of the other:
    on the rows that set it, the baseline would be 1 % by construction, and the comparison would take the
    threshold's own sampling error for an excess. The synthetic share is the mean over both thresholds.

    Args:
        synthetic: distance of each synthetic row to its nearest training row. Shape (s,).
        holdout: the same for each holdout row, at least two. Shape (h,).
        seed: decides the halves.
    """
    order = np.random.default_rng([seed, 1]).permutation(len(holdout))
    halves = np.sort(holdout[order[::2]]), np.sort(holdout[order[1::2]])
    thresholds = [quantile(half, NEAR_PROBABILITY) for half in halves]
    real = sum(int(np.sum(half <= t)) for half, t in zip(halves, reversed(thresholds), strict=True))
    return _compare(
        "near_copies",
        "Near copies (copying screen)",
        "Does the generator place rows closer to training rows than nearly all unseen real rows are?",
        float(np.mean([np.sum(synthetic <= t) for t in thresholds])),
        len(synthetic),
        real,
        len(holdout),
        seed,
    )


def _compare(
    name: str, title: str, question: str, hits: float, n: int, real_hits: int, real_n: int, seed: int
) -> AuditResult:
    share, real, excess = wilson(hits, n), wilson(real_hits, real_n), newcombe(hits, n, real_hits, real_n)
    detectable = detectable_share(n, real_hits, real_n, found=SHARE.found)
    return AuditResult(
        name=name, title=title, question=question,
        estimate=share.estimate, low=share.low, high=share.high,
        baseline=real.estimate, baseline_low=real.low, baseline_high=real.high,
        excess=excess.estimate, excess_low=excess.low, excess_high=excess.high,
        detectable=detectable, n=n, n_baseline=real_n, unit="share of rows",
        verdict=SHARE.verdict(excess, detectable), seed=seed,
    )  # fmt: skip
