"""Membership by density: where synthetic rows crowd more than the population does, the generator overfits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jaxsynth.audit.candidates import split
from jaxsynth.audit.evidence import Rows
from jaxsynth.audit.inputs import AuditTables, take
from jaxsynth.audit.membership import Attack, MembershipEvidence, Scores
from jaxsynth.neighbours import Cells, search

K = 3
FLOOR = 1e-6
"""The least distance told from 0: a millionth of a column's range. Copies score highest, and alike."""

ATTACK = Attack(
    name="membership_density",
    title="Membership by density ratio (kNN-DOMIAS)",
    threat=(
        "The attacker has the released rows and an independent sample of the population, "
        "and wants to know which persons were in the training table."
    ),
)


def log_distances(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithms, of `FLOOR` at least."""
    return np.log(np.maximum(distances, FLOOR))


def membership_density(tables: AuditTables, *, seed: int) -> MembershipEvidence:
    """Attack by the ratio of two nearest-neighbour densities.

    The score is the mean of `log d_j(reference) - log d_j(release)` over the j = 1..3 nearest rows, d_j being
    the distance to the j-th: the density ratio of DOMIAS (van Breugel et al. 2023, arXiv:2302.12580)
    with nearest neighbours in place of its kernels. The mean over j sees single copies as well as crowds of
    them. The baseline puts real unseen rows in place of the synthetic table.

    Args:
        tables: what is audited.
        seed: draws the candidates, the reference and the real release.

    Raises:
        AuditError: fewer than 2 training or 4 holdout rows.
    """
    parts = split(len(tables.train[0]), len(tables.holdout[0]), seed=seed)
    others = [tables.synthetic, *(take(tables.holdout, at) for at in (parts.release, parts.reference))]
    members = _ratios(tables, others, take(tables.train, parts.members))
    non_members = _ratios(tables, others, take(tables.holdout, parts.non_members))
    mine, real = (Scores(members=m, non_members=n) for m, n in zip(members, non_members, strict=True))
    return MembershipEvidence(
        attack=ATTACK,
        members=Rows("train", parts.members),
        non_members=Rows("holdout", parts.non_members),
        scores=mine,
        baseline=real,
    )


def _ratios(tables: AuditTables, others: Sequence[Cells], queries: Cells) -> list[NDArray[np.float64]]:
    """Scores by the synthetic table and by the real release. Shapes (q,)."""
    k = min(K, *(len(cells[0]) for cells in others))
    # One by one: each is compared at the precision that it shares with the queries.
    near = [search(cells, queries, tables.schema, k=k, threads=tables.threads) for cells in others]
    *logs, reference = (log_distances(found.distances).mean(axis=1) for found in near)
    return [reference - log for log in logs]
