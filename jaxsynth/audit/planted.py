"""Self-test of an audit: copies of training rows are planted among the synthetic rows, and must be found.

A passed audit is worth what it would have found; on this table, with these numbers of rows, planting shows it.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from jaxsynth.audit.copying import CopyEvidence, nearest_training
from jaxsynth.audit.distance import Nearest
from jaxsynth.audit.inputs import AuditTables, take
from jaxsynth.audit.result import SelfTest
from jaxsynth.errors import AuditError


def check_planted(share: float) -> None:
    """Raise `AuditError` unless the share is above 0 and at most 1."""
    if not 0 < share <= 1:
        raise AuditError(f"planted is {share}; give the share of synthetic rows to replace by copies, as in 0.005")


def self_test(tables: AuditTables, evidence: CopyEvidence, share: float, *, seed: int) -> SelfTest:
    """Judge copying as if a share of the synthetic rows were training rows.

    Args:
        tables: what is audited.
        evidence: of copying by the synthetic rows as they are; the planted rows' own is put in its place.
        share: of the synthetic rows; rounded up to whole rows.
        seed: decides which rows are replaced, and by which.
    """
    rng = np.random.default_rng([seed, 6])
    n, m = len(tables.synthetic[0]), len(tables.train[0])
    rows = math.ceil(share * n - 1e-9)
    replaced, copied = rng.permutation(n)[:rows], rng.integers(m, size=rows)
    found = nearest_training(tables, take(tables.train, copied))
    distances, nearest = evidence.mine.distances.copy(), evidence.mine.rows.copy()
    distances[replaced], nearest[replaced] = found.distances, found.rows
    planted = replace(evidence, mine=Nearest(distances, nearest))
    return SelfTest(share=share, rows=rows, results=planted.results(seed=seed))
