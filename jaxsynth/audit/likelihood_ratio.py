"""Membership by shadow releases: LiRA and RMIA, on one signal a candidate and release.

The attacks are pure functions of score matrices; nothing here trains a generator.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import expit

from jaxsynth.audit.candidates import split
from jaxsynth.audit.density import log_distances
from jaxsynth.audit.evidence import Mask, Rows
from jaxsynth.audit.inputs import AuditTables, take
from jaxsynth.audit.intervals import Floats
from jaxsynth.audit.membership import Attack, MembershipEvidence, Scores
from jaxsynth.errors import AuditError
from jaxsynth.neighbours import Cells, search
from jaxsynth.schema import Schema

K = 3
_LEAST_SHADOWS = 2
ONLINE_SHADOWS = 16
"""As many releases with and without each row tell its two means apart; with fewer, offline finds more."""
OWN_SPREAD_SHADOWS = 32
"""As many give each row a variance of its own (Carlini et al. 2022: 64 in all)."""
_LEAST_SPREAD = 1e-6

_THREAT = (
    "The attacker has the released rows and an independent sample of the population, knows how the generator was "
    "trained, can train shadow generators with and without the persons in question, and wants to know which of "
    "them were in the training table."
)
LIRA = Attack(name="membership_lira", title="Membership by likelihood ratio (LiRA)", threat=_THREAT)
RMIA = Attack(name="membership_rmia", title="Membership by pairwise likelihood ratios (RMIA)", threat=_THREAT)


def shadow_membership(
    tables: AuditTables, releases: Sequence[Cells], inside: Mask, *, seed: int
) -> tuple[MembershipEvidence, MembershipEvidence]:
    """Attack the synthetic table with shadow releases, by LiRA and by RMIA.

    Of longer releases, the synthetic table among them, only as many random rows are used as the shortest has:
    distances to tables of different length could not be compared. Give shadows as long as the release.

    Args:
        tables: what is audited.
        releases: s tables sampled from shadow generators, each of the modelled columns.
        inside: which pool rows each shadow was trained on, the pool being the training rows and then the holdout
            rows; each shadow on a random part, without regard to which. Shape (s, n_train + n_holdout).
        seed: draws the candidates, the population sample and the rows of longer releases.

    Returns:
        LiRA's evidence and RMIA's. Their baseline is chance.

    Raises:
        AuditError: too few rows, fewer than 2 shadows, an empty release, or `inside` of another shape or type.
    """
    n_train, n_holdout = len(tables.train[0]), len(tables.holdout[0])
    _check(releases, inside, n_train + n_holdout)
    parts = split(n_train, n_holdout, seed=seed)
    cut = _of_one_length([tables.synthetic, *releases], seed)
    rows = (tables.train, parts.members), (tables.holdout, parts.non_members), (tables.holdout, parts.reference)
    target, *shadows = np.concatenate(
        [release_signals(cut, take(cells, at), tables.schema, threads=tables.threads) for cells, at in rows],
        axis=1,
    )
    pool = np.concatenate([parts.members, n_train + parts.non_members, n_train + parts.reference])
    signals, known = np.array(shadows), inside[:, pool]
    m, c = len(parts.members), len(parts.members) + len(parts.non_members)
    ratios = log_ratios(signals, known, target)

    def evidence(attack: Attack, scores: Floats) -> MembershipEvidence:
        return MembershipEvidence(
            attack=attack,
            members=Rows("train", parts.members),
            non_members=Rows("holdout", parts.non_members),
            scores=Scores(members=scores[:m], non_members=scores[m:]),
        )

    return (
        evidence(LIRA, lira(signals[:, :c], known[:, :c], target[:c])),
        evidence(RMIA, rmia(ratios[:c], ratios[c:])),
    )


def release_signals(
    releases: Sequence[Cells], candidates: Cells, schema: Schema, *, threads: int = 0, k: int = K
) -> Floats:
    """How near each release comes to each candidate: minus the mean log distance to its k nearest rows.

    Args:
        releases: s tables, of one length if their signals are to be compared.
        candidates: c rows.
        schema: the columns of all.
        threads: how many threads search; 0: one for each core.
        k: how many neighbours; fewer where a release has fewer rows.

    Returns:
        Shape (s, c).
    """
    signals = np.empty((len(releases), len(candidates[0])))
    for signal, release in zip(signals, releases, strict=True):
        near = search(release, candidates, schema, k=min(k, len(release[0])), threads=threads)
        signal[:] = -log_distances(near.distances).mean(axis=1)
    return signals


def lira(signals: Floats, inside: Mask, target: Floats) -> Floats:
    """Score candidates by the likelihood ratio of Carlini et al. (2022, arXiv:2112.03570).

    Normal signals with and without the candidate: the online attack (algorithm 1) where each candidate has
    at least `ONLINE_SHADOWS` shadows of either kind, else the offline one, by the shadows without it.
    A candidate's variances are its own from `OWN_SPREAD_SHADOWS` of each kind it needs, else one for all.

    Args:
        signals: one number a shadow and candidate; higher where the candidate was learned. Shape (s, c).
        inside: whether the candidate was in the shadow's training rows. Shape (s, c).
        target: the signals of the attacked release. Shape (c,).

    Returns:
        Log likelihood ratios, or offline the standardised signals, which order rows as their probabilities do.
        Shape (c,).
    """
    counts = inside.sum(axis=0).min(), (~inside).sum(axis=0).min()
    online = min(counts) >= ONLINE_SHADOWS
    own = (min(counts) if online else counts[1]) >= OWN_SPREAD_SHADOWS
    mean, spread = _normal(signals, ~inside, own=bool(own))
    without: Floats = (target - mean) / spread
    if not online:
        return without
    mean_inside, spread_inside = _normal(signals, inside, own=bool(own))
    within = (target - mean_inside) / spread_inside
    return 0.5 * (without**2 - within**2) + np.log(spread / spread_inside)


def log_ratios(signals: Floats, inside: Mask, target: Floats) -> Floats:
    """How much likelier each row is under the target than on average over shadows with and without it.

    Zarifzadeh et al. (2024, arXiv:2312.03262), in logarithms, with exp(signal) for the likelihood:
    both kinds of shadows weigh one half, however many there are of each.

    Args:
        signals: shape (s, c).
        inside: shape (s, c).
        target: shape (c,).

    Returns:
        Shape (c,).
    """
    top = signals.max()
    likelihood = np.exp(signals - top)
    average = 0.5 * (_means(likelihood, inside) + _means(likelihood, ~inside))
    ratios: Floats = target - top - np.log(np.maximum(average, np.finfo(np.float64).tiny))
    return ratios


def rmia(ratios: Floats, population: Floats, *, gamma: float = 1.0) -> Floats:
    """Score candidates by the share of population rows they dominate (Zarifzadeh et al. 2024).

    The share alone ties all candidates above the whole population, where the strictest thresholds lie; within a
    tie, candidates stand in the order of their own ratios, by less than one population row.

    Args:
        ratios: `log_ratios` of the candidates. Shape (c,).
        population: `log_ratios` of rows the target has not seen, none of them a candidate. Shape (z,), z >= 1.
        gamma: how many times likelier a candidate must be than the population row.

    Returns:
        In [0, 1]. Shape (c,).
    """
    dominated = np.searchsorted(np.sort(population), ratios - np.log(gamma), side="right")
    scores: Floats = (dominated + expit(ratios)) / (len(population) + 1)
    return scores


def _of_one_length(releases: Sequence[Cells], seed: int) -> list[Cells]:
    """As many random rows of each as the shortest has."""
    size = min(len(r[0]) for r in releases)
    rng = np.random.default_rng([seed, 24])
    return [r if len(r[0]) == size else take(r, np.sort(rng.permutation(len(r[0]))[:size])) for r in releases]


def _normal(signals: Floats, mask: Mask, *, own: bool) -> tuple[Floats, Floats]:
    """Mean and standard deviation of the masked signals of each candidate; one deviation for all if not `own`."""
    means, counts = _means(signals, mask), mask.sum(axis=0)
    squares = np.where(mask, (signals - means) ** 2, 0.0).sum(axis=0)
    freedom = np.maximum(counts - 1, 0)
    pooled = np.full(len(means), squares.sum() / max(1, int(freedom.sum())))
    return means, np.sqrt(np.maximum(squares / np.maximum(freedom, 1) if own else pooled, _LEAST_SPREAD**2))


def _means(values: Floats, mask: Mask) -> Floats:
    """Mean of the masked values of each candidate; that of all candidates where it has none."""
    counts, sums = mask.sum(axis=0), np.where(mask, values, 0.0).sum(axis=0)
    overall = sums.sum() / max(1, int(counts.sum()))
    means: Floats = np.where(counts > 0, sums / np.maximum(counts, 1), overall)
    return means


def _check(releases: Sequence[Cells], inside: Mask, pool: int) -> None:
    if len(releases) < _LEAST_SHADOWS:
        raise AuditError(
            f"releases: {len(releases)} shadow releases, a likelihood ratio needs {_LEAST_SHADOWS}; train more"
        )
    if inside.dtype != np.bool_ or inside.shape != (len(releases), pool):
        raise AuditError(
            f"inside: {inside.dtype} of shape {inside.shape}, needs bool of shape {(len(releases), pool)}: "
            "one row a shadow, one column a training and then a holdout row"
        )
    empty = [i for i, r in enumerate(releases) if len(r[0]) == 0]
    if empty:
        raise AuditError(
            f"releases: shadow release {empty[0]} has no rows; sample as many as the synthetic table has"
        )
