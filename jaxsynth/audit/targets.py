"""Rows under attack: which ones, and the synthetic rows nearest to them in the columns an attacker knows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jaxsynth.audit.evidence import Rows
from jaxsynth.audit.inputs import AuditTables, take
from jaxsynth.errors import AuditError
from jaxsynth.neighbours import Cells, search
from jaxsynth.schema import Schema

TARGETS = 10_000
"""Rows attacked on each side: enough to detect 5 % of residual risk where half of all guesses are right anyway."""


def draw_targets(tables: AuditTables, n: int, *, seed: int) -> tuple[Rows, Rows]:
    """Training rows and holdout rows to attack: at most `n` of each, at random, in the order of their table.

    Raises:
        AuditError: `n` is not positive.
    """
    if n < 1:
        raise AuditError(f"n_targets is {n}; give a positive number of rows to attack")
    rng = np.random.default_rng([seed, 41])
    chosen = [np.sort(rng.permutation(len(cells[0]))[:n]) for cells in (tables.train, tables.holdout)]
    return Rows("train", chosen[0]), Rows("holdout", chosen[1])


def nearest_synthetic(
    tables: AuditTables, sides: tuple[Rows, Rows], columns: Sequence[str], *, k: int, seed: Sequence[int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the `k` synthetic rows nearest to each target in some columns.

    Rows that are equally near come in random order: in the order of the table, a copy of a training row that
    the table happens to begin with would win every tie.

    Args:
        tables: what is audited.
        sides: training rows and holdout rows.
        columns: names of modelled columns, at least one.
        k: how many, from 1 to the number of synthetic rows.
        seed: decides the order of ties.

    Returns:
        Positions in the synthetic table, nearest first. Shapes (n, k) and (m, k).

    Raises:
        AuditError: `k` out of range.
    """
    order = np.random.default_rng(seed).permutation(len(tables.synthetic[0]))
    schema, synthetic = _select(tables.schema, take(tables.synthetic, order), columns)

    def near(table: Cells, rows: Rows) -> NDArray[np.int64]:
        _, targets = _select(tables.schema, take(table, rows.at), columns)
        return order[search(synthetic, targets, schema, k=k, threads=tables.threads).rows]

    return near(tables.train, sides[0]), near(tables.holdout, sides[1])


def check_columns(schema: Schema, columns: Sequence[str], *, what: str) -> None:
    """Refuse names that are not those of modelled columns.

    Raises:
        AuditError: naming the first.
    """
    names = [c.name for c in schema.modelled]
    unknown = [n for n in columns if n not in names]
    if unknown:
        raise AuditError(f"{what}: {unknown[0]!r} is not a modelled column; these are {names}")


def _select(schema: Schema, cells: Cells, names: Sequence[str]) -> tuple[Schema, Cells]:
    """Some of the modelled columns, in schema order, and a schema of those alone."""
    kept = [i for i, c in enumerate(schema.modelled) if c.name in names]
    return Schema(columns=tuple(schema.modelled[i] for i in kept)), tuple(cells[i] for i in kept)
