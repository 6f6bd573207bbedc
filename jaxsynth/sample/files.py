"""A record-batch stream into one file: Parquet, Arrow IPC or CSV; whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.ipc as pa_ipc
import pyarrow.parquet as pq

from jaxsynth.atomic import replacing
from jaxsynth.errors import OutputError

Format = Literal["parquet", "ipc", "csv"]
_SUFFIXES: dict[str, Format] = {
    ".parquet": "parquet", ".pq": "parquet", ".arrow": "ipc", ".feather": "ipc", ".ipc": "ipc", ".csv": "csv",
}  # fmt: skip


def format_of(path: Path, format_: str | None) -> Format:
    """The format asked for, or that of the file name.

    Raises:
        OutputError: an unknown format, or none given and none to be told from the name.
    """
    if format_ is None:
        if path.suffix.lower() not in _SUFFIXES:
            raise OutputError(f"cannot tell the format of {str(path)!r}; end it in .parquet, .arrow or .csv")
        return _SUFFIXES[path.suffix.lower()]
    if format_ not in get_args(Format):
        raise OutputError(f"format {format_!r} is unknown; use parquet, ipc or csv")
    return format_  # type: ignore[return-value]


def write_stream(reader: pa.RecordBatchReader, path: str | os.PathLike[str], format_: str | None = None) -> int:
    """Write all of `reader` to `path` atomically; returns the number of rows.

    Raises:
        OutputError: an unknown format, an unwritable directory, or a full disk; nothing is left behind.
    """
    target = Path(path)
    open_writer = _WRITERS[format_of(target, format_)]
    rows = 0
    with replacing(target) as temporary, open_writer(temporary, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


def _parquet(path: Path, schema: pa.Schema) -> Any:
    # Dictionaries pay for themselves on categories only: most numbers hardly repeat.
    texts = [f.name for f in schema if pa.types.is_dictionary(f.type) or not _is_plain(f.type)]
    return pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=texts)


def _is_plain(type_: pa.DataType) -> bool:
    return pa.types.is_primitive(type_) and not pa.types.is_boolean(type_)


def _ipc(path: Path, schema: pa.Schema) -> Any:
    return pa_ipc.new_file(path, schema)


def _csv(path: Path, schema: pa.Schema) -> Any:
    plain = pa.schema([f.with_type(f.type.value_type) if pa.types.is_dictionary(f.type) else f for f in schema])
    return _Plain(pa_csv.CSVWriter(path, plain), plain)


class _Plain:
    """A CSV writer that takes dictionary columns, which Arrow's own does not."""

    def __init__(self, writer: Any, schema: pa.Schema) -> None:
        self._writer, self._schema = writer, schema

    def __enter__(self) -> _Plain:
        return self

    def __exit__(self, *error: object) -> None:
        self._writer.close()

    def write_batch(self, batch: pa.RecordBatch) -> None:
        self._writer.write_batch(batch.cast(self._schema))


_WRITERS: dict[str, Callable[[Path, pa.Schema], Any]] = {"parquet": _parquet, "ipc": _ipc, "csv": _csv}
