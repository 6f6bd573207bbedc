"""Anything -> Arrow: the one place that reads tables from paths, streams and other libraries' frames."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.dataset as pa_dataset
import pyarrow.ipc as pa_ipc
import pyarrow.parquet as pq

from jaxsynth.errors import TableError

_SUFFIXES = ".parquet, .arrow, .feather, .ipc, .csv, .csv.gz or .tsv"


def as_table(source: Any, *, what: str = "table") -> pa.Table:
    """Read `source` into a `pyarrow.Table` with distinct column names.

    Args:
        source: a Table, RecordBatch, RecordBatchReader, an object with `__arrow_c_stream__`, a mapping of
            columns, a path to a Parquet, Arrow IPC or CSV file, or a directory of them.
        what: the name of this input in error messages, such as "holdout".

    Raises:
        TableError: the file is missing or unreadable, the object is not a table, a column mixes types, or
            two columns share a name.
    """
    table = _read(source, what)
    seen: set[str] = set()
    for name in table.column_names:
        if name in seen:
            raise TableError(f"{what}: two columns are named {name!r}; rename one so that names are distinct")
        seen.add(name)
    if table.num_columns == 0:
        raise TableError(f"{what}: no columns; give a table with at least one column")
    return _without_views(table.replace_schema_metadata(None))


def _without_views(table: pa.Table) -> pa.Table:
    """String views (what polars exports) as large strings: half of Arrow's own functions do not take views."""
    fields = [f.with_type(_without_view(f.type)) for f in table.schema]
    return table if fields == list(table.schema) else table.cast(pa.schema(fields))


def _without_view(type_: pa.DataType) -> pa.DataType:
    if type_ == pa.string_view():
        return pa.large_string()
    if pa.types.is_dictionary(type_) and type_.value_type == pa.string_view():
        return pa.dictionary(type_.index_type, pa.large_string(), type_.ordered)
    return type_


def _read(source: Any, what: str) -> pa.Table:
    if isinstance(source, pa.Table):
        return source
    if isinstance(source, pa.RecordBatch):
        return pa.Table.from_batches([source])
    if isinstance(source, pa.RecordBatchReader):
        return source.read_all()
    if isinstance(source, (str, os.PathLike)):
        return _read_path(Path(source), what)
    if isinstance(source, dict) or hasattr(source, "__arrow_c_stream__"):
        return _import(source, what)
    raise TableError(
        f"{what}: {type(source).__name__} is not a table; give a pyarrow Table, a path, or an object with "
        "__arrow_c_stream__ (pandas, polars, duckdb)"
    )


def _import(source: Any, what: str) -> pa.Table:
    try:
        return pa.table(source)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        column = _mixed_column(source)
        where = f"column {column!r}" if column is not None else "a column"
        raise TableError(
            f"{what}: {where} mixes types ({error}); convert it to one type, for instance with astype(str)"
        ) from error


def _mixed_column(source: Any) -> object | None:
    """The first column that Arrow cannot convert by itself, for the error message."""
    names = list(source) if isinstance(source, dict) else list(getattr(source, "columns", []))
    for name in names:
        try:
            pa.array(source[name])
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
            return name  # type: ignore[no-any-return]
    return None


def _read_path(path: Path, what: str) -> pa.Table:
    if not path.exists():
        raise TableError(f"{what}: no file {str(path)!r}; check the path")
    try:
        return _read_directory(path, what) if path.is_dir() else _read_file(path, what)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise TableError(f"{what}: cannot read {str(path)!r}: {_first_line(error)}") from error


def _read_file(path: Path, what: str) -> pa.Table:
    name = path.name.lower()
    if name.endswith((".parquet", ".pq")):
        return pq.ParquetFile(path).read()
    if name.endswith((".arrow", ".feather", ".ipc", ".arrows")):
        return _read_ipc(path)
    if name.endswith((".csv", ".csv.gz", ".tsv", ".tsv.gz")):
        return _read_csv(path, "\t" if ".tsv" in name else ",")
    raise TableError(f"{what}: cannot tell the format of {str(path)!r}; name it {_SUFFIXES}")


def _read_ipc(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as source:
        try:
            return pa_ipc.open_file(source).read_all()
        except pa.ArrowInvalid:
            source.seek(0)
            return pa_ipc.open_stream(source).read_all()


def _read_csv(path: Path, delimiter: str) -> pa.Table:
    # An empty quoted or unquoted string is a missing cell in every clinical export we have seen.
    convert = pa_csv.ConvertOptions(strings_can_be_null=True)
    return pa_csv.read_csv(path, parse_options=pa_csv.ParseOptions(delimiter=delimiter), convert_options=convert)


def _read_directory(path: Path, what: str) -> pa.Table:
    found = files_under(path)
    if found is None:
        raise TableError(f"{what}: no Parquet, Arrow or CSV file under {str(path)!r}; check the path")
    format_, files = found
    return pa_dataset.dataset(files, format=format_).to_table()


def files_under(path: Path) -> tuple[str, list[str]] | None:
    """The files of a directory that make its table, by name, all of one format, and Arrow's word for that."""
    for suffix, format_ in ((".parquet", "parquet"), (".arrow", "ipc"), (".csv", "csv")):
        files = sorted(str(f) for f in path.rglob(f"*{suffix}"))
        if files:
            return format_, files
    return None


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]


def check_finite(table: pa.Table, *, what: str = "table", start: int = 0) -> None:
    """Refuse NaN and infinities: Arrow's null is the only missing value.

    Args:
        table: rows to look at.
        what: the name of this input in error messages.
        start: the number of the first of these rows.

    Raises:
        TableError: naming the column, how many cells, the first row, and the remedy.
    """
    for name in table.column_names:
        column = table[name]
        if not pa.types.is_floating(column.type):
            continue
        values = np.asarray(column.fill_null(0).cast(pa.float64()))
        bad = ~np.isfinite(values)
        if bad.any():
            _raise_not_finite(name, values, bad, what=what, start=start)


def _raise_not_finite(name: str, values: np.ndarray, bad: np.ndarray, *, what: str, start: int) -> None:
    kind = "NaN" if np.isnan(values).any() else "infinite"
    remedy = (
        "NaN is not a missing value here: use jaxsynth.nan_to_null(table), or --nan-as-null"
        if kind == "NaN"
        else "replace infinities by null or by the bound they stand for"
    )
    first = start + int(bad.argmax())
    raise TableError(
        f"{what}: column {name!r} holds {int(bad.sum())} {kind} cells, the first in row {first}; {remedy}"
    )


def nan_to_null(table: Any) -> pa.Table:
    """The table with every floating-point NaN made null.

    Example:
        >>> import pyarrow as pa
        >>> nan_to_null(pa.table({"x": [1.0, float("nan")]}))["x"].null_count
        1
    """
    out = as_table(table)
    for i, field in enumerate(out.schema):
        if pa.types.is_floating(field.type):
            column = out.column(i)
            out = out.set_column(i, field.name, pc.if_else(pc.is_nan(column), pa.scalar(None, field.type), column))
    return out
