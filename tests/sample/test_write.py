"""`Synthesizer.write` into directories."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.dataset as pa_dataset
import pyarrow.parquet as pq
import pytest

import jaxsynth as js
from jaxsynth.errors import ConditionError, OutputError
from jaxsynth.sample.shard_plan import described
from tests.sample.jobs import contents


@pytest.fixture(scope="module")
def other() -> js.Synthesizer:
    """A generator of one column."""
    tiny = js.VAE(latent=1, hidden=(4,), batch=50, epochs=1, min_steps=2)
    return js.fit(pa.table({"x": ["a", "b"] * 50}), tiny, seed=0, progress=False)


@pytest.mark.parametrize(("format_", "suffix"), [("parquet", "parquet"), ("ipc", "arrow")])
def test_shards_are_the_sample(synth: js.Synthesizer, tmp_path: Path, format_: str, suffix: str) -> None:
    manifest = synth.write(tmp_path / "out", 10_000, seed=1, start=100, format=format_, shard_rows=3000)
    assert isinstance(manifest, js.Manifest)
    assert [f.path for f in manifest.files] == [f"part-0000{i}.{suffix}" for i in range(4)]
    found = pa_dataset.dataset(tmp_path / "out", format=format_).to_table()
    assert found.equals(synth.sample(10_000, seed=1, start=100))


def test_shards_of_csv_hold_the_values(synth: js.Synthesizer, tmp_path: Path) -> None:
    manifest = synth.write(f"{tmp_path}/out/", 900, seed=1, format="csv", shard_rows=400)
    tables = [pa_csv.read_csv(tmp_path / "out" / f.path) for f in manifest.files]
    sent = synth.sample(900, seed=1)
    for name in ("age", "cost", "visits", "smoker", "admitted"):
        assert pa.concat_tables(tables)[name].to_pylist() == sent[name].to_pylist()


def test_a_condition_and_a_partition_go_together(synth: js.Synthesizer, tmp_path: Path) -> None:
    where: dict[str, Any] = {"sex": ["female"], "age": js.between(60, None)}
    synth.write(tmp_path, 2000, seed=1, where=where, partition="smoker", shard_rows=1500)
    found = pa_dataset.dataset(tmp_path, partitioning="hive").to_table()
    sent = synth.sample(2000, seed=1, where=where)
    assert set(found["smoker"].to_pylist()) == {"true", "false", None}
    for value, text in ((True, "true"), (False, "false"), (None, None)):
        cells = zip(found["smoker"].to_pylist(), found["cost"].to_pylist(), strict=True)
        expected = zip(sent["smoker"].to_pylist(), sent["cost"].to_pylist(), strict=True)
        assert [c for v, c in cells if v == text] == [c for v, c in expected if v == value]


def test_the_device_blocks_may_be_cut_anywhere(synth: js.Synthesizer, tmp_path: Path) -> None:
    for rows, workers in ((1000, 1), (5000, 2)):
        synth.write(tmp_path / str(rows), 9000, seed=1, shard_rows=rows, workers=workers)
    tables = [pa_dataset.dataset(tmp_path / str(rows)).to_table() for rows in (1000, 5000)]
    assert tables[0].equals(tables[1])


def test_a_model_saved_and_loaded_goes_on_with_the_job(synth: js.Synthesizer, tmp_path: Path) -> None:
    synth.write(tmp_path / "out", 3000, seed=1, shard_rows=1000, part=(1, 2))
    digest = synth.save(tmp_path / "model.jsynth")
    again = js.load(tmp_path / "model.jsynth")
    assert again.digest == synth.digest == digest
    assert again.write(tmp_path / "out", 3000, seed=1, shard_rows=1000).built == 2


def test_another_model_is_refused(synth: js.Synthesizer, other: js.Synthesizer, tmp_path: Path) -> None:
    synth.write(tmp_path / "out", 100, seed=1)
    before = contents(tmp_path / "out")
    with pytest.raises(OutputError, match=rf'model is "{synth.digest}" there and "{other.digest}" here'):
        other.write(tmp_path / "out", 100, seed=1)
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"out": "x.parquet", "shard_rows": 10}, "x.parquet' is one file, without shards; name a directory"),
        ({"out": "x.csv", "partition": "sex"}, "x.csv' is one file, without shards"),
        ({"out": "x.csv", "part": (0, 2)}, "x.csv' is one file, without shards"),
        ({"out": "x.xlsx"}, r"cannot tell the format of .*; end it in .parquet, .arrow or .csv, or in / for"),
        ({"format": "xml"}, "format 'xml' is unknown"),
        ({"shard_rows": 0}, "shard_rows=0 is out of range; give 1 <= shard_rows"),
        ({"shard_rows": 1.5}, "shard_rows=1.5 is not a whole number"),
        ({"workers": 0}, "workers=0 is out of range"),
        ({"part": (2, 2)}, "part=2 is out of range; give 0 <= part < 2"),
        ({"part": (0, 0)}, "number of parts=0 is out of range"),
        ({"part": 3}, r"part=3 is not \(rank, number of parts\)"),
        ({"partition": "race"}, "partition by 'race': there is no such column; choose from sex, age"),
        ({"partition": "cost"}, "partition by 'cost': continuous columns have too many values"),
        ({"filesystem": "s3"}, "filesystem is a str"),
        ({"out": "nothing://x/y"}, "Protocol not known: nothing"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    synth: js.Synthesizer, tmp_path: Path, asked: dict[str, Any], told: str
) -> None:
    out = asked.pop("out", "out")
    with pytest.raises(OutputError, match=told):
        synth.write(out if "://" in out else tmp_path / out, 10, seed=0, **asked)
    with pytest.raises(ConditionError):
        synth.write(tmp_path / "out", 10, seed=0, where={"sex": "x"})
    assert list(tmp_path.iterdir()) == []


def test_the_only_column_cannot_be_the_partition(other: js.Synthesizer, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="the files would have no column left"):
        other.write(tmp_path / "out", 10, seed=0, partition="x")


def test_a_name_with_a_dot_is_a_directory_where_it_is_one(synth: js.Synthesizer, tmp_path: Path) -> None:
    (tmp_path / "v1.0").mkdir()
    assert synth.write(tmp_path / "v1.0", 10, seed=0).files[0].path == "part-00000.parquet"
    assert synth.write(f"{tmp_path}/x.parquet/", 10, seed=0).files[0].path == "part-00000.parquet"
    assert pq.ParquetFile(tmp_path / "x.parquet" / "part-00000.parquet").metadata.num_rows == 10


def test_equal_conditions_have_equal_descriptions() -> None:
    assert described({"a": "x", "b": [2, np.int64(1)]}) == described({"b": {1, 2}, "a": ["x"]})
    assert described({"d": js.between(dt.date(2020, 1, 2), None)}) == {"d": {"low": "2020-01-02", "high": None}}
    assert described(None) == {}
    assert described({"a": "x"}) != described({"a": "y"})
