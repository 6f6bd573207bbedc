"""Outlying training rows: the records that attacks find first, and deciles to break audits down by.

For the data owner: what `vulnerable_records` returns points at persons and belongs in internal reports only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jaxsynth.audit.inputs import AuditTables
from jaxsynth.audit.intervals import quantile
from jaxsynth.audit.membership import MembershipEvidence
from jaxsynth.audit.result import VulnerableRecord
from jaxsynth.audit.roc import placements
from jaxsynth.neighbours import Cells, search

K = 5
DECILES = 10


def outlyingness(tables: AuditTables) -> NDArray[np.float64]:
    """Mean distance of each training row to its 5 nearest other training rows; all others where there are fewer.

    Meeus et al. (2023), "Achilles' heels", arXiv:2306.10308.

    Returns:
        Float64 of shape (n,).
    """
    return _mean_distance(tables, tables.train, len(tables.train[0]) - 1, own=True)


def outlyingness_of(tables: AuditTables, rows: Cells) -> NDArray[np.float64]:
    """The same of rows that are not in the training table: mean distance to 5 training rows. Shape (q,)."""
    return _mean_distance(tables, rows, len(tables.train[0]), own=False)


def _mean_distance(tables: AuditTables, rows: Cells, available: int, *, own: bool) -> NDArray[np.float64]:
    k = min(K, available)
    near = search(tables.train, rows, tables.schema, k=k, exclude_self=own, threads=tables.threads)
    values: NDArray[np.float64] = near.distances.mean(axis=1)
    return values


def tenths(train_values: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Which tenth of the training rows' outlyingness each value falls in.

    Args:
        train_values: outlyingness of the training rows. Shape (n,).
        values: of any rows. Shape (q,).

    Returns:
        0 for the tenth of training rows that lie closest to others, to 9 for the most outlying. Equal values
        are in equal tenths, which differ in size where many are equal. Int64 of shape (q,).
    """
    ordered = np.sort(train_values)
    edges = [quantile(ordered, i / DECILES) for i in range(1, DECILES)]
    return np.searchsorted(edges, values, side="left").astype(np.int64)


def vulnerable_records(
    values: NDArray[np.float64], n: int, *, evidence: MembershipEvidence | None = None
) -> tuple[VulnerableRecord, ...]:
    """List the `n` most outlying training rows, all of them if there are fewer; among equals the first rows.

    Args:
        values: outlyingness of the training rows.
        n: how many, at least 1.
        evidence: what a membership attack on these rows left behind, of some of them.
    """
    suspicion = np.full(len(values), np.nan)
    if evidence is not None:
        suspicion[evidence.members.at] = _percentiles(evidence)
    return tuple(
        VulnerableRecord(
            row=int(row),
            outlyingness=float(values[row]),
            suspicion=None if np.isnan(suspicion[row]) else float(suspicion[row]),
        )
        for row in np.argsort(-values, kind="stable")[:n]
    )


def _percentiles(evidence: MembershipEvidence) -> NDArray[np.float64]:
    below, _ = placements(evidence.scores.members, evidence.scores.non_members)
    return 100 * below
