"""Rows of a model as a Ray Data dataset, drawn where and when they are needed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import ray.data
from ray.data.block import BlockMetadata
from ray.data.datasource import ReadTask

from jaxsynth.ray.rows import Rows, loaded, sent
from jaxsynth.sample import Where
from jaxsynth.sample.ranges import check_number
from jaxsynth.synthesizer import Synthesizer

TASK_ROWS = 2**18
_TEXT_BYTES = 16  # a guess at a cell whose width its type does not tell


def dataset(
    model: Synthesizer | str | os.PathLike[str],
    rows: int,
    seed: int = 0,
    *,
    start: int = 0,
    where: Where | None = None,
    rows_per_task: int = TASK_ROWS,
    num_cpus: float = 1,
    num_gpus: float = 0,
) -> ray.data.Dataset:
    """Rows `start .. start + rows - 1` of the stream that `seed` names, as `Synthesizer.sample` gives them.

    Nothing is drawn until the dataset is read. Blocks come in whatever order tasks end; Ray keeps the stream's
    where `ray.data.DataContext.get_current().execution_options.preserve_order` is True.

    Args:
        model: a generator, or the path of a model file on this machine; workers get it by the object store.
        rows: how many, >= 1.
        seed: see `Synthesizer.stream`.
        start: see `Synthesizer.stream`.
        where: see `Synthesizer.stream`.
        rows_per_task: most rows a read task, >= 1; changes no row.
        num_cpus: what a task reserves.
        num_gpus: what a task reserves; without any it draws on the CPU.

    Raises:
        ArtefactError: see `jaxsynth.load`.
        ConditionError: see `Synthesizer.stream`.
        ValueError: a number out of its range.
    """
    synth = loaded(model)
    check_number("rows", rows, 1, 2**63)
    check_number("rows_per_task", rows_per_task, 1, 2**63)
    schema = synth.stream(rows, seed=seed, start=start, where=where).schema  # checks the other arguments
    source = _StreamDatasource(sent(synth, seed, where), schema, start, rows, rows_per_task)
    found: ray.data.Dataset = ray.data.read_datasource(source, num_cpus=num_cpus, num_gpus=num_gpus)
    return found


@dataclass
class _StreamDatasource(ray.data.Datasource):
    """One read task a row range, however many Ray asks for.

    Attributes:
        stream: the rows.
        columns: their schema.
        start: number of the first row.
        rows: how many.
        rows_per_task: most rows a task.
    """

    stream: Rows
    columns: pa.Schema
    start: int
    rows: int
    rows_per_task: int

    def __post_init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def get_name(self) -> str:
        return "Synthesizer"

    def estimate_inmemory_data_size(self) -> int:
        return self.rows * _row_bytes(self.columns)

    def get_read_tasks(
        self, parallelism: int, per_task_row_limit: int | None = None, data_context: Any = None
    ) -> list[ReadTask]:
        tasks = []
        for done in range(0, self.rows, self.rows_per_task):
            count = min(self.rows_per_task, self.rows - done)
            size = count * _row_bytes(self.columns)
            told = BlockMetadata(num_rows=count, size_bytes=size, exec_stats=None, input_files=None)
            read = partial(_tables, self.stream, self.start + done, count)
            tasks.append(ReadTask(read, told, schema=self.columns, per_task_row_limit=per_task_row_limit))
        return tasks


def _tables(stream: Rows, start: int, rows: int) -> Iterator[pa.Table]:
    """The blocks of a task, one a batch."""
    for batch in stream.open(start, rows):
        yield pa.Table.from_batches([batch])


def _row_bytes(schema: pa.Schema) -> int:
    """Bytes of a row in Arrow's memory, its validity bits as one byte a column."""
    return sum(1 + _cell_bytes(field.type) for field in schema)


def _cell_bytes(kind: pa.DataType) -> int:
    if pa.types.is_dictionary(kind):
        return _cell_bytes(kind.index_type)
    try:
        return max(int(kind.bit_width) // 8, 1)
    except ValueError:  # of no fixed width
        return _TEXT_BYTES
