"""Membership by a classifier on nearest-neighbour features, trained on rows the attacker knows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from jaxsynth.audit.candidates import Split, split
from jaxsynth.audit.density import log_distances
from jaxsynth.audit.evidence import Rows
from jaxsynth.audit.inputs import AuditTables, take
from jaxsynth.audit.membership import Attack, MembershipEvidence, Scores
from jaxsynth.neighbours import Cells, search
from jaxsynth.neighbours.search import count_within

K = 5
_DECIMALS = 9
Features = NDArray[np.float64]

ATTACK = Attack(
    name="membership_features",
    title="Membership by a classifier on distances",
    threat=(
        "The attacker has the released rows, an independent sample of the population and thousands of rows "
        "known to be in the training table, and wants to know which other persons were in it."
    ),
)


def membership_features(tables: AuditTables, *, seed: int) -> MembershipEvidence:
    """Attack by a logistic regression that has learned what known members look like.

    The attacker describes a row by its distances to the nearest released rows and to the nearest rows of the
    population sample, their ratios, and how many released rows lie as near as the population does: the
    features of the ensemble attacks on synthetic tables (MIDST challenge 2025; Houssiau et al. 2022, "TAPAS",
    arXiv:2211.06550). It learns from known training rows against the population sample, each of whose
    rows is described without itself; no candidate takes part, so nothing need be cross-fitted. (Scores that
    are cross-fitted over candidates depend on one another: without a leak their area has twice DeLong's variance.)
    The baseline does the same, learning included, with real unseen rows in place of the synthetic table.

    Args:
        tables: what is audited.
        seed: draws candidates, known rows, the reference and the real release.

    Raises:
        AuditError: fewer than 2 training or 4 holdout rows.
    """
    parts = split(len(tables.train[0]), len(tables.holdout[0]), seed=seed)
    return MembershipEvidence(
        attack=ATTACK,
        members=Rows("train", parts.members),
        non_members=Rows("holdout", parts.non_members),
        scores=_scores(tables, parts, tables.synthetic, seed),
        baseline=_scores(tables, parts, take(tables.holdout, parts.release), seed),
    )


def _scores(tables: AuditTables, parts: Split, release: Cells, seed: int) -> Scores:
    reference = take(tables.holdout, parts.reference)
    size = min(len(parts.known), len(parts.reference))

    def described(table: Cells, at: NDArray[np.int64], *, itself: int = 0) -> Features:
        return features(tables, release, reference, take(table, at), itself=itself)

    candidates = described(tables.train, parts.members), described(tables.holdout, parts.non_members)
    if min(size, len(parts.reference) - 1) < 1:
        return Scores(members=np.zeros(len(candidates[0])), non_members=np.zeros(len(candidates[1])))
    rng = np.random.default_rng([seed, 23])
    members, others = (np.sort(rng.permutation(at)[:size]) for at in (parts.known, parts.reference))
    learned = _fitted(described(tables.train, members), described(tables.holdout, others, itself=1))
    return Scores(members=_judged(learned, candidates[0]), non_members=_judged(learned, candidates[1]))


def features(
    tables: AuditTables, release: Cells, reference: Cells, queries: Cells, *, itself: int = 0
) -> Features:
    """Describe rows by their neighbours.

    Args:
        tables: the schema, and how many threads search.
        release: the table under attack.
        reference: the population sample.
        queries: the rows to describe.
        itself: how many of the nearest reference rows are the query itself: 1 if it is one of them.

    Returns:
        One row a query, 2 + 3 k + 4 columns with k = 5, fewer where a table has fewer rows.
    """
    k = max(1, min(K, len(release[0]), len(reference[0]) - 1))
    near = search(release, queries, tables.schema, k=k, threads=tables.threads).distances
    around = search(
        reference, queries, tables.schema, k=min(k + itself, len(reference[0])), threads=tables.threads
    )
    real = around.distances[:, itself:]
    counts = [
        count_within(release, queries, tables.schema, radius=real[:, j].copy(), threads=tables.threads)
        for j in (0, -1)
    ]
    logs, real_logs = log_distances(near), log_distances(real)
    return np.column_stack(
        [
            logs,
            real_logs,
            real_logs - logs,
            (real_logs - logs).mean(axis=1),
            logs[:, 0] - logs[:, -1],
            real_logs[:, 0] - real_logs[:, -1],
            *(np.log1p(c) for c in counts),
        ]
    )


def _fitted(members: Features, others: Features) -> Pipeline:
    labels = np.repeat([1, 0], [len(members), len(others)])
    # Newton's steps end so close to the one optimum that the order of sums in threaded algebra does not show.
    model = LogisticRegression(C=0.1, solver="newton-cholesky", tol=1e-10, max_iter=100)
    return make_pipeline(StandardScaler(), model).fit(np.concatenate([members, others]), labels)


def _judged(model: Pipeline, rows: Features) -> NDArray[np.float64]:
    """Log odds of membership, rounded so that rows of equal features tie wherever they stand in the table."""
    odds: NDArray[np.float64] = np.round(model.decision_function(rows), _DECIMALS)
    return odds
