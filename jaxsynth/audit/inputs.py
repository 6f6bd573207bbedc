"""The three tables of an audit: read once, checked once, compared by one schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxsynth.audit.intervals import newcombe, z_two_sided
from jaxsynth.audit.verdict import SHARE
from jaxsynth.errors import AuditError
from jaxsynth.neighbours import Cells, read_cells, search
from jaxsynth.schema import Schema
from jaxsynth.tables import as_table, check_finite

_LEAST_ROWS = {
    "synthetic": (1, "nothing to audit"),
    "train": (2, "the distance ratio needs two neighbours"),
    "holdout": (4, "rows to attack, a reference and a stand-in for the synthetic table are cut from it"),
}
_OVERLAP_SAMPLE = 1000


@dataclass(frozen=True, eq=False)
class AuditTables:
    """Modelled columns of three tables, in schema order, one array a column.

    Attributes:
        synthetic: the released rows.
        train: the rows the generator was fitted on.
        holdout: real rows it has not seen.
        schema: what the columns are.
        threads: how many threads search; 0: one for each core.
    """

    synthetic: Cells
    train: Cells
    holdout: Cells
    schema: Schema
    threads: int = 0


def read_tables(synthetic: Any, train: Any, holdout: Any, schema: Schema | None, *, threads: int) -> AuditTables:
    """Read and check three tables; anything `jaxsynth` takes for a table.

    Raises:
        TableError: a table is unreadable or holds NaN or infinite cells.
        AuditError: a modelled column is missing or of another type than the schema says, or a table has too
            few rows.
    """
    sources = {"synthetic": synthetic, "train": train, "holdout": holdout}
    tables = {what: as_table(source, what=what) for what, source in sources.items()}
    if schema is None:
        check_finite(tables["train"], what="train")
        schema = Schema.infer(tables["train"])
    cells = {what: read_cells(table, schema, what=what) for what, table in tables.items()}
    for what, table in tables.items():
        least, why = _LEAST_ROWS[what]
        if table.num_rows < least:
            raise AuditError(
                f"{what}: {table.num_rows} rows, an audit needs at least {least} ({why}); give a larger table"
            )
    return AuditTables(**cells, schema=schema, threads=threads)


def take(cells: Cells, rows: Any) -> Cells:
    """Those rows of each column. Integers of shape (n,)."""
    return tuple(a.take(rows) for a in cells)


def refuse_overlap(tables: AuditTables, copies: int, *, seed: int) -> None:
    """Refuse a holdout that holds training rows: its baseline would excuse every copy.

    Where rows repeat by chance, training rows repeat one another as often as holdout rows repeat them: the
    share of training rows with a second row at distance 0 says how many repetitions to expect.

    Args:
        tables: what is audited.
        copies: holdout rows at distance 0 from a training row.
        seed: draws the training rows that are looked at.

    Raises:
        AuditError: more holdout rows are in the training table than chance explains.
    """
    n, train = len(tables.holdout[0]), tables.train
    if copies <= SHARE.margin * n:
        return
    size = min(_OVERLAP_SAMPLE, len(train[0]))
    rows = np.sort(np.random.default_rng([seed, 3]).permutation(len(train[0]))[:size])
    near = search(train, take(train, rows), tables.schema, k=2, threads=tables.threads).distances
    expected = int(np.sum(near[:, 1] == 0))
    # A refusal is final: of a thousand honest tables one may meet it.
    if newcombe(copies, n, expected, size, z=z_two_sided(0.998)).low > SHARE.margin:
        raise AuditError(
            f"holdout: {copies} of {n} rows are also in train, {expected / size:.1%} are expected by chance; "
            "split the real table once, without replacement, and fit on the training part only"
        )
