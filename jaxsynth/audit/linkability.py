"""Linkability: tell through the synthetic table which two parts of records belong to one patient.

The attack of Giomi et al. (2023, PoPETs, arXiv:2211.10459, section 4.2): two parts of a record are linked when
the synthetic rows nearest to each have a row in common.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jaxsynth.audit.evidence import Mask
from jaxsynth.audit.inputs import AuditTables
from jaxsynth.audit.residual import AttackEvidence
from jaxsynth.audit.result import Question
from jaxsynth.audit.targets import TARGETS, check_columns, draw_targets, nearest_synthetic
from jaxsynth.audit.verdict import RESIDUAL
from jaxsynth.errors import AuditError
from jaxsynth.schema import Schema

Parts = tuple[Sequence[str], Sequence[str]]

_QUESTION = Question(
    name="linkability",
    title="Linkability",
    question="Are two parts of a record linked more often for patients in the training table than for others?",
    threat=(
        "The attacker has the released rows and two tables without common columns, and links patients of one "
        "to patients of the other through the nearest released rows."
    ),
    unit="share of targets",
    rule=RESIDUAL,
    excess="residual",
)


def linkability(
    tables: AuditTables, *, seed: int, parts: Parts | None = None, k: int = 1, n_targets: int = TARGETS
) -> AttackEvidence:
    """Try to link two parts of training and of holdout rows through the synthetic table.

    Among synthetic rows that are equally near some are taken at random, and for each part independently: an
    order common to both would link records by nothing but their ties.

    The naive guess is k random synthetic rows for each part; its success is the exact expectation.

    Args:
        tables: what is audited.
        seed: draws the targets, the halves, and the order in which ties are broken.
        parts: two disjoint sets of column names; None: a random halving of the modelled columns.
        k: how many nearest synthetic rows to compare, from 1 to their number.
        n_targets: rows to attack on each side, at most; all rows of a smaller table.

    Raises:
        AuditError: parts that are empty, share a column or name one that is not modelled, fewer than two
            modelled columns, or `k` or `n_targets` out of range.
    """
    parts = _halves(tables.schema, seed) if parts is None else _checked(tables.schema, parts)
    sides = draw_targets(tables, n_targets, seed=seed)
    near = [nearest_synthetic(tables, sides, part, k=k, seed=[seed, 42, i]) for i, part in enumerate(parts)]
    attacked, control = (_linked(first, second) for first, second in zip(*near, strict=True))
    chance = _chance(len(tables.synthetic[0]), k)
    return AttackEvidence(
        question=_QUESTION, attacked=attacked, control=control, naive=np.full(len(attacked), chance), sides=sides
    )


def _halves(schema: Schema, seed: int) -> Parts:
    names = [c.name for c in schema.modelled]
    if len(names) < 2:
        raise AuditError(f"linkability: the only modelled column is {names}; linking two parts needs at least two")
    mixed = [names[i] for i in np.random.default_rng([seed, 42]).permutation(len(names))]
    return mixed[::2], mixed[1::2]


def _checked(schema: Schema, parts: Parts) -> Parts:
    check_columns(schema, [*parts[0], *parts[1]], what="linkability")
    if not all(parts) or set(parts[0]) & set(parts[1]):
        raise AuditError(f"linkability: parts are {parts}; give two sets of columns, none empty, none in both")
    return parts


def _linked(first: NDArray[np.int64], second: NDArray[np.int64]) -> Mask:
    """Whether the two lists of each target share a row. Shape (n,)."""
    shared: Mask = np.any(first[:, :, None] == second[:, None, :], axis=(1, 2))
    return shared


def _chance(m: int, k: int) -> float:
    """That two random choices of k among m rows share one."""
    return 1 - math.comb(m - k, k) / math.comb(m, k)
