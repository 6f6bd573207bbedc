"""`audit`: read three tables, check that they can be compared, search, ask the questions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jaxsynth.audit.copies import exact_copies, near_copies
from jaxsynth.audit.distance import curve, dcr, nndr, ratios
from jaxsynth.audit.intervals import newcombe
from jaxsynth.audit.result import AuditReport
from jaxsynth.audit.verdict import SHARE
from jaxsynth.errors import AuditError
from jaxsynth.neighbours import Cells, read_cells, search
from jaxsynth.schema import Schema
from jaxsynth.tables import as_table, check_finite

_LEAST_ROWS = {
    "synthetic": (1, "nothing to audit"),
    "train": (2, "the distance ratio needs two neighbours"),
    "holdout": (2, "one half sets a threshold that the other is held against"),
}
_OVERLAP_SAMPLE = 1000


def audit(
    synthetic: Any,
    *,
    train: Any,
    holdout: Any,
    schema: Schema | None = None,
    seed: int = 0,
    threads: int = 0,
) -> AuditReport:
    """Screen a synthetic table for copies of training rows, against real rows the generator has not seen.

    Every figure is computed for the synthetic rows and for the holdout rows, both against the same training
    rows, and judged by the excess of the first over the second; `jaxsynth.audit.verdict` has the rule. The
    screens find copying. Passing them does not show that a table is private.

    Args:
        synthetic: the generated table; anything `jaxsynth` takes for a table, at least 1 row.
        train: the table the generator was fitted to, at least 2 rows.
        holdout: rows of the same population that the generator has not seen, split off at random (by
            person, where persons have several rows), at least 2 rows, some 1,500 for all to pass.
        schema: which columns count and their bounds; inferred from `train` if None. Identifier and text
            columns are left out, and each table may have further columns.
        seed: non-negative; decides the split of the holdout and the resamples. One seed, one report.
        threads: how many threads search; 0: one for each core.

    Returns:
        Results "exact_copies", "near_copies", "dcr" and "nndr", and the curves of the last two.

    Raises:
        TableError: a table is unreadable or holds NaN or infinite cells.
        AuditError: a modelled column is missing or of another type than the schema says, a table has too few
            rows, the holdout overlaps the training table, or `seed` or `threads` is negative.

    Example:
        >>> import pyarrow as pa
        >>> rows = pa.table({"x": [0.1, 0.5, 0.9, 1.7]})
        >>> report = audit(rows, train=rows, holdout=pa.table({"x": [0.2, 0.4, 0.8, 1.6]}))
        >>> report["exact_copies"].estimate, report["exact_copies"].baseline
        (1.0, 0.0)
    """
    if seed < 0:
        raise AuditError(f"seed is {seed}; give a non-negative integer")
    sources = {"synthetic": synthetic, "train": train, "holdout": holdout}
    tables = {what: as_table(source, what=what) for what, source in sources.items()}
    if schema is None:
        check_finite(tables["train"], what="train")
        schema = Schema.infer(tables["train"])
    cells = {what: read_cells(table, schema, what=what) for what, table in tables.items()}
    _require_rows({what: table.num_rows for what, table in tables.items()})
    near = {w: search(cells["train"], cells[w], schema, k=2, threads=threads) for w in ("synthetic", "holdout")}
    generated, real = near["synthetic"].distances, near["holdout"].distances
    _refuse_overlap(cells["train"], real[:, 0], schema, seed=seed, threads=threads)
    return _report(generated, real, n_train=tables["train"].num_rows, digest=schema.digest, seed=seed)


def _require_rows(counts: dict[str, int]) -> None:
    for what, n in counts.items():
        least, why = _LEAST_ROWS[what]
        if n < least:
            raise AuditError(f"{what}: {n} rows, an audit needs at least {least} ({why}); give a larger table")


def _report(
    synthetic: NDArray[np.float64], holdout: NDArray[np.float64], *, n_train: int, digest: str, seed: int
) -> AuditReport:
    """All questions, from the two nearest distances of each row. Shapes (s, 2) and (h, 2)."""
    nearest = synthetic[:, 0], holdout[:, 0]
    ratio = ratios(synthetic), ratios(holdout)
    return AuditReport(
        results=(
            exact_copies(*nearest, seed=seed),
            near_copies(*nearest, seed=seed),
            dcr(*nearest, seed=seed),
            nndr(*ratio, seed=seed),
        ),
        curves=(curve("dcr", *nearest), curve("nndr", *ratio)),
        n_train=n_train,
        n_holdout=len(holdout),
        n_synthetic=len(synthetic),
        seed=seed,
        schema_digest=digest,
    )


def _refuse_overlap(
    train: Cells, nearest: NDArray[np.float64], schema: Schema, *, seed: int, threads: int
) -> None:
    """Refuse a holdout that holds training rows: its baseline would excuse every copy.

    Where rows repeat by chance, training rows repeat one another as often as holdout rows repeat them: the
    share of training rows with a second row at distance 0 says how many repetitions to expect.
    """
    copies, n = int(np.sum(nearest == 0)), len(nearest)
    if copies <= SHARE.margin * n:
        return
    size = min(_OVERLAP_SAMPLE, len(train[0]))
    rows = np.sort(np.random.default_rng([seed, 3]).permutation(len(train[0]))[:size])
    repeated = search(train, tuple(a.take(rows) for a in train), schema, k=2, threads=threads).distances[:, 1] == 0
    expected = int(repeated.sum())
    if newcombe(copies, n, expected, size).low > SHARE.margin:
        raise AuditError(
            f"holdout: {copies} of {n} rows are also in train, {expected / size:.1%} are expected by chance; "
            "split the real table once, without replacement, and fit on the training part only"
        )
