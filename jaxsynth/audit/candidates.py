"""Who is who in a membership attack: which rows are attacked, and what else the attacker holds.

Members and non-members must differ in nothing but membership. Both are compared with the same tables, and
none of these holds a candidate: the reference and the real release are holdout rows that are no non-members.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jaxsynth.errors import AuditError

Positions = NDArray[np.int64]

MOST = 10_000
"""Candidates a side: more would narrow an area's limits below the tolerance it is judged by."""
_MOST_KNOWN = 5000
_LEAST_TRAIN, _LEAST_HOLDOUT = 2, 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Ascending row positions, int64; no row has two roles.

    Attributes:
        members: training rows that are attacked. Shape (c,).
        non_members: holdout rows that are attacked. Shape (c,).
        known: training rows that the attacker knows to be members.
        reference: holdout rows that the attacker has as a sample of the population.
        release: holdout rows that stand in for the synthetic table in the baseline.
    """

    members: Positions
    non_members: Positions
    known: Positions
    reference: Positions
    release: Positions


def split(n_train: int, n_holdout: int, *, seed: int, most: int = MOST) -> Split:
    """Draw the roles: half of the holdout is attacked, up to `most`, and the rest is shared in two.

    Args:
        n_train: training rows.
        n_holdout: holdout rows.
        seed: decides who is who; the same for all attacks, so that they speak of the same rows.
        most: the largest number of members, and of non-members.

    Raises:
        AuditError: fewer than 2 training or 4 holdout rows.
    """
    for what, n, least in (("train", n_train, _LEAST_TRAIN), ("holdout", n_holdout, _LEAST_HOLDOUT)):
        if n < least:
            raise AuditError(f"{what}: {n} rows, a membership attack needs at least {least}; give a larger table")
    rng = np.random.default_rng([seed, 21])
    train, holdout = rng.permutation(n_train), rng.permutation(n_holdout)
    size = min(most, n_train // 2, n_holdout // 2)
    middle = size + (n_holdout - size) // 2
    return Split(
        members=np.sort(train[:size]),
        non_members=np.sort(holdout[:size]),
        known=np.sort(train[size : size + min(_MOST_KNOWN, middle - size)]),
        reference=np.sort(holdout[size:middle]),
        release=np.sort(holdout[middle:]),
    )
