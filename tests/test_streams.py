from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as pa_dataset
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from jaxsynth.errors import TableError
from jaxsynth.streams import RowStream, fills_memory, open_stream
from tests.conftest import make_table


def test_rows_come_in_order_some_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jaxsynth.streams._MOST", 100)
    table = make_table(1000)
    pq.write_table(table.slice(0, 333), tmp_path / "a.parquet", row_group_size=10)
    pq.write_table(table.slice(333), tmp_path / "b.parquet")
    stream = open_stream(tmp_path)
    assert stream.check() == 1000
    parts = list(stream.tables())
    assert [start for start, _ in parts] == [sum(t.num_rows for _, t in parts[:i]) for i in range(len(parts))]
    assert max(t.num_rows for _, t in parts) < 200
    assert len(parts) <= 12  # row groups of ten rows are read together
    assert pa.concat_tables([t for _, t in parts]).equals(table)


def test_arrow_files_and_nan(tmp_path: Path) -> None:
    feather.write_feather(pa.table({"x": [1.0, float("nan")]}), tmp_path / "a.arrow", compression="uncompressed")
    (_, table), *_ = open_stream(tmp_path / "a.arrow", nan_as_null=True).tables()
    assert table["x"].to_pylist() == [1.0, None]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"x": [1], "y": [2.0], "z": [1]}, "'.*b.parquet' has column 'z', which others lack"),
        ({"x": [1]}, "'.*b.parquet' lacks column 'y'"),
        ({"x": [1], "y": ["a"]}, "column 'y' has type string in '.*b.parquet' and double in others"),
    ],
)
def test_files_that_are_not_alike_are_refused(
    other: dict[str, list[object]], message: str, tmp_path: Path
) -> None:
    pq.write_table(pa.table({"x": [1], "y": [1.0]}), tmp_path / "a.parquet")
    pq.write_table(pa.table(other), tmp_path / "b.parquet")
    with pytest.raises(TableError, match=message):
        open_stream(tmp_path).check()


def test_columns_that_folders_name_are_there(tmp_path: Path) -> None:
    for year in (1, 2):
        (tmp_path / f"year={year}").mkdir()
        pq.write_table(pa.table({"x": [1.0]}), tmp_path / f"year={year}" / "a.parquet")
    stream = RowStream(pa_dataset.dataset(tmp_path, partitioning="hive"))
    assert stream.check() == 2
    assert [t["year"].to_pylist() for _, t in stream.tables()] == [[1, 2]]


def test_what_cannot_be_streamed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n")
    with pytest.raises(TableError, match="only those are read out of core; convert it"):
        open_stream(tmp_path / "a.csv")
    with pytest.raises(TableError, match="no file"):
        open_stream(tmp_path / "b.parquet")
    (tmp_path / "c.parquet").write_bytes(b"not parquet")
    with pytest.raises(TableError, match="cannot read the dataset"):
        open_stream(tmp_path / "c.parquet").check()
    pq.write_table(pa.table({"x": [1.0] * 1000}), tmp_path / "d.parquet")
    whole = (tmp_path / "d.parquet").read_bytes()
    stream = open_stream(tmp_path / "d.parquet")
    (tmp_path / "d.parquet").write_bytes(whole[:20] + whole[60:])
    with pytest.raises(TableError, match="cannot read the dataset"):
        list(stream.tables())


def test_size_is_told_by_metadata(tmp_path: Path) -> None:
    # A constant is a few bytes in Parquet and eight a row in memory.
    pq.write_table(pa.table({"x": [1.0] * 100_000}), tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size < 100_000
    from jaxsynth import streams

    share = 800_000 / streams._memory()
    assert fills_memory(tmp_path / "a.parquet", 0.9 * share)
    assert not fills_memory(tmp_path, 1.1 * share)
    assert not fills_memory(tmp_path / "nowhere.parquet", 0.0)
