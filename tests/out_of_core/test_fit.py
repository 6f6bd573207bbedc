"""A fit that never has all rows in memory: what it learns, what it refuses, and that it leaves nothing behind."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pyarrow as pa
import pyarrow.dataset as pa_dataset
import pyarrow.parquet as pq
import pytest

import jaxsynth as js
from jaxsynth.errors import IdentifierWarning, OutputError, PrivacyError, SchemaError, TableError, TrainingWarning
from jaxsynth.fitting_out_of_core import fit_out_of_core, survey_rows
from jaxsynth.models import Generator
from jaxsynth.out_of_core.sizes import Sizes
from jaxsynth.streams import RowStream
from jaxsynth.train import Artefact
from tests.conftest import TINY, make_table

SIZES = Sizes(sample=10_000, held=500, block=32, window=512)
SMALL = js.Autoregressive(embedding=4, hidden=16, batch=64, epochs=6, min_steps=1, networks=1, patience=1.0)


def correlated(rows: int = 4000, *, ordered: bool = False) -> pa.Table:
    """Four columns that follow one number: independent columns are a nat a row worse."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=rows)
    z = np.sort(z) if ordered else z
    return pa.table(
        {
            "x": np.round(z, 1),
            "up": (z + rng.normal(0, 0.3, rows) > 0).astype(str),
            "level": np.clip(np.rint(z * 1.5 + rng.normal(0, 0.3, rows)), -3, 3).astype(int),
            "high": z + rng.normal(0, 0.3, rows) > 1,
        }
    )


