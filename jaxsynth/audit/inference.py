"""Attribute inference: guess a secret column of a patient from the rest of the record.

The attack of Giomi et al. (2023, PoPETs, arXiv:2211.10459, section 4.3): the secret is read off the synthetic
row that is nearest in the columns the attacker knows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxsynth.audit.evidence import Mask
from jaxsynth.audit.inputs import AuditTables
from jaxsynth.audit.intervals import Floats
from jaxsynth.audit.ranks import NULL, Ranks, joint_ranks
from jaxsynth.audit.residual import AttackEvidence
from jaxsynth.audit.result import Question
from jaxsynth.audit.targets import TARGETS, check_columns, draw_targets, nearest_synthetic
from jaxsynth.audit.verdict import RESIDUAL
from jaxsynth.errors import AuditError
from jaxsynth.schema import Column, Schema

TOLERANCE = 0.05
"""A guessed number counts if the secret is no further from it than this share of the guess."""

_QUANTITIES = frozenset({"continuous", "integer", "duration"})


def inferences(
    tables: AuditTables, *, seed: int, secrets: Sequence[str] | None = None, n_targets: int = TARGETS
) -> tuple[AttackEvidence, ...]:
    """Attack several columns in turn, each from all other modelled columns; see `inference`.

    Args:
        tables: what is audited.
        seed: draws the targets, the same for every column.
        secrets: names of the columns; None: every modelled column.
        n_targets: rows to attack on each side, at most.

    Raises:
        AuditError: as `inference`.
    """
    names = [c.name for c in tables.schema.modelled] if secrets is None else secrets
    found = (inference(tables, name, seed=seed, n_targets=n_targets) for name in names)
    return tuple(replace(evidence, questions=len(names)) for evidence in found)


def inference(
    tables: AuditTables,
    secret: str,
    *,
    seed: int,
    auxiliary: Sequence[str] | None = None,
    n_targets: int = TARGETS,
) -> AttackEvidence:
    """Guess one column of training and holdout rows from the synthetic row nearest in other columns.

    A guess is right if it equals the secret, or, for numbers and durations, if it is off by at most 5 % of
    itself; a null is right for a null. Dates and times must be equal, 5 % of a calendar means nothing. Among
    synthetic rows that are equally near one is taken at random.

    The naive guess is the secret of a random synthetic row; its success is the exact expectation.

    Args:
        tables: what is audited.
        secret: the column to guess.
        seed: draws the targets, and the order in which ties are broken.
        auxiliary: columns the attacker knows; None: all modelled ones but the secret.
        n_targets: rows to attack on each side, at most; all rows of a smaller table.

    Returns:
        Evidence of the result "inference_<secret>".

    Raises:
        AuditError: a column that is not modelled, no auxiliary column, the secret among them, or `n_targets`
            is not positive.
    """
    known = _known(tables.schema, secret, auxiliary)
    sides = draw_targets(tables, n_targets, seed=seed)
    guesses = nearest_synthetic(tables, sides, known, k=1, seed=[seed, 44])
    at, column = next((i, c) for i, c in enumerate(tables.schema.modelled) if c.name == secret)
    cells = (tables.synthetic[at], tables.train[at].take(sides[0].at), tables.holdout[at].take(sides[1].at))
    (synthetic, *secrets), values = joint_ranks(column, cells)
    attacked, control = (
        _right(column, synthetic[guess[:, 0]], own, values) for guess, own in zip(guesses, secrets, strict=True)
    )
    return AttackEvidence(
        question=_question(secret),
        attacked=attacked,
        control=control,
        naive=_chance(column, synthetic, secrets[0], values),
        sides=sides,
    )


def _known(schema: Schema, secret: str, auxiliary: Sequence[str] | None) -> list[str]:
    names = [c.name for c in schema.modelled]
    known = [n for n in names if n != secret] if auxiliary is None else list(auxiliary)
    check_columns(schema, [secret, *known], what="inference")
    if not known or secret in known:
        raise AuditError(f"inference: {secret!r} guessed from {known}; give other columns, at least one")
    return known


def _right(column: Column, guess: Ranks, secret: Ranks, values: NDArray[np.number[Any]]) -> Mask:
    equal: Mask = np.equal(guess, secret)
    if column.kind not in _QUANTITIES:
        return equal
    guessed, true = values[guess].astype(np.float64), values[secret].astype(np.float64)
    near: Mask = np.abs(guessed - true) <= TOLERANCE * np.abs(guessed)
    right: Mask = equal | (near & (guess != NULL) & (secret != NULL))
    return right


def _chance(column: Column, synthetic: Ranks, secret: Ranks, values: NDArray[np.number[Any]]) -> Floats:
    """Share of synthetic rows whose own value would be a right guess of each secret."""
    shares: Floats = np.bincount(synthetic - NULL, minlength=len(values) + 1) / len(synthetic)
    equal: Floats = shares[secret - NULL]
    if column.kind not in _QUANTITIES:
        return equal
    true = values[secret].astype(np.float64)
    ends = np.sort([true / (1 + TOLERANCE), true / (1 - TOLERANCE)], axis=0)
    below = np.concatenate([[0], np.cumsum(shares[1:])])
    near = below[np.searchsorted(values, ends[1], "right")] - below[np.searchsorted(values, ends[0], "left")]
    return np.where(secret == NULL, equal, near)


def _question(secret: str) -> Question:
    return Question(
        name=f"inference_{secret}",
        title=f"Attribute inference: {secret}",
        question=f"Is {secret!r} guessed better for patients in the training table than for others like them?",
        threat=(
            "The attacker has the released rows, knows a patient's other columns, and reads the secret "
            "column off the nearest released row."
        ),
        unit="share of targets",
        rule=RESIDUAL,
        excess="residual",
    )
