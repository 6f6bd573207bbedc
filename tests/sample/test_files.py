from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest

import jaxsynth as js
from jaxsynth.errors import ConditionError, OutputError
from jaxsynth.sample import File
from jaxsynth.tables import as_table


@pytest.mark.parametrize("name", ["out.parquet", "out.arrow"])
def test_files_hold_the_stream(synth: js.Synthesizer, tmp_path: Path, name: str) -> None:
    manifest = synth.write(tmp_path / "deep" / name, 5000, seed=1, start=7)
    assert as_table(tmp_path / "deep" / name).equals(synth.sample(5000, seed=1, start=7))
    data = (tmp_path / "deep" / name).read_bytes()
    sha = hashlib.sha256(data).hexdigest()
    assert manifest.files == (File(path=name, shard=0, start=7, rows=5000, bytes=len(data), sha256=sha),)
    assert (manifest.place, manifest.complete) == (str(tmp_path / "deep"), True)
    assert [p.name for p in (tmp_path / "deep").iterdir()] == [name]


def test_csv_holds_the_values(synth: js.Synthesizer, tmp_path: Path) -> None:
    synth.write(tmp_path / "out.csv", 500, seed=1)
    back, sent = as_table(tmp_path / "out.csv"), synth.sample(500, seed=1)
    assert back.column_names == sent.column_names
    assert back["age"].to_pylist() == sent["age"].to_pylist()
    assert back["grade"].to_pylist() == sent["grade"].to_pylist()
    assert back["cost"].to_pylist() == sent["cost"].to_pylist()


def test_the_format_can_be_said(synth: js.Synthesizer, tmp_path: Path) -> None:
    synth.write(tmp_path / "out.csv", 10, seed=1, format="parquet")
    assert pq.ParquetFile(tmp_path / "out.csv").metadata.num_rows == 10


def test_equal_seeds_write_equal_files(synth: js.Synthesizer, tmp_path: Path) -> None:
    for name in ("a.parquet", "b.parquet"):
        synth.write(tmp_path / name, 3000, seed=1)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_parquet_keeps_dictionaries_for_categories_and_splits_the_bytes_of_floats(
    synth: js.Synthesizer, tmp_path: Path
) -> None:
    synth.write(tmp_path / "out.parquet", 300_000, seed=1)
    found = pq.ParquetFile(tmp_path / "out.parquet").metadata
    assert [found.row_group(i).num_rows for i in range(found.num_row_groups)] == [2**18, 300_000 - 2**18]
    group = found.row_group(0)
    columns = {c.path_in_schema: c for c in (group.column(i) for i in range(found.num_columns))}
    assert {c.compression for c in columns.values()} == {"ZSTD"}
    dictionaries = {n for n, c in columns.items() if "RLE_DICTIONARY" in c.encodings}
    assert dictionaries == {"sex", "grade"}
    assert {n for n, c in columns.items() if "BYTE_STREAM_SPLIT" in c.encodings} == {"cost"}
    assert {n for n, c in columns.items() if c.is_stats_set} == {"age", "visits", "admitted"}


def test_other_libraries_read_the_stream(synth: js.Synthesizer) -> None:
    stream = synth.stream(5000, seed=1)  # noqa: F841 (DuckDB reads the variable by its name)
    counted = duckdb.sql("select count(*) from stream")
    assert counted is not None
    assert counted.fetchall() == [(5000,)]
    assert pl.DataFrame(synth.stream(5000, seed=1).read_all())["sex"].n_unique() == 2


def test_unknown_formats_and_places_are_refused_before_sampling(synth: js.Synthesizer, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot tell the format of"):
        synth.write(tmp_path / "out.xlsx", 10, seed=0)
    with pytest.raises(OutputError, match="format 'xml' is unknown"):
        synth.write(tmp_path / "out.parquet", 10, seed=0, format="xml")
    with pytest.raises(ConditionError):
        synth.write(tmp_path / "out.parquet", 10, seed=0, where={"sex": "x"})
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        synth.write(tmp_path / "file" / "out.parquet", 10, seed=0)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
