"""`evaluate`: tables in, every quality figure beside its real-vs-real floor out."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from jaxsynth.errors import AuditError
from jaxsynth.quality.frames import Frames, frames
from jaxsynth.quality.learners import MAX_ROWS, MIN_ROWS, detection, features, utility
from jaxsynth.quality.marginals import marginals
from jaxsynth.quality.result import ColumnScore, QualityReport, Utility, average
from jaxsynth.quality.shapes import column_scores
from jaxsynth.quality.trends import pair_scores
from jaxsynth.schema.schema import Schema
from jaxsynth.tables import as_table, check_finite


def evaluate(
    synthetic: Any,
    *,
    train: Any,
    holdout: Any,
    schema: Schema | None = None,
    target: str | None = None,
    seed: int = 0,
) -> QualityReport:
    """How good a synthetic table is, each figure beside what two real samples score against each other.

    Columns that generators do not learn (identifiers, free text, dropped columns) are left out; so are
    columns that are not in the schema.

    Args:
        synthetic: the generated table; anything `jaxsynth` takes for a table.
        train: the real rows the generator learned from.
        holdout: real rows of the same kind that it has not seen.
        schema: how to read the columns; inferred from `train` if not given.
        target: column to predict for the utility score; the schema's target if not given.
        seed: of subsampling, folds and learners; not negative.

    Raises:
        TableError: an input is unreadable or holds NaN or infinities.
        AuditError: an input has no rows, lacks a column or has it in another type; the target is unknown.
        SchemaError: the schema (given or inferred) does not describe the training table.
    """
    _check_seed(seed)
    tables = {"train": _read(train, "train"), "holdout": _read(holdout, "holdout")}
    tables["synthetic"] = _read(synthetic, "synthetic")
    schema = schema if schema is not None else Schema.infer(tables["train"])
    target = target if target is not None else schema.target
    _check_target(target, schema)
    coded = frames(schema, **tables)
    return _score(coded, schema, tables, target, seed)


def _read(source: Any, what: str) -> pa.Table:
    table = as_table(source, what=what)
    if table.num_rows == 0:
        raise AuditError(f"{what}: no rows; give a table with at least one row")
    check_finite(table, what=what)
    return table


def _check_seed(seed: int) -> None:
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise AuditError(f"seed: {seed!r} is not a non-negative integer; give one, such as 0")


def _check_target(target: str | None, schema: Schema) -> None:
    scored = [c.name for c in schema.modelled]
    if target is not None and target not in scored:
        raise AuditError(f"target: {target!r} is not among the columns {scored}; name one of them, or none")


def _score(
    coded: Frames, schema: Schema, tables: dict[str, pa.Table], target: str | None, seed: int
) -> QualityReport:
    columns, pairs = column_scores(coded), pair_scores(coded)
    told, told_train, told_real = _detections(coded, seed)
    used = utility(coded, target, seed=seed) if target is not None else None
    return QualityReport(
        columns=columns,
        pairs=pairs,
        shape_error=average([c.error for c in columns]),
        shape_floor=average([c.floor for c in columns]),
        trend_error=average([p.error for p in pairs]),
        trend_floor=average([p.floor for p in pairs]),
        detection=told,
        detection_train=told_train,
        detection_floor=told_real,
        utility=used if isinstance(used, Utility) else None,
        violations=_violations(schema, tables["synthetic"], tables["train"]),
        marginals=marginals(coded),
        n_train=coded.train.rows,
        n_holdout=coded.holdout.rows,
        n_synthetic=coded.synthetic.rows,
        seed=seed,
        schema_digest=schema.digest,
        notes=_notes(coded, schema, columns, used),
    )


def _detections(coded: Frames, seed: int) -> tuple[float | None, float | None, float | None]:
    """AUC of synthetic against holdout, synthetic against train, and holdout against train."""
    train, holdout, synthetic = (features(coded, f) for f in (coded.train, coded.holdout, coded.synthetic))
    return (
        detection(holdout, synthetic, seed=seed),
        detection(train, synthetic, seed=seed),
        detection(train, holdout, seed=seed),
    )


def _violations(schema: Schema, synthetic: pa.Table, train: pa.Table) -> dict[str, tuple[float, float]]:
    generated, real = schema.violations(synthetic), schema.violations(train)
    return {
        rule: (generated[rule] / synthetic.num_rows, real[rule] / train.num_rows)
        for rule in real
        if rule in generated
    }


def _notes(
    coded: Frames, schema: Schema, columns: tuple[ColumnScore, ...], used: Utility | str | None
) -> tuple[str, ...]:
    notes = []
    left_out = [c.name for c in schema if not c.modelled]
    if left_out:
        notes.append(f"not compared, because generators do not learn them: {', '.join(left_out)}")
    empty = [c.name for c in columns if c.error is None]
    if empty:
        notes.append(f"no shape error, because a table has no value there: {', '.join(empty)}")
    sizes = coded.train.rows, coded.holdout.rows, coded.synthetic.rows
    if min(sizes) < MIN_ROWS:
        notes.append(f"detection needs {MIN_ROWS} rows in each table; the smallest has {min(sizes)}")
    if sorted(sizes)[1] > MAX_ROWS:
        notes.append(f"detection was scored on {MAX_ROWS:,} rows a side, drawn with the seed")
    if isinstance(used, str):
        notes.append(used)
    return tuple(notes)
