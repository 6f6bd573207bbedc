"""One file's bytes: Parquet, Arrow IPC or CSV. Equal batches give equal files with equal library versions."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal, get_args

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.ipc as pa_ipc
import pyarrow.parquet as pq

from jaxsynth.errors import OutputError

Format = Literal["parquet", "ipc", "csv"]
Put = Callable[[pa.RecordBatch], None]

SUFFIX_OF: dict[Format, str] = {"parquet": ".parquet", "ipc": ".arrow", "csv": ".csv"}
FORMAT_OF: dict[str, Format] = {
    ".parquet": "parquet", ".pq": "parquet", ".arrow": "ipc", ".feather": "ipc", ".ipc": "ipc", ".csv": "csv",
}  # fmt: skip
_GROUP_ROWS = 2**18  # rows a Parquet row group: a writer holds no more than that


def checked(format_: str) -> Format:
    """The format of this name.

    Raises:
        OutputError: there is none.
    """
    if format_ not in get_args(Format):
        raise OutputError(f"format {format_!r} is unknown; use parquet, ipc or csv")
    return format_  # type: ignore[return-value]


def writing(path: Path, schema: pa.Schema, format_: Format) -> AbstractContextManager[Put]:
    """A function that adds a batch to the file; the file is complete once the context is left.

    Raises:
        OSError: the file cannot be written.
    """
    return _WRITERS[format_](path, schema)


@contextlib.contextmanager
def _parquet(path: Path, schema: pa.Schema) -> Iterator[Put]:
    """Dictionaries for categories alone: most numbers hardly repeat. Bytes of floats are split by significance.

    Rows are drawn independently, so no statistics could tell a reader which row groups to leave out; they are
    written of integers and times, where surrogate identifiers and row numbers rise through the stream.
    """
    options = {
        "compression": "zstd",
        "use_dictionary": [f.name for f in schema if _is_category(f.type)],
        "use_byte_stream_split": [f.name for f in schema if pa.types.is_floating(f.type)],
        "write_statistics": [f.name for f in schema if _may_rise(f.type)],
    }
    held: list[pa.RecordBatch] = []
    with pq.ParquetWriter(path, schema, **options) as writer:

        def flush() -> None:
            group = pa.Table.from_batches(held, schema)
            writer.write_table(group, row_group_size=max(group.num_rows, 1))
            held.clear()

        def put(batch: pa.RecordBatch) -> None:
            held.append(batch)
            if sum(b.num_rows for b in held) >= _GROUP_ROWS:
                flush()

        yield put
        if held:
            flush()


def _is_category(type_: pa.DataType) -> bool:
    return any(is_a(type_) for is_a in (pa.types.is_dictionary, pa.types.is_string, pa.types.is_large_string))


def _may_rise(type_: pa.DataType) -> bool:
    return any(is_a(type_) for is_a in (pa.types.is_integer, pa.types.is_temporal))


@contextlib.contextmanager
def _ipc(path: Path, schema: pa.Schema) -> Iterator[Put]:
    """Not compressed, so that readers map the file into memory."""
    with pa_ipc.new_file(path, schema) as writer:
        yield writer.write_batch


@contextlib.contextmanager
def _csv(path: Path, schema: pa.Schema) -> Iterator[Put]:
    """Dictionary columns as their values: Arrow's own writer does not take them."""
    plain = pa.schema([f.with_type(f.type.value_type) if pa.types.is_dictionary(f.type) else f for f in schema])
    with pa_csv.CSVWriter(path, plain) as writer:
        yield lambda batch: writer.write_batch(batch.cast(plain))


_WRITERS: dict[Format, Callable[[Path, pa.Schema], AbstractContextManager[Put]]] = {
    "parquet": _parquet,
    "ipc": _ipc,
    "csv": _csv,
}