def write(table: pa.Table, folder: Path, *, files: int = 1, group: int = 1000) -> pa_dataset.Dataset:
    folder.mkdir()
    for i, start in enumerate(range(0, table.num_rows, -(-table.num_rows // files))):
        part = table.slice(start, -(-table.num_rows // files))
        pq.write_table(part, folder / f"{i:03d}.parquet", row_group_size=group)
    return pa_dataset.dataset(folder)


def fit(dataset: pa_dataset.Dataset, generator: Generator = SMALL, *, cache: Path | None = None) -> Artefact:
    stream = RowStream(dataset)
    found = survey_rows(stream, None, seed=3, progress=False, sizes=SIZES)
    return fit_out_of_core(stream, found, generator, seed=3, progress=False, cache=cache, sizes=SIZES)


def test_it_learns_what_a_fit_in_memory_learns_whatever_the_order(tmp_path: Path) -> None:
    in_memory = js.fit(correlated(), SMALL, seed=3, progress=False).history
    shuffled = fit(write(correlated(), tmp_path / "shuffled")).history
    ordered = fit(write(correlated(ordered=True), tmp_path / "ordered")).history
    first, last = in_memory.held_out[0], min(in_memory.held_out)
    assert first - last > 0.3  # there is something to learn
    assert min(shuffled.held_out) == pytest.approx(last, abs=0.15)
    assert min(ordered.held_out) == pytest.approx(last, abs=0.15)
    assert len(shuffled.losses) > len(in_memory.losses)  # a window a chunk


def test_it_does_not_depend_on_how_rows_are_cut_into_files(tmp_path: Path) -> None:
    table = make_table(1500)
    runs = [
        fit(write(table, tmp_path / "one"), TINY),
        fit(write(table, tmp_path / "many", files=7, group=13), TINY),
    ]
    assert runs[0].codec.schema == runs[1].codec.schema
    for a, b in zip(*(jax.tree.leaves((r.params, r.codec.state()[1])) for r in runs), strict=True):
        np.testing.assert_array_equal(a, b)
    assert runs[0].history == runs[1].history


@pytest.mark.parametrize(
    "generator",
    [
        js.GAN(latent=4, hidden=(16,), critic=(16,), batch=64, epochs=1, min_steps=8),
        js.Diffusion(width=16, depth=1, batch=64, epochs=1, min_steps=8),
    ],
    ids=lambda g: g.name,
)
def test_every_generator_trains_in_windows(generator: Generator, tmp_path: Path) -> None:
    found = fit(write(make_table(1500), tmp_path / "rows"), generator)
    assert np.isfinite(found.history.losses).all()
    assert found.history.steps >= 8
    assert found.rows == 1500


def test_the_public_call_takes_a_dataset(tmp_path: Path) -> None:
    dataset = write(make_table(300), tmp_path / "rows")
    synth = js.fit(dataset, TINY, seed=0, progress=False, cache=tmp_path)
    assert synth.schema == js.Schema.infer(make_table(300))
    assert synth.sample(10, seed=0).num_rows == 10
    assert [p.name for p in tmp_path.iterdir()] == ["rows"]


def test_identifiers_are_not_learned(tmp_path: Path) -> None:
    table = make_table(300).append_column("row", pa.array(range(300)))
    with pytest.warns(IdentifierWarning, match=r"'row' \(record number\): regenerated"):
        synth = js.fit(write(table, tmp_path / "rows"), TINY, progress=False)
    assert synth.sample(3, seed=0)["row"].to_pylist() == [1, 2, 3]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("where", ["fitting_out_of_core.encode_rows", "train.loop.Runner.epoch"])
def test_the_cache_is_removed_whatever_happens(
    where: str, stop: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, cache = write(make_table(300), tmp_path / "rows"), tmp_path / "cache"
    cache.mkdir()
    there: list[int] = []

    def fail(*_: object, **__: object) -> None:
        there.append(len(list(cache.iterdir())))
        raise stop

    monkeypatch.setattr(f"jaxsynth.{where}", fail)
    with pytest.raises(stop):
        js.fit(dataset, TINY, progress=False, cache=cache)
    assert there == [1]
    assert list(cache.iterdir()) == []


def test_ctrl_c_keeps_the_best_so_far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from jaxsynth.train.loop import Runner

    epoch, calls = Runner.epoch, [0]

    def interrupted(*arguments: Any) -> Any:
        calls[0] += 1
        if calls[0] == 3:
            raise KeyboardInterrupt
        return epoch(*arguments)

    monkeypatch.setattr(Runner, "epoch", interrupted)
    with pytest.warns(TrainingWarning, match="kept the best parameters so far"):
        found = fit(write(make_table(1500), tmp_path / "rows"), TINY, cache=tmp_path)
    assert found.history.stopped == "interrupted"
    assert [p.name for p in tmp_path.iterdir()] == ["rows"]


def test_the_environment_names_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAXSYNTH_CACHE", str(tmp_path / "nowhere"))
    with pytest.raises(OutputError, match=r"'.*nowhere': No such file.*cache= or JAXSYNTH_CACHE"):
        js.fit(write(make_table(300), tmp_path / "rows"), TINY, progress=False)


def test_a_full_disk_is_told_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = write(make_table(300), tmp_path / "rows")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 0, 10))
    with pytest.raises(OutputError, match=r"codes need [\d,]+ bytes and 10 are free"):
        js.fit(dataset, TINY, progress=False, cache=tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["rows"]


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        (make_table(0), TableError, "no rows; give at least one row"),
        (
            pa.table({"x": [0.5] * 9 + [float("nan")]}),
            TableError,
            "column 'x' holds 1 NaN cells, the first in row 9",
        ),
        (pa.table({"x": [0.5, float("inf")]}), TableError, "column 'x' holds 1 infinite"),
        (pa.table({"x": [[1], [2]]}), SchemaError, "column 'x': type 'list"),
        (pa.table({"id": list(range(50))}), SchemaError, "every column is an identifier or text"),
    ],
)
def test_bad_tables_are_refused(table: pa.Table, error: type[Exception], message: str, tmp_path: Path) -> None:
    dataset = write(table, tmp_path / "rows", group=3) if table.num_rows else pa_dataset.dataset(table)
    with pytest.raises(error, match=message):
        js.fit(dataset, TINY, progress=False)


def test_a_schema_that_disagrees_is_refused(tmp_path: Path) -> None:
    schema, dataset = js.Schema.infer(make_table(300)), write(make_table(300), tmp_path / "rows")
    with pytest.raises(SchemaError, match="rows from 0: column 'age' holds"):
        js.fit(dataset, TINY, schema=schema.changed("age", bounds=(50, 60)), progress=False)


def test_privacy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PrivacyError, match="private training reads the table into memory for now"):
        js.fit(write(make_table(300), tmp_path / "rows"), TINY, privacy=js.Privacy(epsilon=1.0), progress=False)


def test_files_that_change_in_between_are_refused(tmp_path: Path) -> None:
    stream = RowStream(write(make_table(300), tmp_path / "rows"))
    found = survey_rows(stream, None, seed=0, progress=False)
    pq.write_table(make_table(300).slice(0, 200), tmp_path / "rows" / "000.parquet")
    with pytest.raises(TableError, match="200 rows where there were 300 before"):
        fit_out_of_core(RowStream(pa_dataset.dataset(tmp_path / "rows")), found, TINY, seed=0, progress=False)
