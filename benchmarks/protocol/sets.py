"""The seven tables of the comparison: which rows train, which are held out, what is predicted."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import jaxsynth as js

_SPLIT_SEED = 1234
_HELD_OUT = 0.2


@dataclass(frozen=True, kw_only=True)
class Task:
    """One table, split.

    Attributes:
        name: as in `--sets`.
        train: the rows a generator learns from.
        holdout: real rows it never sees.
        target: the column predicted from all others.
        positive: the value of `target` counted as positive.
        schema: kinds of the columns; bounds and levels from both parts, so that distances do not depend on
            which half a row fell into.
    """

    name: str
    train: pa.Table
    holdout: pa.Table
    target: str
    positive: str | int
    schema: js.Schema


def load(name: str, folder: Path) -> Task:
    """Read a set from the folder of Parquet files.

    Raises:
        SystemExit: the set is unknown, or its files are not in `folder`.
    """
    if name not in SETS:
        raise SystemExit(f"set {name!r} is unknown; these are {', '.join(SETS)}")
    try:
        return SETS[name](name, folder)
    except FileNotFoundError as error:
        raise SystemExit(f"set {name!r}: {error}; give the folder of the tables with --data") from error


def halves(task: Task, seed: int) -> Task:
    """The same table as two random halves of all its rows: what the share of closer rows is measured on."""
    table = pa.concat_tables([task.train, task.holdout])
    train, holdout = _split(table, table.num_rows // 2, seed)
    return replace(task, train=train, holdout=holdout)


def _published(target: str, positive: str) -> Callable[[str, Path], Task]:
    """A set that comes split, with the list of columns that the comparison takes for categories."""

    def read(name: str, folder: Path) -> Task:
        columns = json.loads((folder / f"{name}_columns.json").read_text())
        train, holdout = (_read(folder / f"{name}_{part}.parquet") for part in ("train", "test"))
        categories = [train.column_names[i] for i in (*columns["cat_col_idx"], *columns["target_col_idx"])]
        return _task(name, _as_text(train, categories), _as_text(holdout, categories), target, positive)

    return read


def _diabetes(name: str, folder: Path) -> Task:
    """As published: nine numbers (age as its decade's rank), 27 categories, any readmission; their row split.

    The split is by row, and patients recur in it: good for comparing figures, not for claims on privacy.
    """
    names = json.loads((folder / f"{name}_columns.json").read_text())["column_names"]
    table = _read(folder / f"{name}.parquet").select(names)
    decades = table["age"].combine_chunks()
    rank = pc.index_in(decades, value_set=pa.array(sorted(pc.unique(decades).to_pylist()))).cast(pa.int64())
    again = pc.not_equal(table["readmitted"], "NO").cast(pa.int64())
    table = table.set_column(names.index("age"), "age", rank)
    table = _as_text(table.set_column(names.index("readmitted"), "readmitted", again), names[9:])
    with np.load(folder / f"{name}_split.npz", allow_pickle=False) as split:
        train, holdout = (table.take(pa.array(split[part])) for part in ("train", "test"))
    return _task(name, train, holdout, "readmitted", "1")


def _health(
    target: str, positive: str | int, drop: tuple[str, ...] = (), file: str | None = None
) -> Callable[[str, Path], Task]:
    """A set without a published split: a seeded 80/20 one. Columns without any value are left out."""

    def read(name: str, folder: Path) -> Task:
        table = _read(folder / f"{file or name}.parquet").drop_columns(list(drop))
        table = table.select([n for n in table.column_names if table[n].null_count < table.num_rows])
        text = [n for n in table.column_names if pa.types.is_dictionary(table.schema.field(n).type)]
        table = _as_text(table, text)
        train, holdout = _split(table, table.num_rows - round(_HELD_OUT * table.num_rows), _SPLIT_SEED)
        return _task(name, train, holdout, target, positive)

    return read


def _task(name: str, train: pa.Table, holdout: pa.Table, target: str, positive: str | int) -> Task:
    schema = js.Schema.infer(pa.concat_tables([train, holdout]))
    return Task(name=name, train=train, holdout=holdout, target=target, positive=positive, schema=schema)


def _read(path: Path) -> pa.Table:
    if not path.exists():
        raise FileNotFoundError(f"no file {path}")
    return js.nan_to_null(path)


def _as_text(table: pa.Table, names: list[str]) -> pa.Table:
    """Categories as text, so that no generator and no figure takes their numbers for quantities."""
    for name in names:
        table = table.set_column(table.column_names.index(name), name, table[name].cast(pa.large_string()))
    return table


def _split(table: pa.Table, first: int, seed: int) -> tuple[pa.Table, pa.Table]:
    order = np.random.default_rng(seed).permutation(table.num_rows)
    return table.take(pa.array(order[:first])), table.take(pa.array(order[first:]))


SETS: dict[str, Callable[[str, Path], Task]] = {
    "adult": _published("income", ">50K"),
    "default": _published("default.payment.next.month", "1"),
    "shoppers": _published("Revenue", "true"),
    "magic": _published("10", "g"),
    "diabetes130": _diabetes,
    "support2": _health("hospdead", 1),
    "nhanes": _health("Diabetes", "Yes", drop=("ID",), file="nhanes_adults"),
}
