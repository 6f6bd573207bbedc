"""Singling out: predicates that hold for one synthetic row, held against real patients.

The attacks of Giomi et al. (2023, PoPETs, arXiv:2211.10459, section 4.1), after Cohen and Nissim (2020, "Towards
formalizing the GDPR's notion of singling out", arXiv:1904.06009).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

from jaxsynth.audit.evidence import Rows
from jaxsynth.audit.inputs import AuditTables
from jaxsynth.audit.intervals import Floats
from jaxsynth.audit.predicates import (
    Predicates,
    RankedTable,
    count_matches,
    random_predicates,
    rare_combinations,
    rare_values,
)
from jaxsynth.audit.ranks import joint_ranks
from jaxsynth.audit.residual import AttackEvidence
from jaxsynth.audit.result import Question
from jaxsynth.audit.verdict import RESIDUAL
from jaxsynth.errors import AuditError

PREDICATES = 2000


def singling_out(
    tables: AuditTables, *, seed: int, n_predicates: int = PREDICATES, n_columns: int = 3
) -> tuple[AttackEvidence, AttackEvidence]:
    """Evaluate on real rows predicates that single out one synthetic row.

    Univariate predicates ask for a value (or a null) that one synthetic row has, or for values at or beyond
    the least or greatest, where one row has it. Multivariate predicates take a random synthetic row and random
    columns, and ask for its categories and for numbers as extreme as its own: at least where it is above the
    median, else at most. Equal synthetic rows count as one. An attack succeeds on a table if the predicate
    holds for exactly one of its rows; a value is the row a predicate was made from, of the synthetic table.

    How often a predicate isolates a row depends on how many rows there are, so both tables are compared at the
    size of the smaller one: the success on the larger is that on a random subset, averaged over all subsets
    (t matching rows of N leave one in a subset of n with the hypergeometric probability). No curve has to be
    fitted, and without a leak both rates have the same expectation, whatever the predicates. If the training
    table is the larger, such a subset holds only one in N / n of the leaked rows: the residual risk is scaled
    by N / n. This makes it that of the whole table where predicates are rare, and no smaller where they are
    common; what is detectable grows by the same factor, so a holdout as large as the training table is best.

    The naive attack asks for random values of random columns, with equality or, for numbers, either bound.
    The limits treat the two tables' successes as independent; the predicates being the same, they are if
    anything too wide.

    Args:
        tables: what is audited.
        seed: draws the predicates.
        n_predicates: how many of each sort, at most: a table without rare values has none.
        n_columns: columns in a multivariate predicate, at most.

    Returns:
        Evidence of the results "singling_out_univariate" and "singling_out_multivariate".

    Raises:
        AuditError: `n_predicates` or `n_columns` is not positive.
    """
    if n_predicates < 1 or n_columns < 1:
        raise AuditError(f"singling out: {n_predicates} predicates of {n_columns} columns; give positive numbers")
    rng = np.random.default_rng([seed, 43])
    real = _Tables.of(tables)
    wide = min(n_columns, len(real.synthetic.ranks))
    values = rare_values(real.synthetic, n_predicates, rng)
    combinations = rare_combinations(real.synthetic, n_predicates, wide, rng)
    guesses = [random_predicates(real.synthetic, n_predicates, c, rng) for c in (1, wide)]
    return (
        real.evidence(_question("univariate", "values"), values, guesses[0]),
        real.evidence(_question("multivariate", "combinations of values"), combinations, guesses[1]),
    )


@dataclass(frozen=True, eq=False)
class _Tables:
    """Ranks of the three tables; the synthetic one without repeated rows, which were at `distinct`."""

    synthetic: RankedTable
    train: RankedTable
    holdout: RankedTable
    distinct: NDArray[np.int64]

    @classmethod
    def of(cls, tables: AuditTables) -> _Tables:
        columns = tables.schema.modelled
        cells = zip(tables.synthetic, tables.train, tables.holdout, strict=True)
        ranks = [joint_ranks(c, abc).tables for c, abc in zip(columns, cells, strict=True)]
        is_ordered = np.array([c.is_numeric for c in columns])
        synthetic, train, holdout = (RankedTable.of(t, is_ordered) for t in zip(*ranks, strict=True))
        _, distinct = np.unique(synthetic.ranks, axis=1, return_index=True)
        distinct = np.sort(distinct)
        return cls(synthetic.among(distinct), train, holdout, distinct)

    def evidence(self, question: Question, attacks: Predicates, guesses: Predicates) -> AttackEvidence:
        size = min(len(self.train), len(self.holdout))
        rows = Rows("synthetic", self.distinct[attacks.rows])
        chance = isolation(count_matches(guesses, self.train), len(self.train), size).mean()
        return AttackEvidence(
            question=question,
            attacked=isolation(count_matches(attacks, self.train), len(self.train), size),
            control=isolation(count_matches(attacks, self.holdout), len(self.holdout), size),
            naive=np.full(len(attacks), chance),
            sides=(rows, rows),
            scale=len(self.train) / size,
        )


def isolation(matches: NDArray[np.int64], rows: int, size: int) -> Floats:
    """Chance that a random subset of `size` of `rows` rows holds exactly one of the matching ones. Shape (q,)."""
    if size == rows:
        return np.asarray(matches == 1, np.float64)
    return np.asarray(hypergeom.pmf(1, rows, matches, size), np.float64)


def _question(sort: str, what: str) -> Question:
    return Question(
        name=f"singling_out_{sort}",
        title=f"Singling out, {sort}",
        question=f"Do rare {what} of synthetic rows single out patients of the training table more than others?",
        threat=(
            "The attacker has the released rows and looks for a description that fits exactly one patient, "
            f"made of {what} that one released row has."
        ),
        unit="share of predicates",
        rule=RESIDUAL,
        excess="residual",
    )
