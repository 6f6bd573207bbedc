from __future__ import annotations

from pathlib import Path

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.ipc as pa_ipc
import pyarrow.parquet as pq
import pytest

from jaxsynth.errors import TableError
from jaxsynth.tables import as_table, check_finite, nan_to_null

TABLE = pa.table({"a": [1, 2, None], "b": ["x", "y", "z"]})


def test_arrow_objects_come_through_unchanged() -> None:
    assert as_table(TABLE).equals(TABLE)
    assert as_table(TABLE.to_batches()[0]).equals(TABLE)
    assert as_table(TABLE.to_reader()).equals(TABLE)
    assert as_table({"a": [1, 2, None], "b": ["x", "y", "z"]}).equals(TABLE)


def test_frames_of_other_libraries_come_through() -> None:
    from_pandas = as_table(pd.DataFrame({"a": [1.5, None], "b": ["x", None]}))
    assert from_pandas["a"].to_pylist() == [1.5, None]
    from_polars = as_table(pl.DataFrame({"b": ["x", None], "c": pl.Series(["u", "v"], dtype=pl.Categorical)}))
    assert from_polars["b"].to_pylist() == ["x", None]
    assert from_polars.schema.field("b").type == pa.large_string()
    assert from_polars["c"].to_pylist() == ["u", "v"]


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow", "t.feather", "t.csv"])
def test_files_are_read_by_their_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("parquet"):
        pq.write_table(TABLE, path)
    elif name.endswith("csv"):
        pa_csv.write_csv(TABLE, path)
    else:
        with pa_ipc.new_file(path, TABLE.schema) as writer:
            writer.write_table(TABLE)
    assert as_table(path).equals(TABLE)
    assert as_table(str(path)).equals(TABLE)


def test_an_ipc_stream_file_is_read(tmp_path: Path) -> None:
    with pa_ipc.new_stream(tmp_path / "t.arrow", TABLE.schema) as writer:
        writer.write_table(TABLE)
    assert as_table(tmp_path / "t.arrow").equals(TABLE)


def test_a_directory_is_read_in_name_order(tmp_path: Path) -> None:
    pq.write_table(TABLE.slice(1), tmp_path / "part-1.parquet")
    pq.write_table(TABLE.slice(0, 1), tmp_path / "part-0.parquet")
    assert as_table(tmp_path).equals(TABLE)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"train: no file '.*nowhere.parquet'; check the path"):
        as_table(tmp_path / "nowhere.parquet", what="train")


def test_an_empty_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no Parquet, Arrow or CSV file under"):
        as_table(tmp_path)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(TableError, match=r"cannot read '.*t.parquet'"):
        as_table(tmp_path / "t.parquet")


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.xlsx").write_bytes(b"")
    with pytest.raises(TableError, match="cannot tell the format"):
        as_table(tmp_path / "t.xlsx")


def test_a_mixed_object_column_is_named() -> None:
    frame = pd.DataFrame({"fine": [1, 2], "mixed": pd.Series([1, "x"], dtype=object)})
    with pytest.raises(TableError, match="column 'mixed' mixes types"):
        as_table(frame)


def test_repeated_names_and_no_columns_are_refused() -> None:
    with pytest.raises(TableError, match="two columns are named 'a'"):
        as_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]))
    with pytest.raises(TableError, match="no columns"):
        as_table(pa.table({}))
    with pytest.raises(TableError, match="int is not a table"):
        as_table(3)


@pytest.mark.parametrize(("value", "word"), [(float("nan"), "NaN"), (float("inf"), "infinite")])
def test_nan_and_infinities_are_refused_with_the_row(value: float, word: str) -> None:
    bad = pa.table({"ok": [1.0, 2.0, 3.0], "x": [1.0, None, value]})
    with pytest.raises(TableError, match=rf"column 'x' holds 1 {word} cells, the first in row 2"):
        check_finite(bad)


def test_nan_to_null_touches_nans_only() -> None:
    out = nan_to_null(pa.table({"x": pa.array([1.0, float("nan"), None], pa.float32()), "s": ["a", "b", "c"]}))
    assert out["x"].to_pylist() == [1.0, None, None]
    assert out.schema.field("x").type == pa.float32()
    check_finite(out)
