"""Tables larger than memory: rows of an Arrow dataset in their order, a bounded number at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as pa_dataset
import pyarrow.parquet as pq

from jaxsynth.errors import TableError
from jaxsynth.tables import as_table, files_under, nan_to_null

_CELLS = 1 << 21  # of the rows that are read at a time
_MOST = 1 << 17  # rows read at a time
_TEXT = 16  # bytes that a cell without a width of its own is taken for

_FORMATS = {"parquet": (".parquet", ".pq"), "ipc": (".arrow", ".feather", ".ipc")}


@dataclass(frozen=True, eq=False)
class RowStream:
    """A dataset that is read from front to back, as often as needed, and never whole.

    Attributes:
        dataset: its files in order; what the rows are does not depend on how they are cut into files.
        nan_as_null: read NaN cells as missing.
    """

    dataset: pa_dataset.Dataset
    nan_as_null: bool = False

    @property
    def columns(self) -> int:
        """How many columns there are."""
        return len(self.dataset.schema.names)

    def check(self) -> int:
        """The number of rows, from the files' metadata where they have it.

        Raises:
            TableError: unreadable, no columns or rows, or files that are not alike.
        """
        self._table(self.dataset.schema.empty_table())
        try:
            for fragment in self.dataset.get_fragments():
                _check_alike(fragment, self.dataset)
            rows = int(self.dataset.count_rows())
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(error) from error
        if rows == 0:
            raise TableError("table: no rows; give at least one row to learn from")
        return rows

    def tables(self) -> Iterator[tuple[int, pa.Table]]:
        """All rows, some at a time, with the number of the first of them.

        Raises:
            TableError: unreadable.
        """
        most = max(1, min(_MOST, _CELLS // self.columns))
        start, waiting = 0, list[pa.RecordBatch]()
        try:
            for batch in self._batches(most):
                waiting.append(batch)
                rows = sum(b.num_rows for b in waiting)
                if rows >= most:  # small row groups come together
                    yield start, self._table(pa.Table.from_batches(waiting))
                    start, waiting = start + rows, []
            if waiting:
                yield start, self._table(pa.Table.from_batches(waiting))
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(error) from error

    def _batches(self, rows: int) -> Iterator[pa.RecordBatch]:
        """In order. Arrow would read four files and sixteen batches of each ahead: gigabytes."""
        options = None
        if getattr(getattr(self.dataset, "format", None), "default_extname", "") == "parquet":
            options = pa_dataset.ParquetFragmentScanOptions(use_buffered_stream=True, pre_buffer=False)
        batches: Iterator[pa.RecordBatch] = self.dataset.to_batches(
            batch_size=rows, batch_readahead=2, fragment_readahead=1, fragment_scan_options=options
        )
        for batch in batches:  # Parquet may answer with whole row groups
            yield from (batch.slice(i, rows) for i in range(0, batch.num_rows, rows))

    def _table(self, table: pa.Table) -> pa.Table:
        return nan_to_null(table) if self.nan_as_null else as_table(table)


def _check_alike(fragment: pa_dataset.Fragment, dataset: pa_dataset.Dataset) -> None:
    """Arrow would fill columns that a file lacks with nulls, without a word."""
    found, schema = fragment.physical_schema, dataset.schema
    by_folder = getattr(getattr(dataset, "partitioning", None), "schema", pa.schema([])).names
    where = repr(getattr(fragment, "path", "a part of the dataset"))
    for field in schema:
        if field.name in by_folder:
            continue
        if field.name not in found.names:
            raise TableError(f"table: {where} lacks column {field.name!r}; write all files with the same columns")
        own = found.field(field.name).type
        if own != field.type:
            raise TableError(
                f"table: column {field.name!r} has type {own} in {where} and {field.type} in others; write all "
                "files with the same types"
            )
    extra = [name for name in found.names if name not in schema.names]
    if extra:
        raise TableError(f"table: {where} has column {extra[0]!r}, which others lack; write all files alike")


def _unreadable(error: Exception) -> TableError:
    first = str(error).strip().split("\n")[0]
    return TableError(f"table: cannot read the dataset: {first}; check its files")


def open_stream(path: Path, *, nan_as_null: bool = False) -> RowStream:
    """The stream of a file, or of all files under a directory, by name.

    Raises:
        TableError: missing, or neither Parquet nor Arrow IPC.
    """
    if not path.exists():
        raise TableError(f"table: no file {str(path)!r}; check the path")
    found = _files(path)
    if found is None:
        raise TableError(
            f"table: {str(path)!r} is no Parquet or Arrow file or directory of them: only those are read out of "
            "core; convert it, or fit in memory"
        )
    format_, files = found
    try:
        return RowStream(pa_dataset.dataset(files, format=format_), nan_as_null)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(error) from error


def fills_memory(path: Path, share: float) -> bool:
    """Whether the table of a path would fill more than this share of the machine's memory, by its metadata.

    False for what cannot be streamed, and for what cannot be read: reading it says why.
    """
    found = _files(path)
    if found is None:
        return False
    try:
        size = sum(_bytes_of_parquet(f) if found[0] == "parquet" else os.path.getsize(f) for f in found[1])
    except (pa.ArrowException, OSError):
        return False
    return size > share * _memory()


def _files(path: Path) -> tuple[str, list[str]] | None:
    """The format, and the files in order; None for what is not streamed."""
    if path.is_dir():
        found = files_under(path)
        return found if found is not None and found[0] in _FORMATS else None
    for format_, suffixes in _FORMATS.items():
        if path.is_file() and path.name.lower().endswith(suffixes):
            return format_, [str(path)]
    return None


def _bytes_of_parquet(file: str) -> int:
    """As an Arrow table: files are smaller where values repeat."""
    metadata = pq.read_metadata(file)
    stored = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    widths = [_width(f.type) for f in metadata.schema.to_arrow_schema()]
    return int(max(stored, metadata.num_rows * sum(widths)))


def _width(type_: pa.DataType) -> float:
    try:
        return float(type_.bit_width) / 8
    except ValueError:
        return _TEXT


def _memory() -> int:
    """Bytes of the machine, or of the container's limit."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = Path("/sys/fs/cgroup/memory.max")
    text = limit.read_text().strip() if limit.exists() else "max"
    return min(pages, int(text)) if text.isdecimal() else pages
