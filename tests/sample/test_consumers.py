"""Libraries that read the stream as it is, whole or in part: the same rows, and nothing left behind."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as pa_dataset
import pytest

import jaxsynth as js
from jaxsynth.codec import Codec
from jaxsynth.codec.packed import Columns
from jaxsynth.sample.blocks import BLOCK_ROWS, BlockSampler

ROWS = 20_000
ENDLESS = 10**12
BATCH = 5_000


@pytest.fixture(scope="module")
def whole(synth: js.Synthesizer) -> pa.Table:
    """The rows every consumer should see."""
    return synth.sample(ROWS, seed=1)


def _duckdb(stream: pa.RecordBatchReader) -> pa.Table:
    found = duckdb.sql("select * from stream")
    assert found is not None
    return found.to_arrow_table()


def _polars(stream: pa.RecordBatchReader) -> pa.Table:
    return pl.DataFrame(stream).to_arrow()


def _polars_from_arrow(stream: pa.RecordBatchReader) -> pa.Table:
    frame = pl.from_arrow(stream)
    assert isinstance(frame, pl.DataFrame)
    return frame.to_arrow()


def _pandas(stream: pa.RecordBatchReader) -> pa.Table:
    return pa.Table.from_pandas(stream.read_pandas(), preserve_index=False)


def _scanner(stream: pa.RecordBatchReader) -> pa.Table:
    return pa_dataset.Scanner.from_batches(stream).to_table()


def _capsule(stream: pa.RecordBatchReader) -> pa.Table:
    return pa.RecordBatchReader.from_stream(stream).read_all()


CONSUMERS = [_duckdb, _polars, _polars_from_arrow, _pandas, _scanner, _capsule]


@pytest.mark.parametrize("read", CONSUMERS)
def test_a_library_reads_the_stream_itself(
    synth: js.Synthesizer, whole: pa.Table, read: Callable[[pa.RecordBatchReader], pa.Table]
) -> None:
    found = read(synth.stream(ROWS, seed=1, batch_rows=BATCH))
    assert found.column_names == whole.column_names
    for name in whole.column_names:
        assert found[name].to_pylist() == whole[name].to_pylist(), name


def test_a_dataset_is_written_from_the_stream(synth: js.Synthesizer, whole: pa.Table, tmp_path: Path) -> None:
    stream = synth.stream(ROWS, seed=1, batch_rows=BATCH)
    pa_dataset.write_dataset(stream, tmp_path, format="parquet", max_rows_per_file=8192, max_rows_per_group=4096)
    assert len(list(tmp_path.iterdir())) > 1
    found = (
        pa_dataset.dataset(tmp_path).to_table().sort_by([(n, "ascending") for n in ("cost", "admitted", "age")])
    )
    expected = whole.sort_by([(n, "ascending") for n in ("cost", "admitted", "age")])
    for name in ("cost", "admitted", "age"):
        assert found[name].to_pylist() == expected[name].to_pylist()


class Watch:
    """What a stream draws, and what it holds on to.

    Attributes:
        drawn: number of blocks asked for.
        encoded: weak references to the batches that were encoded.
        most: most of them alive at a time.
    """

    def __init__(self) -> None:
        self.drawn = 0
        self.encoded: list[weakref.ref[Any]] = []
        self.most = 0

    def alive(self) -> int:
        """How many encoded batches live."""
        return sum(r() is not None for r in self.encoded)

    def settle(self) -> None:
        """Wait until no batch lives, which threads of Arrow's own may hold for a moment."""
        deadline = time.monotonic() + 20
        while self.alive() and time.monotonic() < deadline:
            gc.collect()
            time.sleep(0.01)


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """Counts blocks and batches of every stream."""
    found, blocks, decode = Watch(), BlockSampler.blocks, Codec.decode

    def counted(*arguments: Any) -> Iterator[Columns]:
        for block in blocks(*arguments):
            found.drawn += 1
            yield block

    def noted(self: Codec, *arguments: Any, **named: Any) -> pa.RecordBatch:
        batch = decode(self, *arguments, **named)
        found.encoded.append(weakref.ref(batch))
        found.most = max(found.most, found.alive())
        return batch

    monkeypatch.setattr(BlockSampler, "blocks", counted)
    monkeypatch.setattr(Codec, "decode", noted)
    return found


def _limited(stream: pa.RecordBatchReader) -> int:
    found = duckdb.sql("select * from stream limit 3")
    assert found is not None
    return len(found.fetchall())


def _broken_off(stream: pa.RecordBatchReader) -> int:
    for batch in stream:
        return int(batch.num_rows)
    return 0


def _closed(stream: pa.RecordBatchReader) -> int:
    rows = int(stream.read_next_batch().num_rows)
    stream.close()
    return rows


def _through_the_capsule(stream: pa.RecordBatchReader) -> int:
    other = pa.RecordBatchReader.from_stream(stream)
    return int(other.read_next_batch().num_rows)


def _head(stream: pa.RecordBatchReader) -> int:
    return int(pa_dataset.Scanner.from_batches(stream, batch_readahead=1).head(10).num_rows)


def _unread(stream: pa.RecordBatchReader) -> int:
    return len(stream.schema)


@pytest.mark.parametrize("read", [_limited, _broken_off, _closed, _through_the_capsule, _head, _unread])
def test_a_reader_that_stops_early_leaves_nothing(
    synth: js.Synthesizer, watch: Watch, read: Callable[[pa.RecordBatchReader], int]
) -> None:
    before = set(threading.enumerate())
    stream = synth.stream(ENDLESS, seed=1, batch_rows=BATCH)
    assert read(stream) > 0
    del stream
    watch.settle()
    drawn = watch.drawn
    assert drawn <= 64 * BATCH // BLOCK_ROWS
    assert set(threading.enumerate()) <= before
    assert watch.alive() == 0
    assert synth.sample(10, seed=1).num_rows == 10  # draws on, and no stream but this one does
    assert watch.drawn == drawn + 1


def test_a_stream_holds_one_batch_and_the_blocks_of_the_next(synth: js.Synthesizer, watch: Watch) -> None:
    for taken, batch in enumerate(synth.stream(40 * BATCH, seed=1, batch_rows=BATCH), start=1):
        assert batch.num_rows == BATCH
        assert watch.drawn <= taken * BATCH // BLOCK_ROWS + 1
    assert watch.most <= 2
